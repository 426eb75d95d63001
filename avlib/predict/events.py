"""Scores of seconds or of queries to events with onset and offset; pure functions.

Where every second has a prediction, background included, equal ones that follow each other are
joined. Elsewhere TIM classifies the intervals that it is queried for, and knows no background:
queries of a few lengths cover the recording, half a length apart. The class of a query is its most
probable one. Of all sets of queries that do not overlap, the one with the largest sum of
(score - threshold) times length is taken. Neighbours of one class that nearly touch are joined.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.custom import whole_seconds
from avlib.predict.tables import Event

MS = 1000  # times are compared in whole milliseconds

Spans = NDArray[np.float64]  # (N, 2), starts and stops in seconds


def second_spans(duration_s: float) -> Spans:
    """Return the seconds of a recording; more than half a second at its end counts as one."""
    starts = np.arange(whole_seconds(duration_s), dtype=np.float64)
    return np.stack([starts, starts + 1], axis=1)


def query_spans(duration_s: float, lengths_s: Sequence[float]) -> Spans:
    """Return queries of some lengths, half a length apart, from start to end of a recording.

    A recording that is shorter than a length has one query of it, which is all of it.

    Returns:
        (N, 2) starts and stops, ascending; each span once.
    """
    spans = set()
    for length_s in lengths_s:
        length = min(round(length_s * MS), int(duration_s * MS))
        last = int(duration_s * MS) - length
        starts = [*range(0, last, max(length // 2, 1)), last]
        spans |= {(start, start + length) for start in starts}
    return np.array(sorted(spans), dtype=np.float64).reshape(-1, 2) / MS


def join_seconds(
    spans: Spans,
    classes: NDArray[np.integer],
    scores: NDArray[np.floating],
    names: Sequence[str],
    background: str,
) -> list[Event]:
    """Return runs of seconds of one class, but for those of `background`.

    Args:
        spans: the seconds, one after the other.
        classes: (N,) class of each.
        scores: (N,) its probability.
        names: of the classes.
        background: class of seconds without an event.
    """
    borders = np.flatnonzero(np.diff(classes)) + 1
    runs = np.split(np.arange(len(spans)), borders) if len(spans) else []
    return [
        Event(float(spans[run[0], 0]), float(spans[run[-1], 1]), name, float(scores[run].mean()))
        for run in runs
        if (name := names[classes[run[0]]]) != background
    ]


def choose_spans(
    spans: Spans,
    classes: NDArray[np.integer],
    scores: NDArray[np.floating],
    names: Sequence[str],
    threshold: float,
) -> list[Event]:
    """Return the events of overlapping queries, as the head of this file says.

    Args:
        spans: the queries.
        classes: (N,) most probable class of each.
        scores: (N,) its probability.
        names: of the classes.
        threshold: what the score of a query must exceed.
    """
    kept = np.flatnonzero(scores > threshold)
    kept = kept[np.argsort(spans[kept, 1], kind="stable")]
    ms = np.rint(spans[kept] * MS).astype(np.int64)
    gains = (scores[kept] - threshold) * (ms[:, 1] - ms[:, 0])
    before = np.searchsorted(ms[:, 1], ms[:, 0], side="right")  # how many end before each starts
    best = np.zeros(len(kept) + 1)
    for i, (gain, place) in enumerate(zip(gains.tolist(), before.tolist(), strict=True)):
        best[i + 1] = max(best[i], best[place] + gain)
    chosen: list[int] = []
    i = len(kept)
    while i:
        if best[i] > best[i - 1]:
            chosen.append(int(kept[i - 1]))
            i = int(before[i - 1])
        else:
            i -= 1
    events = [
        Event(float(spans[k, 0]), float(spans[k, 1]), names[classes[k]], float(scores[k]))
        for k in reversed(chosen)
    ]
    return _joined(events)


def _joined(events: Sequence[Event]) -> list[Event]:
    """Join neighbours of one label that are nearer than half the length of the shorter one."""
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        if last is None or last.label != event.label:
            joined.append(event)
            continue
        lengths = [last.stop_s - last.start_s, event.stop_s - event.start_s]
        if 2 * (event.start_s - last.stop_s) >= min(lengths):
            joined.append(event)
            continue
        score = float(np.average([last.score, event.score], weights=lengths))
        joined[-1] = Event(last.start_s, event.stop_s, event.label, score)
    return joined
