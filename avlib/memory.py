"""Memory of a process: it neither grows with the number of files nor comes and goes."""

import atexit
import ctypes
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn, TypeVar

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
    for number, item in enumerate(items, 1):
        yield item
        if number % items_a_round == 0:
            return_memory()


def return_memory() -> None:
    """Give freed memory back to the system, where glibc keeps it; elsewhere do nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def share_allocator() -> None:
    """Let Arrow take memory where the rest does, so that `return_memory` gives back its, too.

    Its own allocator keeps 50 MB of what tables of the intervals of three hours take for a moment.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())


def run_and_leave(program: Callable[[], int]) -> NoReturn:
    """Run a program and end the process by its status, without unloading the libraries.

    To unload those of CUDA, a process reads them once more: 0.13 GB of their files on top of what
    is in use, and 0.6 s. Where the program fails, the process ends as any other.
    """
    statuses: list[int] = []

    def leave() -> None:
        for status in statuses:  # none where the program has failed
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    atexit.register(leave)  # runs after all that the program registers
    statuses.append(program())
    sys.exit(statuses[0])
