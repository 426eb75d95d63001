"""What an accuracy is worth: the majority share beside it, and models with one prediction for all.

Shares are in [0, 1].
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike


def majority_share(labels: ArrayLike) -> float | None:
    """Return the share of the most frequent class, which predicting it for all items reaches.

    Args:
        labels: (N,) true classes, at least 0.

    Returns:
        the share, None without items.
    """
    truth = np.asarray(labels, dtype=np.int64)
    return int(np.bincount(truth).max()) / len(truth) if truth.size else None


def single_class(predicted: ArrayLike) -> int | None:
    """Return the class that a model predicts for all items.

    Args:
        predicted: (N,) classes; an item with a negative number has no prediction.

    Returns:
        the class, None where predictions differ or there are fewer than two of them.
    """
    classes = np.asarray(predicted, dtype=np.int64)
    classes = classes[classes >= 0]
    is_single = len(classes) > 1 and (classes == classes[0]).all()
    return int(classes[0]) if is_single else None


def single_class_notes(
    predicted: Mapping[str, ArrayLike], names: Sequence[str], items: str
) -> list[str]:
    """Return a sentence for each model that predicts one class for all items.

    Args:
        predicted: (N,) classes by model, which is called by its modality; an item with a negative
            number has no prediction.
        names: names of the classes, by number.
        items: what the items are called, in the plural.
    """
    notes = []
    for model, classes in predicted.items():
        number = single_class(classes)
        if number is not None:
            n_items = np.count_nonzero(np.asarray(classes) >= 0)
            notes.append(
                f"{model}: the model predicts one class, {names[number]!r}, for all {n_items} "
                f"{items}; its accuracy is only the share of that class."
            )
    return notes
