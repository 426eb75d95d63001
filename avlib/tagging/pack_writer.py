"""Writes the packs of an archive, whose form is that of `avlib.tagging.archive`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from avlib.tagging.archive import LEGS, Codes, Leg, LegName, Vectors

CHUNK_ROWS = 128


@dataclass
class _Held:
    """Rows of a leg that are not written yet.

    Attributes:
        second: of the first of them.
        parts: successive scores and embeddings.
    """

    second: int = 0
    parts: list[tuple[Codes, Vectors]] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        """Their number."""
        return sum(len(scores) for scores, _ in self.parts)


class PackWriter:
    """Adds videos to a pack, a block of seconds at a time.

    Rows are written CHUNK_ROWS at a time, so that the same rows give the same bytes, whatever the
    blocks are in which they come.

    Args:
        file: empty HDF5 file, open for writing.
        legs: what is scored.
        shards: of the study.
    """

    def __init__(self, file: h5py.File, legs: Mapping[LegName, Leg], shards: int) -> None:
        self._file = file
        self._videos: list[tuple[str, int, str]] = []
        self._is_there: dict[LegName, list[bool]] = {leg: [] for leg in LEGS}
        self._rows = 0
        self._held: dict[LegName, _Held] = {leg: _Held() for leg in LEGS}
        file.attrs["shards"] = shards
        text = h5py.string_dtype("utf-8")
        for name, leg in legs.items():
            group = file.create_group(name)
            group.attrs.update({"network": leg.network, "weights": leg.weights})
            if leg.scale:
                group.attrs["scale"] = leg.scale
            group.create_dataset("classes", data=np.array(leg.classes, object), dtype=text)
            for key, width, kind in (
                ("scores", len(leg.classes), np.uint8),
                ("embedding", leg.channels, np.float16),
            ):
                group.create_dataset(
                    key, (0, width), kind, maxshape=(None, width), chunks=(CHUNK_ROWS, width)
                )

    def add(self, leg: LegName, second: int, scores: Codes, embedding: Vectors) -> None:
        """Write successive seconds of a leg of the next video, from its second `second` on."""
        held = self._held[leg]
        if second != held.second + held.n_rows:  # of the next video, or the leg begins again
            self._write(leg)
            held = self._held[leg] = _Held(second)
        held.parts.append((scores, embedding))
        if held.n_rows >= CHUNK_ROWS:
            self._write(leg, held.n_rows // CHUNK_ROWS * CHUNK_ROWS)

    def _write(self, leg: LegName, n_rows: int | None = None) -> None:
        """Write the first `n_rows` of the rows that are held, by default all."""
        held = self._held[leg]
        if not held.parts:
            return
        scores, embedding = (np.concatenate(part) for part in zip(*held.parts, strict=True))
        end = len(scores) if n_rows is None else n_rows
        for first in range(0, end, CHUNK_ROWS):
            rows = slice(first, min(first + CHUNK_ROWS, end))
            for name, values in (("scores", scores[rows]), ("embedding", embedding[rows])):
                self._put(self._file[leg][name], self._rows + held.second + first, values)
        rest = [(scores[end:], embedding[end:])] if end < len(scores) else []
        self._held[leg] = _Held(held.second + end, rest)

    def _put(self, dataset: h5py.Dataset, first: int, rows: NDArray[Any]) -> None:
        last = first + len(rows)
        if len(dataset) < last:
            dataset.resize(last, axis=0)
        dataset[first:last] = rows

    def finish(self, video_id: str, seconds: int, key: str, legs: Mapping[LegName, bool]) -> None:
        """End the next video, whose seconds have been added; absent legs become zeros."""
        for leg in LEGS:
            self._write(leg)
        self._videos.append((video_id, seconds, key))
        self._rows += seconds
        for leg in LEGS:
            self._is_there[leg].append(legs[leg])
        self.discard()  # what an absent leg lacks, or one of other length has too much

    def discard(self, *legs: LegName) -> None:
        """End legs, by default all, with the last finished video."""
        for leg in legs or LEGS:
            self._held[leg] = _Held()
            for name in ("scores", "embedding"):
                self._file[leg][name].resize(self._rows, axis=0)

    def close(self) -> None:
        """Write what is known of the videos; what was added after the last one is dropped."""
        self.discard()
        text = h5py.string_dtype("utf-8")
        ids, seconds, keys = zip(*self._videos, strict=True) if self._videos else ((), (), ())
        self._file.create_dataset("video_id", data=np.array(ids, object), dtype=text)
        self._file.create_dataset("seconds", data=np.array(seconds, np.int64))
        self._file.create_dataset("key", data=np.array(keys, object), dtype=text)
        for leg in LEGS:
            self._file[leg].create_dataset("is_there", data=np.array(self._is_there[leg], bool))
