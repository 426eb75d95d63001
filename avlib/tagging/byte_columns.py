"""Bytes of rows on disk, class by class, and the rows with the largest weighted sums of them.

A file holds chunks of successive rows. In a chunk the bytes of a class lie together, so that a
query reads the classes that it names and nothing else. Beside each file lie the maxima of blocks of
rows: a block is read class by class, the heaviest first, until what is read and the maxima of the
rest show that none of its rows can be among the best. The rows that are found are those of a full
scan, bit for bit. Files are read and not mapped: a byte of a mapped file may cost a megabyte.
"""

import os
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError

CHUNK, BLOCK = 1 << 16, 64  # rows
BATCH, SCANNED = 64, 1 << 14  # blocks, and rows of a full scan, that are summed at once
THREADS = 2
LARGEST, MOST_CODE = 255, 65_535
SLACK = 1e-5  # of the largest sum, for the rounding of bounds
EARLY = 0.2  # share of the weights that is left where rows are looked over for the first time
FEW = 0.01  # share of the rows that are then summed at once
DENSE = 0.5  # share of the blocks from which on all rows are summed

Bytes = NDArray[np.uint8]
Rows = NDArray[np.int64]
Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """A weighted sum of bytes.

    Attributes:
        classes: (n,) that are summed.
        coefficients: (n,) float64, not negative.
        constant: that is added.
    """

    classes: NDArray[np.int64]
    coefficients: Sums
    constant: float

    @cached_property
    def order(self) -> list[int]:
        """Places of the terms, the largest coefficient first: the order of summation."""
        return [int(place) for place in np.argsort(-self.coefficients, kind="stable")]

    def of(self, content: Bytes) -> Sums:
        """Return the sums (N,) of bytes (n, N): the same bits wherever a row stands."""
        total = np.zeros(content.shape[1])
        for place in self.order:
            total += self.coefficients[place] * content[place]
        return total + self.constant


class ColumnWriter:
    """Writes rows as chunks, and the maxima of their blocks.

    Args:
        content: file of the bytes.
        maxima: file of the maxima.
        n_classes: bytes of a row.

    Attributes:
        n_rows: that were added.
    """

    def __init__(self, content: BinaryIO, maxima: BinaryIO, n_classes: int) -> None:
        self._content, self._maxima = content, maxima
        self._buffer = np.zeros((n_classes, CHUNK), np.uint8)
        self._filled = 0
        self.n_rows = 0

    def add(self, rows: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        """Add rows (N, n_classes); yield each chunk (n_classes, rows) that is full now."""
        while len(rows):
            part, rows = np.split(rows, [CHUNK - self._filled])
            self._buffer[:, self._filled : self._filled + len(part)] = part.T
            self._filled += len(part)
            self.n_rows += len(part)
            if self._filled == CHUNK:
                yield from self.flush()

    def flush(self) -> Iterator[NDArray[np.uint8]]:
        """Write what is left; yield it as a chunk, if there is something."""
        if self._filled:
            width = -(-self._filled // BLOCK) * BLOCK
            self._buffer[:, self._filled : width] = 0
            chunk = self._buffer[:, :width]
            self._content.write(np.ascontiguousarray(chunk).data)
            blocks = chunk.reshape(len(chunk), -1, BLOCK)
            self._maxima.write(np.ascontiguousarray(blocks.max(axis=2)).data)
            yield chunk[:, : self._filled]
            self._filled = 0


class ByteColumns:
    """The files of a `ColumnWriter`.

    Args:
        content: file of the bytes.
        maxima: file of the maxima.
        n_rows: of both.
        n_classes: bytes of a row.

    Raises:
        DataError: if a file is missing or of another size.
    """

    def __init__(self, content: Path, maxima: Path, n_rows: int, n_classes: int) -> None:
        self.n_rows, self._n_classes = n_rows, n_classes
        self.n_blocks = -(-n_rows // BLOCK)
        self._content = self._opened(content, self.n_blocks * BLOCK * n_classes)
        self._maxima = self._opened(maxima, self.n_blocks * n_classes)

    def _opened(self, path: Path, n_bytes: int) -> int:
        """Return the number of an open file, which is closed when nobody uses the columns."""
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error
        weakref.finalize(self, os.close, file)
        found = os.fstat(file).st_size
        if found != n_bytes:
            raise DataError(f"{path}: {found} bytes, but {n_bytes} are expected")
        return file

    def starts(self) -> range:
        """Return the first row of each chunk."""
        return range(0, self.n_rows, CHUNK)

    def chunk(self, start: int, classes: NDArray[np.int64]) -> Bytes:
        """Return the bytes (n, rows) of classes in the chunk that begins with row `start`.

        The rows of its last block that do not exist are zeros.
        """
        return self._read_chunk(self._content, start, classes, BLOCK)

    def maxima(self, start: int, classes: NDArray[np.int64]) -> Bytes:
        """Return the maxima (n, blocks) of classes in that chunk."""
        return self._read_chunk(self._maxima, start, classes, 1)

    def _read_chunk(self, file: int, start: int, classes: NDArray[np.int64], each: int) -> Bytes:
        width = -(-min(CHUNK, self.n_rows - start) // BLOCK) * each
        found = np.empty((len(classes), width), np.uint8)
        first = start // BLOCK * each * self._n_classes
        for row, class_ in zip(found, classes.tolist(), strict=True):
            os.preadv(file, [row.data], first + class_ * width)
        return found

    def blocks(self, blocks: Rows, class_: int) -> Bytes:
        """Return the bytes (N, BLOCK) of a class in blocks, given their numbers (N,)."""
        each = CHUNK // BLOCK
        chunks, places = np.divmod(blocks, each)
        widths = np.minimum(self.n_blocks - chunks * each, each)
        offsets = BLOCK * (chunks * each * self._n_classes + class_ * widths + places)
        parts = [os.pread(self._content, BLOCK, offset) for offset in offsets.tolist()]
        return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, BLOCK)

    def rows(self, rows: Rows, classes: NDArray[np.int64]) -> Bytes:
        """Return the bytes (n, N) of classes in single rows (N,)."""
        blocks, places = np.divmod(rows, BLOCK)
        numbers = np.arange(len(rows))
        found = [self.blocks(blocks, class_)[numbers, places] for class_ in classes.tolist()]
        return np.stack(found)


def best_rows(columns: ByteColumns, terms: Terms, top: int) -> tuple[Rows, Sums]:
    """Return the rows with the largest sums, of equal ones the first, and their sums.

    Args:
        columns: bytes of all rows.
        terms: what is summed.
        top: rows to find, at least 1; fewer are found where there are fewer.
    """
    search = _Search(columns, terms, top)
    bounds = search.bounds()
    first = np.argpartition(-bounds, min(BATCH, len(bounds)) - 1)[:BATCH]
    search.visit(first)
    bounds[first] = -np.inf
    left = np.flatnonzero(bounds >= search.least())
    if len(left) > DENSE * len(bounds):
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(search.scan, columns.starts()))
        return search.rows, search.sums
    left = left[np.argsort(-bounds[left])]
    for start in range(0, len(left), BATCH):
        batch = left[start : start + BATCH]
        search.visit(batch[bounds[batch] >= search.least()])
    return search.rows, search.sums


class _Search:
    """A search at work: `rows` and `sums` are the best so far, in order.

    In a full scan sums are compared by codes of 16 bits first: a sum, without the constant, is less
    than `_unit` times the code and `_excess`.
    """

    def __init__(self, columns: ByteColumns, terms: Terms, top: int) -> None:
        self._columns, self._terms, self._top = columns, terms, top
        self.rows: Rows = np.empty(0, np.int64)
        self.sums: Sums = np.empty(0)
        self._lock = Lock()
        n_terms, total = len(terms.coefficients), float(terms.coefficients.sum())
        self._unit = max(total, 1e-300) / (MOST_CODE // LARGEST - n_terms)
        self._weights = np.rint(terms.coefficients / self._unit).astype(np.uint16)
        rest = np.maximum(terms.coefficients / self._unit - self._weights, 0)
        self._excess = float(rest.sum()) * LARGEST + 1
        self._slack = SLACK * (total * LARGEST + abs(terms.constant))
        parts = [columns.maxima(start, terms.classes) for start in columns.starts()]
        self._maxima = np.concatenate(parts, axis=1)  # (n, blocks)

    def least(self) -> float:
        """Return the sum that a row needs to be among the best."""
        return float(self.sums[-1]) if len(self.sums) == self._top else -np.inf

    def bounds(self) -> Sums:
        """Return what the sums of each block do not surpass."""
        coefficients = self._terms.coefficients.astype(np.float32)
        sums = np.zeros(self._maxima.shape[1], np.float32)
        for coefficient, maxima in zip(coefficients, self._maxima, strict=True):
            sums += coefficient * maxima
        bounds: Sums = sums.astype(np.float64) + (self._terms.constant + self._slack)
        return bounds

    def visit(self, blocks: Rows) -> None:
        """Sum the rows of blocks, as far as they can be among the best."""
        terms, maxima = self._terms, self._maxima[:, blocks]
        sums = np.zeros((len(blocks), BLOCK))
        rest = terms.coefficients @ maxima + (terms.constant + self._slack)
        for place in terms.order:
            can_be = sums.max(axis=1) + rest >= self.least()
            if not can_be.all():
                blocks, sums, rest = blocks[can_be], sums[can_be], rest[can_be]
                maxima = maxima[:, can_be]
            if not len(blocks):
                return
            coefficient = terms.coefficients[place]
            sums += coefficient * self._columns.blocks(blocks, int(terms.classes[place]))
            rest -= coefficient * maxima[place]
        rows = blocks[:, None] * BLOCK + np.arange(BLOCK)
        self._merge(rows.ravel(), sums.ravel() + terms.constant)

    def scan(self, start: int) -> None:
        """Sum all rows of a chunk, as far as they can be among the best."""
        content = self._columns.chunk(start, self._terms.classes)
        for first in range(0, content.shape[1], SCANNED):
            part = content[:, first : first + SCANNED]
            found = self._candidates(part)
            self._merge(start + first + found, self._terms.of(part[:, found]))

    def _candidates(self, content: Bytes) -> Rows:
        """Return the columns of `content` (n, N) whose sums can be large enough."""
        limit = (self.least() - self._slack - self._terms.constant) / self._unit - self._excess
        if limit > MOST_CODE:
            return np.empty(0, np.int64)
        codes = np.zeros(content.shape[1], np.uint16)
        product = np.empty_like(codes)
        rest = int(self._weights.sum())
        stop = rest * EARLY
        for place in self._terms.order:
            np.multiply(content[place], self._weights[place], out=product, dtype=np.uint16)
            codes += product
            rest -= int(self._weights[place])
            if rest <= stop:
                found = _at_least(codes, limit - rest * LARGEST)
                if len(found) <= FEW * len(codes):
                    return found
                stop = 0
        return _at_least(codes, limit)

    def _merge(self, rows: Rows, sums: Sums) -> None:
        is_good = (rows < self._columns.n_rows) & (sums >= self.least())
        with self._lock:
            rows = np.concatenate([self.rows, rows[is_good]])
            sums = np.concatenate([self.sums, sums[is_good]])
            order = np.lexsort((rows, -sums))
            # A scan meets the rows of the first blocks again.
            order = order[np.diff(rows[order], prepend=-1) != 0][: self._top]
            self.rows, self.sums = rows[order], sums[order]


def _at_least(codes: NDArray[np.uint16], limit: float) -> Rows:
    return np.flatnonzero(codes >= np.uint16(max(limit, 0)))
