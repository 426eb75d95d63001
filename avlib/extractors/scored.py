"""What networks with published classes return: embeddings, and scores of the classes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Scored(NamedTuple):
    """Successive intervals.

    Attributes:
        embedding: (N, C) float32.
        scores: (N, K) float32 probabilities of the classes.
    """

    embedding: NDArray[np.float32]
    scores: NDArray[np.float32]
