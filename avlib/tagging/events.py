"""Scores of seconds to events, with a threshold of onset and one of offset."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Events = list[tuple[int, int]]  # [start, stop) in seconds


def find_events(scores: ArrayLike, onset: float, offset: float, gap: int, minimum: int) -> Events:
    """Return the events of one class in one video, by time.

    Args:
        scores: (T,) of each second.
        onset: an event holds a second with at least this score.
        offset: an event is a run of seconds with at least this score, at most `onset`.
        gap: events at most so many seconds apart are one, from the first to the last.
        minimum: seconds of the shortest event that is kept.
    """
    values = np.asarray(scores, dtype=np.float64)
    joined: Events = []
    for start, stop in _runs(values >= offset):
        if values[start:stop].max() < onset:
            continue
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return [(start, stop) for start, stop in joined if stop - start >= minimum]


def _runs(flags: NDArray[np.bool_]) -> Events:
    """Return the ranges of successive true values."""
    padded = np.concatenate([[False], flags, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(padded)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
