"""Metrics of recognition: items with one label each, and a score of every class.

Source: the measures reported on EPIC-SOUNDS (Huh et al., ICASSP 2023) and on VGG-Sound.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def recognition_metrics(probs: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
    """Return the metrics of a classifier; shares are in [0, 1].

    Means over classes are taken over the classes that occur in `labels`. None stands for what
    is not defined: every share without items, `AUC` where all items have one class, and
    `d_prime` where the AUC is undefined, 0 or 1.

    Args:
        probs: (N, K) scores; a higher score is more likely.
        labels: (N,) true classes, in [0, K).

    Returns:
        `items`; `classes` that occur; `top1`; `top5`, of all classes where they are fewer;
        `mean_class_accuracy`; `mAP` and `AUC`, each class against the rest; `d_prime`, sqrt(2)
        times the inverse normal distribution at the AUC; and `per_class`, `accuracy` and `AP`
        as lists of K, None for a class that does not occur.

    Raises:
        ValueError: if the shapes do not match or a label is out of range.
    """
    scores, truth = _checked(probs, labels)
    present = np.unique(truth).tolist()
    hits = top_k_hits(scores, truth, 1)
    accuracy = {c: float(hits[truth == c].mean()) for c in present}
    precision, of_curves = _one_against_the_rest(scores, truth, present)
    classes = range(scores.shape[1])
    return {
        "items": len(truth),
        "classes": len(present),
        "top1": _mean(hits),
        "top5": _mean(top_k_hits(scores, truth, 5)),
        "mean_class_accuracy": _mean(list(accuracy.values())),
        "mAP": _mean(list(precision.values())),
        **of_curves,
        "per_class": {
            "accuracy": [accuracy.get(c) for c in classes],
            "AP": [precision.get(c) for c in classes],
        },
    }


def _one_against_the_rest(
    scores: NDArray[Any], truth: NDArray[np.int64], present: list[int]
) -> tuple[dict[int, float], dict[str, float | None]]:
    """Return the average precision of each class that occurs, and the mean `AUC` with `d_prime`."""
    # They take 80 MB and a second, which those who only count hits can do without.
    from scipy.special import ndtri
    from sklearn.metrics import average_precision_score, roc_auc_score

    precision = {c: float(average_precision_score(truth == c, scores[:, c])) for c in present}
    auc = None
    if len(present) > 1:
        auc = float(np.mean([roc_auc_score(truth == c, scores[:, c]) for c in present]))
    d_prime = None if auc in (None, 0.0, 1.0) else float(np.sqrt(2) * ndtri(auc))
    return precision, {"AUC": auc, "d_prime": d_prime}


def top_k_hits(probs: ArrayLike, labels: ArrayLike, k: int) -> NDArray[np.bool_]:
    """Return whether the true class is among the `k` with the highest scores: (N,).

    Of equal scores the lower class number comes first. A score of NaN is never among them.
    """
    scores, truth = _checked(probs, labels)
    own = np.take_along_axis(scores, truth[:, None], axis=1)  # (N, 1)
    is_before = np.arange(scores.shape[1]) < truth[:, None]
    rank = np.count_nonzero((scores > own) | ((scores == own) & is_before), axis=1)
    return (rank < k) & ~np.isnan(own[:, 0])


def confusion_matrix(
    predicted: ArrayLike, labels: ArrayLike, num_classes: int
) -> NDArray[np.int64]:
    """Count items by true class (rows) and predicted class (columns): (K, K)."""
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(counts, (np.asarray(labels, dtype=int), np.asarray(predicted, dtype=int)), 1)
    return counts


def _checked(probs: ArrayLike, labels: ArrayLike) -> tuple[NDArray[Any], NDArray[np.int64]]:
    scores, truth = np.asarray(probs), np.asarray(labels, dtype=np.int64)
    if scores.ndim != 2 or truth.shape != scores.shape[:1]:
        raise ValueError(f"expected (N, K) and (N,), got {scores.shape} and {truth.shape}")
    if truth.size and not (truth.min() >= 0 and truth.max() < scores.shape[1]):
        raise ValueError(
            f"labels {truth.min()}..{truth.max()} do not fit {scores.shape[1]} classes"
        )
    return scores, truth


def _mean(values: ArrayLike) -> float | None:
    values = np.asarray(values)
    return float(values.mean()) if values.size else None
