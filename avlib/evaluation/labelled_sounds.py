"""Metrics of sounds with one label each: accuracies of answers, single classes and folds.

Shares are in [0, 1].
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

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
        `accuracy`, and `mean_class_accuracy` over the classes that occur, None without items;
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
        "per_class": per_class,
        "confusion": confusion_matrix(given[is_given], truth[is_given], num_classes).tolist(),
    }


def sound_metrics(scores: ArrayLike, labels: ArrayLike, clips: ArrayLike) -> dict[str, Any]:
    """Return the metrics of soundtracks; one without a clip has no answer and counts as wrong.

    Args:
        scores: (N, K) from `pool_clips`.
        labels: (N,) true classes.
        clips: (N,) number of clips.

    Returns:
        those of `answer_metrics`; `items`; `top5` where there are more than five classes; and
        `scored`, the same numbers of items and shares of the soundtracks that have a clip.
    """
    values, truth = np.asarray(scores), np.asarray(labels, dtype=np.int64)
    has_clips, num_classes = np.asarray(clips) > 0, values.shape[1]
    answers = np.where(has_clips, values.argmax(axis=1), NO_ANSWER)
    found = answer_metrics(answers, truth, num_classes)
    scored = answer_metrics(answers[has_clips], truth[has_clips], num_classes)
    top5: dict[str, Any] = {}
    scored_top5: dict[str, Any] = {}
    if num_classes > TOP:
        hits = top_k_hits(values, truth, TOP)[has_clips]
        top5 = {"top5": int(hits.sum()) / len(truth) if len(truth) else None}
        scored_top5 = {"top5": float(hits.mean()) if len(hits) else None}
    shares = {name: scored[name] for name in ("accuracy", "mean_class_accuracy")}
    return {
        "items": len(truth),
        **found,
        **top5,
        "scored": {"items": int(has_clips.sum()), **shares, **scored_top5},
    }


def over_folds(accuracies: Sequence[float]) -> dict[str, float | int | None]:
    """Return `mean` and `standard_deviation` over folds, the latter with `ddof` 1.

    That is the deviation of a sample, whose squares are divided by the number of folds less one;
    of a single fold there is none.
    """
    deviation = float(np.std(accuracies, ddof=DDOF)) if len(accuracies) > DDOF else None
    return {"mean": float(np.mean(accuracies)), "standard_deviation": deviation, "ddof": DDOF}
