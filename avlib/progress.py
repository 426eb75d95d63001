"""Progress of long loops: a bar on a terminal, a line now and then in a log."""

import logging
import time
from collections.abc import Collection, Iterator
from typing import TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0

T = TypeVar("T")


def progress(items: Collection[T], what: str, unit: str) -> Iterator[T]:
    """Yield `items`; say what is done, how fast, and how long the rest will take."""
    logger.info("%s: %d %s", what, len(items), unit)
    start = last = time.monotonic()
    for done, item in enumerate(tqdm(items, what, unit=f" {unit}", disable=None, leave=False)):
        now = time.monotonic()
        if now - last > SECONDS_BETWEEN_LINES:
            rate = done / (now - start)
            left_s = (len(items) - done) / rate
            logger.info("%s: %d of %d, %.1f/s, %.0f s left", what, done, len(items), rate, left_s)
            last = now
        yield item
    logger.info("%s: done in %.1f s", what, time.monotonic() - start)
