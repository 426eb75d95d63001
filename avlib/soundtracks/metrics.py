"""Metrics of sounds with one label each: accuracies of answers, single classes and folds.

Shares are in [0, 1].
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from avlib.evaluation.baselines import majority_share
from avlib.evaluation.recognition import confusion_matrix, top_k_hits

NO_ANSWER = -1
TOP = 5
DDOF = 1


def answer_metrics(answers: ArrayLike, labels: ArrayLike, num_classes: int) -> dict[str, Any]:
    """Return how many answers are right, of all items and of those of each class.

    Args:
        answers: (N,) classes; NO_ANSWER is wrong.
        labels: (N,) true classes, in [0, K).
        num_classes: K.

    Returns:
        `accuracy`, `mean_class_accuracy` over the classes that occur, and `majority_share`, that of
        the most frequent class, all None without items;
        `per_class`, accuracies as a list of K, None for a class that does not occur; and
        `confusion`, counts of the items with an answer, by true class (rows) and answer.
    """
    given, truth = np.asarray(answers, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    totals = np.bincount(truth, minlength=num_classes)
    right = np.bincount(truth[given == truth], minlength=num_classes)
    per_class = [int(r) / int(n) if n else None for r, n in zip(right, totals, strict=True)]
    occurring = [accuracy for accuracy in per_class if accuracy is not None]
    is_given = given != NO_ANSWER
    return {
        "accuracy": int(right.sum()) / len(truth) if len(truth) else None,
        "mean_class_accuracy": float(np.mean(occurring)) if occurring else None,
        "majority_share": majority_share(truth),
        "per_class": per_class,
        "confusion": confusion_matrix(given[is_given], truth[is_given], num_classes).tolist(),
    }


def sound_metrics(scores: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
    """Return the metrics of soundtracks.

    Args:
        scores: (N, K) from `pool_clips`.
        labels: (N,) true classes.

    Returns:
        those of `answer_metrics`; and `top5` where there are more than five classes.
    """
    values, truth = np.asarray(scores), np.asarray(labels, dtype=np.int64)
    num_classes = values.shape[1]
    found = answer_metrics(values.argmax(axis=1), truth, num_classes)
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
