"""Loops over many files whose memory does not grow with their number."""

import ctypes
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

ITEMS_A_ROUND = 16  # items; each round costs about a millisecond


def returning_memory(items: Iterable[T]) -> Iterator[T]:
    """Yield `items`, and give free memory back to the system now and then.

    The allocator of glibc cannot fill the holes that large tensors leave between small things that
    stay, such as the entries of an HDF5 file: with each video a process would keep a megabyte more.
    With other allocators nothing is done.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    for number, item in enumerate(items, 1):
        yield item
        if trim is not None and number % ITEMS_A_ROUND == 0:
            trim(0)
