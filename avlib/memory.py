"""Memory of loops over many files, which neither grows with their number nor comes and goes."""

import ctypes
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

ITEMS_A_ROUND = 16  # items; each round costs about a millisecond
KEPT_BYTES = 16 << 20  # glibc keeps freed memory for blocks as large as the largest freed before


def keep_freed_memory() -> None:
    """Let the process keep freed blocks of memory, to use them again without the system's help."""
    bytes(KEPT_BYTES)


def returning_memory(items: Iterable[T], items_a_round: int = ITEMS_A_ROUND) -> Iterator[T]:
    """Yield `items`, and give free memory back to the system now and then.

    The allocator of glibc cannot fill the holes that large tensors leave between small things that
    stay, such as the entries of an HDF5 file: with each video a process would keep a megabyte more.
    With other allocators nothing is done.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    for number, item in enumerate(items, 1):
        yield item
        if trim is not None and number % items_a_round == 0:
            trim(0)
