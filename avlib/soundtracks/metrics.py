"""Scores of soundtracks, pooled over their clips, and metrics of items with one label each.

Source: the published soundtrack classification of Kinetics-600: a soundtrack's scores are the
mean of its clips' logits. Shares are in [0, 1].
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax

from avlib.evaluation.baselines import majority_share
from avlib.evaluation.recognition import confusion_matrix, top_k_hits
from avlib.soundtracks.sweep import FloatArray, Space

NO_PREDICTION = -1
TOP = 5
DDOF = 1


def in_space(logits: ArrayLike, space: Space) -> FloatArray:
    """Return logits (..., K) unchanged, as log-probabilities or as probabilities."""
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
    equal scores the lowest class comes first in top-1, and the highest in top-5. So it is correct
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
    """Return `items`, `top1` and `top5` of scores (N, K); the lower class wins ties."""
    return _shares(*(top_k_hits(scores, labels, k) for k in (1, TOP)))


def _shares(top1: NDArray[np.bool_], top5: NDArray[np.bool_]) -> dict[str, Any]:
    shares = [float(hits.mean()) if hits.size else None for hits in (top1, top5)]
    return {"items": len(top1), "top1": shares[0], "top5": shares[1]}


def prediction_metrics(
    predictions: ArrayLike, labels: ArrayLike, num_classes: int
) -> dict[str, Any]:
    """Return the accuracy of predictions, of all items and of those of each class.

    Args:
        predictions: (N,) classes; NO_PREDICTION is wrong.
        labels: (N,) true classes, in [0, K).
        num_classes: K.

    Returns:
        `accuracy`, `mean_class_accuracy` over the classes that occur, and `majority_share`, that of
        the most frequent class, all None without items;
        `per_class`, accuracies as a list of K, None for a class that does not occur; and
        `confusion`, counts of the items with a prediction, by true class (rows) and prediction.
    """
    predicted, truth = np.asarray(predictions, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    totals = np.bincount(truth, minlength=num_classes)
    correct = np.bincount(truth[predicted == truth], minlength=num_classes)
    per_class = [int(c) / int(n) if n else None for c, n in zip(correct, totals, strict=True)]
    occurring = [accuracy for accuracy in per_class if accuracy is not None]
    is_given = predicted != NO_PREDICTION
    confusion = confusion_matrix(predicted[is_given], truth[is_given], num_classes)
    return {
        "accuracy": int(correct.sum()) / len(truth) if len(truth) else None,
        "mean_class_accuracy": float(np.mean(occurring)) if occurring else None,
        "majority_share": majority_share(truth),
        "per_class": per_class,
        "confusion": confusion.tolist(),
    }


def sound_metrics(scores: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
    """Return the metrics of soundtracks.

    Args:
        scores: (N, K) from `pool_clips`.
        labels: (N,) true classes.

    Returns:
        those of `prediction_metrics`; and `top5` where there are more than five classes.
    """
    values, truth = np.asarray(scores), np.asarray(labels, dtype=np.int64)
    num_classes = values.shape[1]
    found = prediction_metrics(values.argmax(axis=1), truth, num_classes)
    if num_classes <= TOP:
        return found
    return {**found, "top5": float(top_k_hits(values, truth, TOP).mean())}


def over_folds(accuracies: Sequence[float]) -> dict[str, float | int | None]:
    """Return `mean` and `standard_deviation` over folds, the latter with `ddof` 1.

    That is the deviation of a sample, whose squares are divided by the number of folds less one;
    of a single fold there is none.
    """
    deviation = float(np.std(accuracies, ddof=DDOF)) if len(accuracies) > DDOF else None
    return {"mean": float(np.mean(accuracies)), "standard_deviation": deviation, "ddof": DDOF}
