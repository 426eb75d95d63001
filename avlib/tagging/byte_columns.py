"""Bytes of rows on disk, class by class, and the rows with the largest weighted sums of them.

A file holds chunks of successive rows. In a chunk the bytes of a class lie together, so that a
query reads the classes that it names and nothing else. Beside each file lie the maxima of blocks of
rows: where their weighted sum is too small, no row of the block has to be read. The rows that are
found are those of a full scan, bit for bit: what is pruned is bounded from above, and what is left
is summed in float64, in the order of the terms.
"""

import mmap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError

CHUNK, BLOCK = 1 << 16, 64  # rows
THREADS = 2
BATCH, SCANNED = 512, 1 << 14  # blocks, and rows of a full scan, that are summed at once
LARGEST, MOST_CODE = 255, 65_535
SEEDS = 128  # blocks that are summed first, to know what has to be surpassed
SLACK = 1e-5  # of the largest sum, for the rounding of bounds in float32
EARLY = 0.2  # share of the weights that is left where rows are looked over for the first time
FEW = 0.01  # share of the rows that are then summed at once
DENSE = 0.5  # share of the blocks from which on all rows are summed

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

    def of(self, bytes_: NDArray[np.uint8]) -> Sums:
        """Return the sums (N,) of bytes (n, N): the same bits wherever a row stands."""
        total = np.zeros(bytes_.shape[1])
        for coefficient, row in zip(self.coefficients, bytes_, strict=True):
            total += coefficient * row
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
    """The files of a `ColumnWriter`, mapped into memory.

    Args:
        content: file of the bytes.
        maxima: file of the maxima.
        n_rows: of both.
        n_classes: bytes of a row.

    Raises:
        DataError: if a file is missing or of another size.
    """

    def __init__(self, content: Path, maxima: Path, n_rows: int, n_classes: int) -> None:
        self.n_rows, self.n_classes = n_rows, n_classes
        n_blocks = -(-n_rows // BLOCK)
        self._maps: list[mmap.mmap] = []
        self._content = self._mapped(content, n_blocks * BLOCK * n_classes)
        self._maxima = self._mapped(maxima, n_blocks * n_classes)

    def _mapped(self, path: Path, n_bytes: int) -> NDArray[np.uint8]:
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: {error}") from error
        if len(mapped) != n_bytes:
            raise DataError(f"{path}: {len(mapped)} bytes, but {n_bytes} are expected")
        self._maps.append(mapped)
        return np.frombuffer(mapped, np.uint8)

    def release(self) -> None:
        """Give back the memory of what was read; the system keeps it cached as it sees fit."""
        if hasattr(mmap, "MADV_DONTNEED"):
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)

    def starts(self) -> range:
        """Return the first row of each chunk."""
        return range(0, self.n_rows, CHUNK)

    def chunk(self, start: int) -> NDArray[np.uint8]:
        """Return the chunk (n_classes, rows) that begins with row `start`, with its padding."""
        return self._part(self._content, start, BLOCK)

    def maxima(self, start: int) -> NDArray[np.uint8]:
        """Return the maxima (n_classes, blocks) of that chunk."""
        return self._part(self._maxima, start, 1)

    def _part(self, content: NDArray[np.uint8], start: int, each: int) -> NDArray[np.uint8]:
        size = -(-min(CHUNK, self.n_rows - start) // BLOCK) * each * self.n_classes
        first = start // BLOCK * each * self.n_classes
        return content[first : first + size].reshape(self.n_classes, -1)

    def rows(self, rows: Rows, classes: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the bytes (n, N) of classes in single rows (N,)."""
        blocks, places = np.divmod(rows, BLOCK)
        return self.blocks(blocks, classes)[:, np.arange(len(rows)), places]

    def blocks(self, blocks: Rows, classes: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the bytes (n, N, BLOCK) of classes in blocks, given their numbers (N,)."""
        each = CHUNK // BLOCK
        chunks, places = np.divmod(blocks, each)
        widths = np.minimum(-(-self.n_rows // BLOCK) - chunks * each, each)
        of_classes = chunks * each * self.n_classes + classes[:, None] * widths + places
        return self._content.reshape(-1, BLOCK)[of_classes]


def best_rows(columns: ByteColumns, terms: Terms, top: int) -> tuple[Rows, Sums]:
    """Return the rows with the largest sums, of equal ones the first, and their sums.

    Args:
        columns: bytes of all rows.
        terms: what is summed.
        top: rows to find, at least 1; fewer are found where there are fewer.
    """
    search = _Search(columns, terms, top)
    bounds = np.concatenate([search.bounds(start) for start in columns.starts()])
    first = np.argpartition(-bounds, min(SEEDS, len(bounds)) - 1)[:SEEDS]
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


def _at_least(codes: NDArray[np.uint16], limit: float) -> Rows:
    return np.flatnonzero(codes >= np.uint16(max(limit, 0)))


class _Search:
    """A search at work: `rows` and `sums` are the best so far, in order.

    Sums are compared by codes of 16 bits first: a sum, without the constant, is less than
    `_unit` times the code and `_excess`.
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

    def least(self) -> float:
        """Return the sum that a row needs to be among the best."""
        return float(self.sums[-1]) if len(self.sums) == self._top else -np.inf

    def bounds(self, start: int) -> Sums:
        """Return what the sums of each block of a chunk do not surpass."""
        maxima = self._columns.maxima(start)[self._terms.classes]
        sums = self._terms.coefficients.astype(np.float32) @ maxima.astype(np.float32)
        bounds: Sums = sums.astype(np.float64) + (self._terms.constant + self._slack)
        return bounds

    def visit(self, blocks: Rows) -> None:
        """Sum the rows of blocks, as far as they can be among the best."""
        content = self._columns.blocks(blocks, self._terms.classes)
        content = content.reshape(len(content), -1)
        found = self._candidates(content, np.arange(len(content)))
        rows = blocks[found // BLOCK] * BLOCK + found % BLOCK
        self._merge(rows, content[:, found])

    def scan(self, start: int) -> None:
        """Sum all rows of a chunk, as far as they can be among the best."""
        chunk = self._columns.chunk(start)
        for first in range(0, chunk.shape[1], SCANNED):
            content = chunk[:, first : first + SCANNED]
            found = self._candidates(content, self._terms.classes)
            self._merge(start + first + found, content[np.ix_(self._terms.classes, found)])

    def _candidates(self, content: NDArray[np.uint8], rows: NDArray[np.int64]) -> Rows:
        """Return the columns of `content` whose sums can be large enough.

        Args:
            content: (N, places) bytes.
            rows: (n,) of `content`, those of the terms.
        """
        limit = (self.least() - self._slack - self._terms.constant) / self._unit - self._excess
        if limit > MOST_CODE:
            return np.empty(0, np.int64)
        codes = np.zeros(content.shape[1], np.uint16)
        product = np.empty_like(codes)
        rest = int(self._weights.sum())
        stop = rest * EARLY
        for term in np.argsort(-self._weights.astype(np.int64)).tolist():
            np.multiply(content[rows[term]], self._weights[term], out=product, dtype=np.uint16)
            codes += product
            rest -= int(self._weights[term])
            if rest <= stop:
                found = _at_least(codes, limit - rest * LARGEST)
                if len(found) <= FEW * len(codes):
                    return found
                stop = 0
        return _at_least(codes, limit)

    def _merge(self, rows: Rows, content: NDArray[np.uint8]) -> None:
        sums = self._terms.of(content)
        is_good = (rows < self._columns.n_rows) & (sums >= self.least())
        with self._lock:
            rows = np.concatenate([self.rows, rows[is_good]])
            sums = np.concatenate([self.sums, sums[is_good]])
            order = np.lexsort((rows, -sums))
            # A scan meets the rows of the first blocks again.
            order = order[np.diff(rows[order], prepend=-1) != 0][: self._top]
            self.rows, self.sums = rows[order], sums[order]
