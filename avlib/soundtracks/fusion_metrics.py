"""Scores of soundtracks: pooled over their clips, and fused with the scores of the pictures.

Source: the published soundtrack classification of Kinetics-600: a soundtrack's scores are the
mean of its clips' logits, and fused scores are a * audio + (1 - a) * video. Shares are in [0, 1].
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax

from avlib.evaluation.recognition import top_k_hits

Space = Literal["logit", "log_softmax", "softmax"]
Criterion = Literal["mean_top1_top5", "top1", "top5"]
FloatArray = NDArray[np.float64]

TOP = 5
BLOCK_SCORES = 1 << 20  # differences of scores in memory at once


def in_space(logits: ArrayLike, space: Space) -> FloatArray:
    """Return logits (..., K) as they are, or as logarithms of probabilities, or probabilities."""
    values = np.asarray(logits, dtype=np.float64)
    if space == "logit":
        return values
    return np.asarray({"log_softmax": log_softmax, "softmax": softmax}[space](values, axis=-1))


def pool_clips(logits: ArrayLike, clips: ArrayLike, *, space: Space = "logit") -> FloatArray:
    """Return the mean of the scores of each soundtrack's clips: (N, K), 0 where there is no clip.

    Args:
        logits: (all clips, K), those of a soundtrack after those of the one before.
        clips: (N,) number of clips of each soundtrack.
        space: what is averaged.

    Raises:
        ValueError: if there are not as many logits as clips.
    """
    values, counts = in_space(logits, space), np.asarray(clips, dtype=np.int64)
    if counts.sum() != len(values):
        raise ValueError(f"{len(values)} rows of logits for {counts.sum()} clips")
    pooled = np.zeros((len(counts), values.shape[1]))
    has_clips = counts > 0
    if has_clips.any():
        firsts = (np.cumsum(counts) - counts)[has_clips]
        pooled[has_clips] = np.add.reduceat(values, firsts) / counts[has_clips, None]
    return pooled


def soundtrack_metrics(scores: ArrayLike, labels: ArrayLike, clips: ArrayLike) -> dict[str, Any]:
    """Return top-1 and top-5 of all soundtracks as published, and of those that have a clip.

    As published, a soundtrack without a clip has scores of 0 and counts as one of class 0; of
    equal scores the lowest class comes first in top-1, and the highest in top-5. So it is right
    in top-1 and wrong in top-5.

    Args:
        scores: (N, K) from `pool_clips`.
        labels: (N,) true classes.
        clips: (N,) number of clips.
    """
    values, truth = np.asarray(scores), np.asarray(labels, dtype=np.int64)
    has_clips = np.asarray(clips) > 0
    counted = published_labels(truth, clips)
    backwards = values.shape[1] - 1 - counted
    hits = top_k_hits(values, counted, 1), top_k_hits(values[:, ::-1], backwards, TOP)
    return {
        "reference": _shares(*hits),
        "scored": top_metrics(values[has_clips], truth[has_clips]),
        "without_clips": int((~has_clips).sum()),
    }


def published_labels(labels: ArrayLike, clips: ArrayLike) -> NDArray[np.int64]:
    """Return labels (N,) as the published averaging has them, 0 where there is no clip."""
    return np.where(np.asarray(clips) > 0, np.asarray(labels, dtype=np.int64), 0)


def top_metrics(scores: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
    """Return `items`, `top1` and `top5` of scores (N, K); of equals the lower class comes first."""
    return _shares(*(top_k_hits(scores, labels, k) for k in (1, TOP)))


def _shares(top1: NDArray[np.bool_], top5: NDArray[np.bool_]) -> dict[str, Any]:
    shares = [float(hits.mean()) if hits.size else None for hits in (top1, top5)]
    return {"items": len(top1), "top1": shares[0], "top5": shares[1]}


class Paired(NamedTuple):
    """Scores of the same videos by ear and by eye.

    Attributes:
        audio: (N, K).
        video: (N, K).
        labels: (N,) true classes.
    """

    audio: NDArray[np.floating]
    video: NDArray[np.floating]
    labels: NDArray[np.int64]

    def fused(self, weight: float) -> FloatArray:
        """Return weight * audio + (1 - weight) * video: (N, K)."""
        return np.asarray(weight * self.audio + (1 - weight) * self.video)

    def part(self, chosen: NDArray[np.bool_] | slice) -> "Paired":
        """Return the items of a mask (N,) or a slice."""
        return Paired(self.audio[chosen], self.video[chosen], self.labels[chosen])

    def as_space(self, space: Space) -> "Paired":
        """Return both scores, given as logits, in another space."""
        return Paired(in_space(self.audio, space), in_space(self.video, space), self.labels)


@dataclass(frozen=True)
class Sweep:
    """How many items are right at each weight.

    Attributes:
        weights: (W,) of the audio.
        items: number of items.
        top1_hits: (W,) of them whose class is the first.
        top5_hits: (W,) of them whose class is among the first five.
    """

    weights: FloatArray
    items: int
    top1_hits: NDArray[np.int64]
    top5_hits: NDArray[np.int64]

    def rows(self) -> FloatArray:
        """Return weight, top-1, top-5 and the mean of both: (W, 4)."""
        top1, top5 = self.top1_hits / self.items, self.top5_hits / self.items
        return np.stack([self.weights, top1, top5, (top1 + top5) / 2], axis=1)

    def best(self, criterion: Criterion = "mean_top1_top5") -> int:
        """Return the index of the first weight that is best by the criterion."""
        column = {"top1": 1, "top5": 2, "mean_top1_top5": 3}[criterion]
        return int(self.rows()[:, column].argmax())


def weight_grid(
    start: int = 0, stop: int = 499, step: int = 1, denominator: int = 1000
) -> FloatArray:
    """Return the weights start / denominator, ..., stop / denominator, both ends included."""
    return np.arange(start, stop + 1, step) / denominator


def sweep(pairs: Paired, weights: FloatArray) -> Sweep:
    """Count hits at every weight at once; of equal scores the lower class comes first.

    What a class is above the true one is linear in the weight, so that it passes the true one at
    a single weight, if at all. The rank of the truth is the running sum of these passings.

    Args:
        pairs: scores and labels of N items.
        weights: (W,) ascending.

    Raises:
        ValueError: if the shapes do not match, a label is out of range or nothing is given.
    """
    _check(pairs)
    top1, top5 = (np.zeros(len(weights), dtype=np.int64) for _ in range(2))
    block = max(1, BLOCK_SCORES // pairs.audio.shape[1])
    for first in range(0, len(pairs.labels), block):
        ranks = _ranks(pairs.part(slice(first, first + block)), weights)
        top1 += np.count_nonzero(ranks < 1, axis=0)
        top5 += np.count_nonzero(ranks < TOP, axis=0)
    return Sweep(weights, len(pairs.labels), top1, top5)


def _check(pairs: Paired) -> None:
    audio, video, labels = pairs
    if audio.ndim != 2 or audio.shape != video.shape or labels.shape != audio.shape[:1]:
        raise ValueError(
            f"expected (N, K), (N, K) and (N,), got {audio.shape}, {video.shape}, {labels.shape}"
        )
    if not len(labels):
        raise ValueError("no item to fuse")
    if labels.min() < 0 or labels.max() >= audio.shape[1]:
        raise ValueError(
            f"labels {labels.min()}..{labels.max()} do not fit {audio.shape[1]} classes"
        )


def _ranks(pairs: Paired, weights: FloatArray) -> NDArray[np.int64]:
    """Return how many classes are before the true one at each weight: (N, W)."""
    (n, num_classes), truth = pairs.audio.shape, pairs.labels[:, None]
    ear, eye = (
        np.asarray(scores, np.float64)
        - np.take_along_axis(scores, truth, axis=1).astype(np.float64)
        for scores in (pairs.audio, pairs.video)
    )
    wins_ties = np.arange(num_classes) < truth  # (N, K)
    slope = ear - eye
    is_level = slope == 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        passing = np.where(is_level, 0.0, -eye / slope)
    before, after = (np.searchsorted(weights, passing, side) for side in ("left", "right"))
    # A rising class is before the truth from its passing on, a falling one until there.
    start = np.where(wins_ties, before, after)
    stop = np.where(wins_ties, after, before)
    start = np.where(slope > 0, start, 0)
    stop = np.where(slope < 0, stop, len(weights))
    stop = np.where(is_level & ~((eye > 0) | ((eye == 0) & wins_ties)), 0, stop)
    rows = np.arange(n)[:, None] * (len(weights) + 1)
    size = n * (len(weights) + 1)
    # The true class wins no tie against itself: level and not before.
    entering = np.bincount((rows + start).ravel(), minlength=size)
    leaving = np.bincount((rows + np.maximum(stop, start)).ravel(), minlength=size)
    return np.cumsum((entering - leaving).reshape(n, -1), axis=1)[:, :-1]


class Fused(NamedTuple):
    """Fused scores of N items, and where their weight comes from.

    Attributes:
        scores: (N, K).
        item_weights: (N,) weight of the audio.
        weight: the weight, or that of each half.
        weight_from: `validation`, `other_half` or `evaluation`.
    """

    scores: FloatArray
    item_weights: FloatArray
    weight: float | list[float]
    weight_from: str


def fuse_scores(
    pairs: Paired,
    weights: FloatArray,
    *,
    weight_from: Literal["validation", "evaluation"] = "validation",
    validation: Paired | None = None,
    halves: NDArray[np.int64] | None = None,
    criterion: Criterion = "mean_top1_top5",
) -> Fused:
    """Return the fusion of scores at a weight that is chosen by a sweep.

    Args:
        pairs: what is evaluated.
        weights: (W,) ascending weights of the audio.
        weight_from: `validation` never chooses the weight on items that it is scored on;
            `evaluation` chooses it on all of them, as published.
        validation: items of their own to choose the weight on; None chooses it on each half of
            `pairs` for the other one.
        halves: (N,) 0 or 1, for that.
        criterion: what is to be highest; the lowest of equal weights is taken.

    Raises:
        ValueError: as `sweep`; or if halves are needed and not given, or one is empty.
    """
    if weight_from == "evaluation" or validation is not None:
        chosen_on = pairs if weight_from == "evaluation" or validation is None else validation
        weight = float(weights[sweep(chosen_on, weights).best(criterion)])
        every = np.full(len(pairs.labels), weight)
        return Fused(pairs.fused(weight), every, weight, weight_from)
    if halves is None:
        raise ValueError("validation items, or the halves of the items, are needed")
    scores, chosen = np.empty_like(pairs.audio, dtype=np.float64), []
    for half in (0, 1):
        best = sweep(pairs.part(halves != half), weights).best(criterion)
        chosen.append(float(weights[best]))
        scores[halves == half] = pairs.part(halves == half).fused(chosen[-1])
    return Fused(scores, np.array(chosen)[halves], chosen, "other_half")


def fusion_metrics(pairs: Paired, fused: Fused) -> dict[str, Any]:
    """Return what each modality and their fusion score.

    Returns:
        `audio`, `video` and `fused`, each as `top_metrics`; and of the last one also `weight`,
        one or that of each half, and `weight_from`.
    """
    scores = {"audio": pairs.audio, "video": pairs.video, "fused": fused.scores}
    found = {name: top_metrics(values, pairs.labels) for name, values in scores.items()}
    found["fused"] |= {"weight": fused.weight, "weight_from": fused.weight_from}
    return found


def reference_metrics(pairs: Paired, weights: FloatArray) -> dict[str, float]:
    """Return the published record: the best weight on the items that it is reported on.

    Args:
        pairs: scores as they are, those of a soundtrack without a clip being 0.
        weights: (W,) ascending weights of the audio.

    Returns:
        `items`, `weight`, `top1`, `top5` and their `mean`, which is the criterion.
    """
    found = sweep(pairs, weights)
    names = ("weight", "top1", "top5", "mean")
    best = found.rows()[found.best()].tolist()
    return {"items": found.items, **dict(zip(names, best, strict=True))}
