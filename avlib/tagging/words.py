"""What words mean: weights of classes, by sentence embeddings, or vectors of a text tower."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOP = 10  # classes of a vocabulary that a text is understood as
TEMPERATURE = 0.1


class ClassWeights(NamedTuple):
    """What texts mean in a vocabulary.

    Attributes:
        classes: (Q, top) int64 indices into the vocabulary, the most similar first.
        weights: (Q, top) of these classes; each row sums to 1.
        reliability: (Q,) cosine of each text and the name nearest to it.
    """

    classes: NDArray[np.int64]
    weights: NDArray[np.float64]
    reliability: NDArray[np.float64]


class LabelVectors(NamedTuple):
    """Labels in the space of the embeddings of a network that takes texts.

    Attributes:
        labels: (Q, D) unit vectors of what is looked for.
        others: (N, D) of what else a second may hold.
        scale: of cosines, whose softmax the network was trained with.
    """

    labels: NDArray[np.float32]
    others: NDArray[np.float32]
    scale: float


def class_weights(
    similarity: ArrayLike, top: int = TOP, temperature: float = TEMPERATURE
) -> ClassWeights:
    """Return the weights of the classes nearest to each text, a softmax over their similarity.

    Args:
        similarity: (Q, N) cosines of Q texts and the N names of a vocabulary.
        top: classes that count, at most N; of equally similar ones the first.
        temperature: of the softmax, > 0.
    """
    s = np.asarray(similarity, dtype=np.float64)
    classes = np.argsort(-s, axis=1, kind="stable")[:, :top]
    nearest = np.take_along_axis(s, classes, axis=1)  # descending
    exponents = np.exp((nearest - nearest[:, :1]) / temperature)
    return ClassWeights(
        classes, exponents / exponents.sum(axis=1, keepdims=True), nearest[:, 0].copy()
    )
