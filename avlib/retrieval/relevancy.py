"""Graded relevance of sentences to clips, from shared classes or from a published matrix.

Relevance has few distinct grades, and few distinct rows: a table holds the number of the grade of
each pair of distinct sets of classes, and blocks of the matrix of clips and sentences are looked
up there.

Sources: Damen et al., IJCV 2022, section 4.4; Wray et al., "Fine-Grained Action Retrieval through
Multiple Parts-of-Speech Embeddings", ICCV 2019, and the script that makes the published matrices.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.pickles import read_array
from avlib.retrieval.metrics import Codes, Grades
from avlib.retrieval.similarity import block_rows

Classes = Sequence[frozenset[int]]  # of each clip, in one group
Rows = slice | NDArray[np.intp]


@dataclass(frozen=True)
class Relevancy:
    """A matrix of clips and sentences.

    Attributes:
        grades: (V,) distinct grades in [0, 1], ascending from 0.
        table: (S, T) place in `grades` of each distinct row and column of the matrix.
        clips: (N,) row of the table of each clip.
        sentences: (M,) column of the table of each sentence.
    """

    grades: Grades
    table: Codes
    clips: NDArray[np.intp]
    sentences: NDArray[np.intp]

    def of_clips(self, rows: Rows) -> Codes:
        """Return the codes (rows, M) of clips."""
        return self._by_kind_of_clip[self.clips[rows]]

    def of_sentences(self, columns: Rows) -> Codes:
        """Return the codes (columns, N) of sentences."""
        return self._by_kind_of_sentence[self.sentences[columns]]

    # Rows of these are copied as a whole, which is faster than to look up each pair.
    @cached_property
    def _by_kind_of_clip(self) -> Codes:
        return self.table.take(self.sentences, axis=1)

    @cached_property
    def _by_kind_of_sentence(self) -> Codes:
        return np.ascontiguousarray(self.table.T).take(self.clips, axis=1)

    def subset(self, clips: NDArray[np.intp]) -> "Relevancy":
        """Return the matrix of some of the clips."""
        return replace(self, clips=self.clips[clips])

    def dense(self) -> NDArray[np.float64]:
        """Return the matrix (N, M)."""
        matrix = np.empty((len(self.clips), len(self.sentences)))
        for rows in block_rows(*matrix.shape):
            np.take(self.grades, self.of_clips(rows), out=matrix[rows])
        return matrix


def shared_classes(groups: Sequence[Classes], sentences: NDArray[np.intp]) -> Relevancy:
    """Return relevance as the mean over groups of how many of all classes two clips share.

    Args:
        groups: the classes of each of N clips, by group: verbs and nouns, for example.
        sentences: (M,) number of the clip whose classes each sentence has.
    """
    described = _distinct(list(zip(*groups, strict=True)))
    used, columns = np.unique(described.place[sentences], return_inverse=True)
    grades, parts = np.zeros(1), []
    for number in range(len(groups)):
        sets = _distinct([kind[number] for kind in described.kinds])
        shares, codes = _shares(sets.kinds)
        grades = np.add.outer(grades, shares).ravel()
        parts.append((len(shares), codes, sets.place))
    values, places = np.unique(np.append(0.0, grades / len(groups)), return_inverse=True)
    small = places[1:].astype(np.min_scalar_type(len(values)))
    table = np.empty((len(described.kinds), len(used)), dtype=small.dtype)
    for rows in block_rows(*table.shape):
        code = np.zeros(table[rows].shape, dtype=np.intp)
        for count, codes, place in parts:
            code *= count
            code += codes[place[rows]][:, place[used]]
        table[rows] = small[code]
    return Relevancy(values, table, described.place, columns)


@dataclass(frozen=True)
class _Distinct:
    """Distinct values, and which of them each of the values is."""

    kinds: Sequence[Any]
    place: NDArray[np.intp]


def _distinct(values: Sequence[Hashable]) -> _Distinct:
    number = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return _Distinct(list(number), np.array([number[v] for v in values], dtype=np.intp))


def _shares(sets: Classes) -> tuple[Grades, Codes]:
    """Return the distinct shares of common classes, and which one each pair (K, K) of sets has."""
    sizes = np.array([len(classes) for classes in sets], dtype=np.intp)
    column = {c: i for i, c in enumerate(sorted(frozenset().union(*sets)))}
    is_in = np.zeros((len(sets), len(column)), dtype=np.float32)
    for row, classes in enumerate(sets):
        is_in[row, [column[c] for c in classes]] = 1
    largest = int(sizes.max(initial=0))
    common, every = np.ogrid[: largest + 1, : 2 * largest + 1]
    share = np.divide(common, every, out=np.zeros((largest + 1, 2 * largest + 1)), where=every > 0)
    values, places = np.unique(share, return_inverse=True)
    small = places.reshape(share.shape).astype(np.min_scalar_type(len(values)))
    codes = np.empty((len(sets), len(sets)), dtype=small.dtype)
    for rows in block_rows(*codes.shape):
        both = (is_in[rows] @ is_in.T).astype(np.intp)
        codes[rows] = small[both, sizes[rows, None] + sizes - both]
    return values, codes


def of_matrix(matrix: NDArray[np.float64]) -> Relevancy:
    """Return a given matrix (N, M) of grades in [0, 1]."""
    blocks = list(block_rows(*matrix.shape))
    grades = np.unique(np.concatenate([np.zeros(1), *(np.unique(matrix[b]) for b in blocks)]))
    codes = np.empty(matrix.shape, dtype=np.min_scalar_type(len(grades)))
    for rows in blocks:
        codes[rows] = np.searchsorted(grades, matrix[rows])
    return Relevancy(grades, codes, *(np.arange(n) for n in matrix.shape))


def read_relevancy(path: Path, shape: tuple[int, int]) -> Relevancy:
    """Return the published matrix of a pickle.

    Args:
        path: pickled array of floats.
        shape: number of clips and of sentences.

    Raises:
        DataError: if the file is damaged, holds no array of grades in [0, 1], or one of another
            size.
        UnsafePickleError: if it holds more than an array.
    """
    matrix = read_array(path)
    if matrix.shape != shape:
        raise DataError(
            f"{path}: relevance of {_size(matrix.shape)}, the tables have {_size(shape)}; each "
            "subset and kind of text has a file of its own"
        )
    if matrix.dtype.kind not in "fiub":
        raise DataError(f"{path}: holds values of type {matrix.dtype}, expected numbers")
    grades = matrix.astype(np.float64, copy=False)
    if not all(((grades[b] >= 0) & (grades[b] <= 1)).all() for b in block_rows(*shape)):
        row, column = np.argwhere(~((grades >= 0) & (grades <= 1)))[0]
        found = f"row {row}, column {column} is {grades[row, column]}"
        raise DataError(f"{path}: {found}, expected relevance from 0 to 1")
    return of_matrix(grades)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} clips x {shape[1]} sentences" if len(shape) == 2 else f"shape {shape}"


def different_columns(one: Relevancy, other: Relevancy) -> int:
    """Return for how many sentences two matrices of the same shape differ."""
    shape = len(one.sentences), len(one.clips)
    return sum(
        int((one.grades[one.of_sentences(r)] != other.grades[other.of_sentences(r)]).any(1).sum())
        for r in block_rows(*shape)
    )
