"""Progress of long loops: a bar on a terminal, a line now and then in a log."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0

T = TypeVar("T")


def progress(items: Iterable[T], what: str, unit: str, *, total: int, done: int = 0) -> Iterator[T]:
    """Yield `items`; log how many are done, the rate and the time left.

    Args:
        items: of the loop.
        what: name of the work, such as `packing audio`.
        unit: name of the items, in the plural.
        total: number of items, including those done before.
        done: number of items done before.
    """
    logger.info("%s: %d %s", what, total - done, unit)
    start = last = time.monotonic()
    bar = tqdm(items, what, total, initial=done, unit=f" {unit}", disable=None, leave=False)
    for count, item in enumerate(bar):
        now = time.monotonic()
        if count and now - last >= SECONDS_BETWEEN_LINES:
            last, rate = now, count / (now - start)
            logger.info(
                "%s: %d of %d %s, %.1f/s, %.0f s left",
                what,
                done + count,
                total,
                unit,
                rate,
                (total - done - count) / rate,
            )
        yield item
    logger.info("%s: done in %.1f s", what, time.monotonic() - start)


def progress_in_parts(
    parts: Iterable[T], what: str, unit: str, *, total: int, size: Callable[[T], int]
) -> Iterator[T]:
    """Yield parts of a work; show progress as `progress` does, in the items that they hold.

    Args:
        parts: of the work.
        what: name of the work.
        unit: name of the items, in the plural.
        total: number of items.
        size: returns how many items a part holds.
    """
    items = progress(range(total), what, unit, total=total)
    next(items, None)  # so that the bar is there before the first part
    for part in parts:
        yield part
        for _ in range(size(part)):
            next(items, None)
