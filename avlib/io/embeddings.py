"""Embeddings on disk: HDF5 files with one row a clip, or a text, beside the name of the row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from avlib.io.atomic import atomic_path
from avlib.io.torn import torn

WHOLE = -1  # in `crops`: the row does not depend on how a clip is cropped


@dataclass(frozen=True)
class Embeddings:
    """Rows of a file, or of several.

    Attributes:
        keys: (N,) event ids of clips, or texts; those of a clip longer than an input come once a
            crop.
        crops: (N,) int64, seed of the crop of each row, WHOLE where there was none.
        vectors: (N, channels) float32.
        made_from: (N,) digests of everything that a row was made from.
    """

    keys: Sequence[str]
    crops: NDArray[np.int64]
    vectors: NDArray[np.float32]
    made_from: Sequence[str]

    def rows(self, seed: int | None = None) -> dict[str, int]:
        """Return the row of each key; of cropped clips that of the crop with `seed`."""
        wanted = (self.crops == WHOLE) | (self.crops == (WHOLE if seed is None else seed))
        return {self.keys[row]: row for row in np.flatnonzero(wanted).tolist()}

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return the rows of several, in order; one or more."""
        found = list(parts)
        return cls(
            [key for part in found for key in part.keys],
            np.concatenate([part.crops for part in found]),
            np.concatenate(
                [part.vectors for part in found if len(part.keys)] or [found[0].vectors]
            ),
            [digest for part in found for digest in part.made_from],
        )


def write_embeddings(target: Path, embeddings: Embeddings) -> None:
    """Write embeddings as one HDF5 file."""
    text = h5py.string_dtype("utf-8")
    with atomic_path(target) as partial, h5py.File(partial, "w") as file:
        file.create_dataset("key", data=np.array(embeddings.keys, object), dtype=text)
        file.create_dataset("crop", data=embeddings.crops)
        file.create_dataset("embedding", data=embeddings.vectors)
        file.create_dataset("made_from", data=np.array(embeddings.made_from, object), dtype=text)


def read_embeddings(source: Path) -> Embeddings:
    """Return the content of a file of `write_embeddings`.

    Raises:
        DataError: if it is no such file, or is damaged.
    """
    try:
        with h5py.File(source, "r") as file:
            keys, made_from = (_texts(file[name]) for name in ("key", "made_from"))
            crops, vectors = file["crop"][:], file["embedding"][:]
        if not len(keys) == len(crops) == len(vectors) == len(made_from):
            raise ValueError("columns of different length")
        return Embeddings(keys, crops.astype(np.int64), vectors.astype(np.float32), made_from)
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
        raise torn(source, "file of embeddings", error) from error


def _texts(dataset: Any) -> list[str]:
    return [bytes(item).decode("utf-8") for item in dataset[:]]
