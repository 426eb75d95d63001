"""Metrics of audio-visual event parsing: F1 of segments and of events, per video and class.

Source: the measures of LLP (Tian et al., ECCV 2020, section 5), as VALOR (Lai et al., NeurIPS
2023) reports them: for each video the mean F1 of the classes that occur or are predicted, 1 without
any, then the mean over videos. Scores of a data set are percentages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

THRESHOLD = 0.5  # probabilities at or above it are positive
IOU = 0.5  # events with at least this intersection over union match
SCORES = ("audio", "visual", "event", "audio_visual")  # in the order of the published functions
TABLE = (  # scores in the order of the published tables
    "Seg-a",
    "Seg-v",
    "Seg-av",
    "Seg-type",
    "Seg-event",
    "Event-a",
    "Event-v",
    "Event-av",
    "Event-type",
    "Event-event",
)

Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Events(NamedTuple):
    """Segments of N videos in which each class occurs.

    Attributes:
        audio: (N, K, T) audio events, non-zero where a class occurs.
        visual: (N, K, T) visual events.
    """

    audio: ArrayLike
    visual: ArrayLike


@dataclass(frozen=True)
class Counts:
    """True positives and errors of each video and class, (N, K) each."""

    true_positive: Integers
    false_positive: Integers
    false_negative: Integers

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
        )

    def f(self) -> Floats:
        """Return F1, (N, K); NaN if a class neither occurs nor is predicted."""
        hits = 2 * self.true_positive
        total = hits + self.false_positive + self.false_negative
        return np.divide(hits, total, out=np.full(hits.shape, np.nan), where=total > 0)


@dataclass(frozen=True)
class Scores:
    """Scores of one level, segments or events.

    Attributes:
        counts: of `audio`, `visual`, `event` (the sum of both) and `audio_visual`.
        class_f: (N, 4, K) F1 of each video and class in the order of SCORES; NaN if a class
            neither occurs nor is predicted.
        video_f: (N, 4) mean over the other classes, 1 without any.
    """

    counts: Mapping[str, Counts]
    class_f: Floats
    video_f: Floats


def find_events(
    video_probs: ArrayLike, segment_probs: ArrayLike, threshold: float = THRESHOLD
) -> Events:
    """Return the positive segments of the classes that are positive in their video.

    Args:
        video_probs: (N, K).
        segment_probs: (N, T, 2, K), audio before visual.
        threshold: probabilities at or above it are positive.

    Raises:
        ValueError: if the shapes do not match.
    """
    videos, segments = np.asarray(video_probs), np.asarray(segment_probs)
    if segments.ndim != 4 or segments.shape[::3] != videos.shape or segments.shape[2] != 2:
        raise ValueError(
            f"expected (N, K) and (N, T, 2, K) probabilities, got {videos.shape} and "
            f"{segments.shape}"
        )
    found = (segments >= threshold) & (videos >= threshold)[:, None, None]
    return Events(found[:, :, 0].transpose(0, 2, 1), found[:, :, 1].transpose(0, 2, 1))


def segment_scores(predicted: Events, truth: Events) -> Scores:
    """Return the scores of segments.

    Raises:
        ValueError: if the four shapes differ.
    """
    return _scores([count_segments(p, t) for p, t in zip(*_streams(predicted, truth), strict=True)])


def event_scores(predicted: Events, truth: Events, iou: float = IOU) -> Scores:
    """Return the scores of events, which are runs of segments of a class.

    Args:
        predicted: predicted events.
        truth: annotated events.
        iou: intersection over union from which two events match, in (0, 1].

    Raises:
        ValueError: if the four shapes differ, or `iou` is out of range.
    """
    return _scores(
        [count_events(p, t, iou) for p, t in zip(*_streams(predicted, truth), strict=True)]
    )


def count_segments(predicted: Booleans, truth: Booleans) -> Counts:
    """Return the counts of segments, (N, K), of masks (T, N, K)."""
    hits = _count(predicted & truth)
    return Counts(hits, _count(predicted) - hits, _count(truth) - hits)


def count_events(predicted: Booleans, truth: Booleans, iou: float = IOU) -> Counts:
    """Return the counts of events, (N, K), of masks (T, N, K).

    A predicted event is a true positive if any annotated event matches it, and an annotated event
    is a false negative if no predicted one matches it. From `iou` 0.5 on no event matches two.

    Raises:
        ValueError: if `iou` is out of range.
    """
    if not 0 < iou <= 1:
        raise ValueError(f"iou must be above 0 and at most 1, got {iou}")
    starts = _starts(predicted), _starts(truth)
    hits, found = np.zeros((2, *truth.shape[1:]), dtype=np.int64)
    rows = (predicted & truth).any(axis=0)  # others have no match
    numbers = [_number(begin[:, rows]) for begin in starts]
    matches = _matches(predicted[:, rows], truth[:, rows], numbers, iou)
    hits[rows], found[rows] = matches.any(axis=2).sum(axis=1), matches.any(axis=1).sum(axis=1)
    return Counts(hits, _count(starts[0]) - hits, _count(starts[1]) - found)


def _matches(
    predicted: Booleans, truth: Booleans, numbers: Sequence[Integers], iou: float
) -> Booleans:
    """Return whether each predicted event (axis 1) of each row matches each annotated one (axis 2).

    Args:
        predicted: (T, R) masks.
        truth: (T, R) masks.
        numbers: (T, R) each, numbers of the events of both, counted from 0 within a row.
        iou: as in `count_events`.
    """
    length, rows = truth.shape
    most = (length + 1) // 2  # largest number of events in a row
    row = np.broadcast_to(np.arange(rows), truth.shape)

    def lengths(mask: Booleans, *events: Integers) -> Integers:
        shape = (rows, *(most for _ in events))
        cells = np.ravel_multi_index((row[mask], *(e[mask] for e in events)), shape)
        return np.bincount(cells, minlength=np.prod(shape, dtype=int)).reshape(shape)

    common = lengths(predicted & truth, *numbers)
    own = lengths(predicted, numbers[0])[:, :, None]
    union = own + lengths(truth, numbers[1])[:, None] - common
    return (common > 0) & (common >= iou * union)


def _starts(mask: Booleans) -> Booleans:
    """Return the starts of runs along the first axis."""
    starts = mask.copy()
    starts[1:] &= ~mask[:-1]
    return starts


def _number(starts: Booleans) -> Integers:
    """Return the number of the latest run, -1 before the first."""
    return np.cumsum(starts, axis=0, dtype=np.int64) - 1


def _count(mask: Booleans) -> Integers:
    return np.add.reduce(mask, axis=0, dtype=np.int64)


def _streams(predicted: Events, truth: Events) -> tuple[list[Booleans], list[Booleans]]:
    """Return masks (T, N, K) of audio, visual and both, predicted and annotated.

    With time as first axis, sums over time add whole arrays.
    """
    masks = [np.asarray(m, dtype=bool) for events in (predicted, truth) for m in events]
    shapes = [mask.shape for mask in masks]
    if masks[0].ndim != 3 or len(set(shapes)) > 1:
        raise ValueError(f"expected four masks (N, K, T) of one shape, got {shapes}")
    a, v, true_a, true_v = (np.ascontiguousarray(mask.transpose(2, 0, 1)) for mask in masks)
    return [a, v, a & v], [true_a, true_v, true_a & true_v]


def _scores(counts: Sequence[Counts]) -> Scores:
    audio, visual, both = counts
    named = dict(zip(SCORES, (audio, visual, audio + visual, both), strict=True))
    class_f = np.stack([c.f() for c in named.values()], axis=1)
    is_counted = ~np.isnan(class_f)
    classes = is_counted.sum(axis=2)
    total = np.where(is_counted, class_f, 0.0).sum(axis=2)
    video_f = np.divide(total, classes, out=np.ones_like(total), where=classes > 0)
    return Scores(named, class_f, video_f)


def parsing_metrics(predicted: Events, truth: Events, iou: float = IOU) -> dict[str, Any]:
    """Return the metrics of a data set; scores are percentages.

    Args:
        predicted: predicted events, as from `find_events`.
        truth: dense labels of the same N videos.
        iou: as in `event_scores`.

    Returns:
        `videos`; the ten scores of TABLE, None without videos, where Type is the mean of audio,
        visual and audio-visual; and `per_class` with `segment` and `event`, each with the entries
        of SCORES: `f`, a list of K means over the videos in which the class occurs or is
        predicted, None if there is none; and `true_positive`, `false_positive` and
        `false_negative`, lists of K sums.

    Raises:
        ValueError: as `event_scores`.
    """
    levels = {
        "segment": segment_scores(predicted, truth),
        "event": event_scores(predicted, truth, iou),
    }
    table = data_set_scores(levels["segment"].video_f, levels["event"].video_f)
    return {
        "videos": len(levels["segment"].video_f),
        **table,
        "per_class": {level: _per_class(scores) for level, scores in levels.items()},
    }


def data_set_scores(segment: ArrayLike, event: ArrayLike) -> dict[str, float | None]:
    """Return the ten scores of TABLE in percent, None without videos.

    Args:
        segment: (N, 4) F1 of segments, as `Scores.video_f`.
        event: (N, 4) F1 of events.
    """
    means: list[float] = []
    for scores in (segment, event):
        videos = np.asarray(scores, dtype=np.float64)
        if not len(videos):
            return dict.fromkeys(TABLE)
        audio, visual, both_added, audio_visual = (100.0 * videos.mean(axis=0)).tolist()
        mean_of_types = (audio + visual + audio_visual) / 3.0
        means += [audio, visual, audio_visual, mean_of_types, both_added]
    return dict(zip(TABLE, means, strict=True))


def _per_class(scores: Scores) -> dict[str, Any]:
    is_counted = ~np.isnan(scores.class_f)
    videos = is_counted.sum(axis=0)  # (4, K)
    total = np.where(is_counted, scores.class_f, 0.0).sum(axis=0)
    found = {}
    for i, (name, counts) in enumerate(scores.counts.items()):
        sums = {error: count.sum(axis=0).tolist() for error, count in vars(counts).items()}
        f = [
            100.0 * t / n if n else None
            for t, n in zip(total[i].tolist(), videos[i].tolist(), strict=True)
        ]
        found[name] = {"f": f, **sums}
    return found


def video_label_f(
    video_probs: ArrayLike, labels: ArrayLike, threshold: float = THRESHOLD
) -> Floats:
    """Return F1 of the classes predicted for each video against its weak labels: (N,).

    NaN without labels and predictions; leave such videos out of means.

    Args:
        video_probs: (N, K).
        labels: (N, K), non-zero where a class occurs.
        threshold: probabilities at or above it are positive.
    """
    predicted, truth = np.asarray(video_probs) >= threshold, np.asarray(labels) != 0
    counts = count_segments(predicted.T[:, :, None], truth.T[:, :, None])
    return counts.f()[:, 0]


def event_records(
    masks: ArrayLike, names: Sequence[str], classes: Sequence[str]
) -> list[list[tuple[str, int, int, str]]]:
    """Return the events of each video: (name, start in s, stop in s, class), by class and time.

    Args:
        masks: (N, K, T) of one modality.
        names: names of the N videos.
        classes: names of the K classes.
    """
    padded = np.pad(np.asarray(masks, dtype=bool), ((0, 0), (0, 0), (1, 1)))
    videos, numbers, starts = np.nonzero(padded[:, :, 1:] & ~padded[:, :, :-1])
    stops = np.nonzero(padded[:, :, :-1] & ~padded[:, :, 1:])[2]
    records: list[list[tuple[str, int, int, str]]] = [[] for _ in names]
    for video, number, start, stop in zip(
        videos.tolist(), numbers.tolist(), starts.tolist(), stops.tolist(), strict=True
    ):
        records[video].append((names[video], start, stop, classes[number]))
    return records
