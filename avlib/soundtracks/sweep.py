"""Accuracy of fused scores at every weight of the audio, counted in one pass.

Source: the published soundtrack classification of Kinetics-600, whose fused scores are
a * audio + (1 - a) * video for a = 0, 0.001, ..., 0.499.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from avlib.sections import Positive, Section

Space = Literal["logit", "log_softmax", "softmax"]
Criterion = Literal["mean_top1_top5", "top1", "top5"]
FloatArray = NDArray[np.float64]

TOP = 5
BLOCK_SCORES = 1 << 20  # differences of scores in memory at once


class Fusion(Section):
    """Fusion of audio and visual scores of soundtracks; weights are in 1 / `denominator`."""

    weight_from: Literal["validation", "evaluation"] = Field(
        "validation", description="Videos that the weight is chosen on; evaluation: as published"
    )
    space: Space = Field("logit", description="What is added up, beside the probabilities")
    criterion: Criterion = Field("mean_top1_top5", description="What is to be highest")
    start: Annotated[int, Field(ge=0)] = Field(0, description="First weight of the audio")
    stop: Positive = Field(499, description="Last weight of the audio")
    step: Positive = Field(1, description="From one weight to the next")
    denominator: Positive = Field(1000, description="Of all weights")

    @property
    def weights(self) -> FloatArray:
        """The weights of the audio that are tried, ascending: (W,)."""
        return weight_grid(self.start, self.stop, self.step, self.denominator)


def weight_grid(
    start: int = 0, stop: int = 499, step: int = 1, denominator: int = 1000
) -> FloatArray:
    """Return the weights start / denominator, ..., stop / denominator, both ends included."""
    return np.arange(start, stop + 1, step) / denominator


class Paired(NamedTuple):
    """Audio and visual scores of the same videos.

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


@dataclass(frozen=True)
class Sweep:
    """Number of correct items at each weight.

    Attributes:
        weights: (W,) of the audio.
        items: number of items.
        top1_hits: (W,) items whose class has the highest score.
        top5_hits: (W,) items whose class is among the five highest.
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


def sweep(pairs: Paired, weights: FloatArray) -> Sweep:
    """Count hits at every weight at once; of equal scores the lower class comes first.

    The difference between the scores of a class and of the true one is linear in the weight, so
    that it changes sign at one weight at most. The rank of the true class is the running sum of
    these crossings.

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
    audio, video = (
        np.asarray(scores, np.float64)
        - np.take_along_axis(scores, truth, axis=1).astype(np.float64)
        for scores in (pairs.audio, pairs.video)
    )
    wins_ties = np.arange(num_classes) < truth  # (N, K)
    slope = audio - video
    is_level = slope == 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        crossing = np.where(is_level, 0.0, -video / slope)
    before, after = (np.searchsorted(weights, crossing, side) for side in ("left", "right"))
    # A rising class is before the true one from its crossing on, a falling one up to it.
    start = np.where(wins_ties, before, after)
    stop = np.where(wins_ties, after, before)
    start = np.where(slope > 0, start, 0)
    stop = np.where(slope < 0, stop, len(weights))
    stop = np.where(is_level & ~((video > 0) | ((video == 0) & wins_ties)), 0, stop)
    rows = np.arange(n)[:, None] * (len(weights) + 1)
    size = n * (len(weights) + 1)
    # The true class wins no tie against itself: level and not before.
    entering = np.bincount((rows + start).ravel(), minlength=size)
    leaving = np.bincount((rows + np.maximum(stop, start)).ravel(), minlength=size)
    return np.cumsum((entering - leaving).reshape(n, -1), axis=1)[:, :-1]
