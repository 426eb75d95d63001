"""Similarities of clips and captions: cosines, dual softmax, and the fusion of two models.

A caption is one distinct text, which several clips may have. Matrices of captions and clips exist
in blocks of rows only: everything here is a product of two arrays of vectors that is taken when a
block is asked for.

Sources: Oncescu et al., ICASSP 2024, and its code; Cheng et al., arXiv 2109.04290 (dual softmax).
"""

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from avlib.retrieval.settings import TEMPERATURE

SHORTEST = 1e-8  # length of a vector below which it is divided by this, as published
CELLS = 2**18  # of a block of a matrix, whose parts stay in the cache of the processor
WIDE = 4  # blocks that are multiplied at once: products of few rows take longer
Floats = NDArray[np.floating[Any]]


def block_rows(count: int, columns: int, blocks: int = 1) -> Iterator[slice]:
    """Yield successive ranges of `count` rows, of about CELLS cells each, or of several blocks."""
    rows = max(1, blocks * CELLS // max(1, columns))
    for start in range(0, count, rows):
        yield slice(start, min(start + rows, count))


def unit_rows(vectors: Floats) -> Floats:
    """Return vectors (..., D) divided by their length; one of zeros remains."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Floats = vectors / np.maximum(length, vectors.dtype.type(SHORTEST))
    return unit


def cosine(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Return the cosines (..., A, B) of vectors (..., A, D) and (..., B, D).

    They are float64: the sum that `normalised` divides by may be close to zero.
    """
    a, b = (unit_rows(np.asarray(x, np.float64)) for x in (a, b))
    cosines: NDArray[np.float64] = a @ np.swapaxes(b, -1, -2)
    return cosines


def normalised(similarities: Floats, normalisation: Literal["max", "one"] | None) -> Floats:
    """Return similarities (..., C) of queries divided by their norm (max) or their sum (one).

    The published names are kept. The sum may be negative, which reverses the order, or zero.
    """
    if normalisation is None:
        return similarities
    if normalisation == "one":
        with np.errstate(invalid="ignore", divide="ignore"):
            shares: Floats = similarities / similarities.sum(axis=-1, keepdims=True)
        return shares
    return unit_rows(similarities)


def fused(visual: Floats, audio: Floats, ratio: float) -> Floats:
    """Return the mean of the similarities of two models, that of frames with weight `ratio`."""
    mean: Floats = (ratio * visual + audio) / (ratio + 1)
    return mean


def joined_vectors(visual: Floats, audio: Floats, ratio: float) -> Floats:
    """Return vectors of two models (N, D) and (N, E) as one, (N, D + E).

    Products of joined vectors are the products of the models' own, as `fused` joins them.
    """
    shares = np.sqrt(np.array([ratio, 1.0]) / (ratio + 1))
    parts = [x * x.dtype.type(share) for x, share in zip((visual, audio), shares, strict=True)]
    return np.concatenate(parts, axis=1)


class Similarity(Protocol):
    """What queries are ranked by: blocks of the matrix of captions and clips."""

    def of_captions(self, rows: slice) -> Floats:
        """Return the similarities (rows, N) of captions to all clips."""

    def of_clips(self, rows: slice) -> Floats:
        """Return the similarities (rows, U) of clips to all captions."""


class DotProducts:
    """Products of vectors; cosines where these are of unit length.

    Args:
        captions: (U, D) vectors.
        clips: (N, D) vectors.
    """

    def __init__(self, captions: Floats, clips: Floats) -> None:
        self.captions, self.clips = captions, clips

    def of_captions(self, rows: slice) -> Floats:
        """See `Similarity`."""
        return self.captions[rows] @ self.clips.T

    def of_clips(self, rows: slice) -> Floats:
        """See `Similarity`."""
        return self.clips[rows] @ self.captions.T


class DualSoftmax:
    """Products, each times a softmax over clips, and then the softmax over texts.

    The first softmax divides by a temperature, the second does not. Between unit vectors it
    changes values by about 1e-8, so that it needs float64.

    Args:
        products: products of vectors that are not normalised.
        counts: (U,) how many texts each caption stands for in the softmax over texts.
        temperature: of the softmax over clips.
    """

    def __init__(
        self, products: DotProducts, counts: NDArray[np.int64], temperature: float = TEMPERATURE
    ) -> None:
        self.products = products
        dtype, n_clips = products.clips.dtype, len(products.clips)
        self.temperature = dtype.type(temperature)
        self.peak, self.sum = np.empty((2, len(counts), 1), dtype)  # of each caption
        self.highest = np.full(n_clips, -np.inf, dtype)  # of each clip
        self.total = np.zeros(n_clips, dtype)
        for rows in block_rows(len(counts), n_clips):
            block = products.of_captions(rows) / self.temperature
            self.peak[rows] = block.max(axis=1, keepdims=True)
            self.sum[rows] = np.exp(block - self.peak[rows]).sum(axis=1, keepdims=True)
            self._add(self.first(rows), counts[rows].astype(dtype))

    def _add(self, block: Floats, counts: Floats) -> None:
        highest = np.maximum(self.highest, block.max(axis=0))
        self.total *= np.exp(self.highest - highest)
        self.total += counts @ np.exp(block - highest)
        self.highest = highest

    def first(self, rows: slice) -> Floats:
        """Return the products (rows, N) of captions, each times its softmax over clips."""
        return self._first(self.products.of_captions(rows), self.peak[rows], self.sum[rows])

    def _first(self, products: Floats, peak: Floats, total: Floats) -> Floats:
        weighted: Floats = np.exp(products / self.temperature - peak) / total * products
        return weighted

    def of_captions(self, rows: slice) -> Floats:
        """See `Similarity`."""
        share: Floats = np.exp(self.first(rows) - self.highest) / self.total
        return share

    def of_clips(self, rows: slice) -> Floats:
        """See `Similarity`."""
        first = self._first(self.products.of_clips(rows), self.peak.T, self.sum.T)
        share: Floats = np.exp(first - self.highest[rows, None]) / self.total[rows, None]
        return share


def choice_similarities(texts: Floats, choices: Floats) -> NDArray[np.float64]:
    """Return the cosines (Q, C) of questions (Q, D) and their own choices (Q, C, D)."""
    return cosine(texts[:, None], choices)[:, 0]
