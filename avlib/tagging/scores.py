"""Scores of seconds: one byte a class, queries over them, and the fusion of sound and picture.

A leg is what one network says about a video: the sound, or the picture. Scores of a leg are
probabilities of classes; what is added up and averaged are their logarithms, l = ln(p + FLOOR).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

FLOOR = 0.001  # added to probabilities: below it, differences mean nothing
SCALE, BIAS = 0.2, 1.0  # of the weight of sound
BEST_SECONDS = 3  # of a video, whose mean is its score
VIDEO_SHARE = 0.5  # of the video's score in that of a second, where events are found
LEAST_DEVIATION = 1e-6
SHORTEST = 1e-12  # length of a vector below which it is divided by this
FEW_SECONDS = 100  # of an archive, too few for mean and deviation
STEPS = 255

Array = NDArray[np.float64]
_LOWEST = np.log(FLOOR)
_STEP = (np.log(1 + FLOOR) - _LOWEST) / STEPS
# (256,) the logarithm that each byte stands for.
LOGARITHMS: Array = _LOWEST + _STEP * np.arange(STEPS + 1)
_PROBABILITIES: Array = (np.exp(LOGARITHMS) - FLOOR).clip(0, 1)


def logarithms(probabilities: ArrayLike, floor: float = FLOOR) -> Array:
    """Return ln(p + floor) of probabilities of any shape."""
    return np.log(np.asarray(probabilities, dtype=np.float64) + floor)


def encoded(probabilities: ArrayLike) -> NDArray[np.uint8]:
    """Return probabilities in [0, 1] as bytes in equal steps of their logarithm."""
    return np.rint((logarithms(probabilities) - _LOWEST) / _STEP).clip(0, STEPS).astype(np.uint8)


def decoded(codes: NDArray[np.uint8]) -> Array:
    """Return the probabilities that bytes of `encoded` stand for."""
    return _PROBABILITIES[codes]


def softmax(logits: ArrayLike) -> Array:
    """Return probabilities of logits (..., K), over the last axis."""
    values = np.asarray(logits, dtype=np.float64)
    exponents = np.exp(values - values.max(axis=-1, keepdims=True))
    probabilities: Array = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def label_probabilities(labels: Array, others: Array, scale: float) -> Array:
    """Return the probability (Q, T) of labels, a softmax over them and what else there may be.

    Args:
        labels: (Q, T) cosines of each label and second.
        others: (N, T) the same of texts of what else a second may hold.
        scale: of cosines.
    """
    logits = scale * np.concatenate([labels, others])
    return softmax(logits.T).T[: len(labels)]


def query_scores(
    logs: Array, classes: NDArray[np.integer[Any]], class_weights: NDArray[np.floating[Any]]
) -> Array:
    """Return the scores of queries, weighted means of the logarithms of their classes.

    Args:
        logs: (T, K) logarithms of each second and class; or what else is to be averaged.
        classes: (Q, n) indices of classes.
        class_weights: (Q, n), each row sums to 1.

    Returns:
        (Q, T) scores.
    """
    return np.einsum("tqn,qn->qt", logs[:, classes], np.asarray(class_weights, dtype=np.float64))


class MeanDeviation(NamedTuple):
    """Mean and deviation of scores over all seconds of an archive, query by query.

    Attributes:
        seconds: that they were taken over.
        mean: (Q,).
        deviation: (Q,), divided by N.
    """

    seconds: int
    mean: Array
    deviation: Array

    @classmethod
    def of(cls, parts: Iterable[Array], n_queries: int) -> Self:
        """Return those of successive parts (Q, T) of an archive, one in memory at a time."""
        count, mean, squares = 0, np.zeros(n_queries), np.zeros(n_queries)
        for part in parts:
            added = part.shape[1]
            if not added:
                continue
            own = part.mean(axis=1)
            distance, count = own - mean, count + added
            mean = mean + distance * added / count
            squares += np.square(part - own[:, None]).sum(axis=1)
            squares += np.square(distance) * added * (count - added) / count
        return cls(count, mean, np.sqrt(squares / max(count, 1)))

    def standardised(self, scores: Array) -> Array:
        """Return scores (Q, T) in deviations from the mean."""
        deviation = np.maximum(self.deviation, LEAST_DEVIATION)
        z: Array = (scores - self.mean[:, None]) / deviation[:, None]
        return z


def sound_weights(
    sound: ArrayLike, picture: ArrayLike, scale: float = SCALE, bias: float = BIAS
) -> Array:
    """Return the weight (Q,) of sound: the vocabulary that is nearer to a text is trusted more.

    Args:
        sound: (Q,) reliability of each query in the vocabulary of sound.
        picture: (Q,) the same of the picture.
        scale: difference of reliabilities at which the odds are e.
        bias: trust in sound, all else equal.
    """
    difference = np.asarray(sound, dtype=np.float64) - np.asarray(picture, dtype=np.float64)
    weights: Array = 1 / (1 + np.exp(-(difference / scale + bias)))
    return weights


EQUAL_WEIGHT = float(sound_weights([0.0], [0.0])[0])  # of sound, where both legs are as reliable


def fuse(sound: Array | None, picture: Array | None, sound_weight: Array) -> Array:
    """Return the scores (Q, T) of a video's seconds from those of its legs, one of them at least.

    Args:
        sound: (Q, T) standardised scores; None: the video has no sound.
        picture: (Q, T) the same of the picture.
        sound_weight: (Q,) in [0, 1].
    """
    if sound is None or picture is None:
        only = picture if sound is None else sound
        if only is None:
            raise ValueError("a video without sound and picture has no scores")
        return only
    w = sound_weight[:, None]
    return w * sound + (1 - w) * picture


def video_scores(fused: Array, best_seconds: int = BEST_SECONDS) -> Array:
    """Return the score (Q,) of a video: the mean of its best seconds, of all if there are fewer."""
    best = np.sort(fused, axis=1)[:, ::-1][:, :best_seconds]
    mean: Array = best.mean(axis=1)
    return mean


def tag_scores(
    fused: Array, best_seconds: int = BEST_SECONDS, video_share: float = VIDEO_SHARE
) -> Array:
    """Return the scores (Q, T) that events are found in: a second counts more in a good video."""
    return fused + video_share * video_scores(fused, best_seconds)[:, None]
