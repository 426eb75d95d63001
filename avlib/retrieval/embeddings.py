"""Embeddings of one network as they are compared: clips with their status, and distinct texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.tables import EMBEDDED_CLIPS
from avlib.io.embeddings import Embeddings, read_embeddings
from avlib.io.tables import read_table

Vectors = NDArray[np.float32]
NOT_FINITE = "not_finite"  # status of a clip whose embedding is no vector of numbers
_NOT_FINITE_MESSAGE = "the network gave values that are no finite numbers"


@dataclass(frozen=True)
class EmbeddedTexts:
    """Distinct texts of one kind.

    Attributes:
        path: file of embeddings.
        rows: row of each text.
        vectors: (rows, D).
    """

    path: Path
    rows: Mapping[str, int]
    vectors: Vectors

    @classmethod
    def read(cls, path: Path) -> "EmbeddedTexts":
        """Return the texts of a file.

        Raises:
            DataError: if it is no file of embeddings, or a text has no finite one.
        """
        found = read_embeddings(path)
        is_finite = np.isfinite(found.vectors).all(axis=1)
        if not is_finite.all():
            text = found.keys[int(np.argmin(is_finite))]
            raise DataError(f"{path}: the text {text[:80]!r}: {_NOT_FINITE_MESSAGE}")
        return cls(path, found.rows(), found.vectors)

    def of(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors (N, D) of texts.

        Raises:
            DataError: if one is not embedded.
        """
        missing = next((text for text in texts if text not in self.rows), None)
        if missing is not None:
            raise DataError(f"{self.path}: no embedding of the text {missing[:80]!r}; delete it")
        return self.vectors[[self.rows[text] for text in texts]]


class EmbeddedClips:
    """The clips of all shards.

    Args:
        files: files of embeddings.
        index: tables of kind EMBEDDED_CLIPS.

    Attributes:
        status: the tables, a row a clip, by event_id.

    Raises:
        DataError: if a file cannot be read.
    """

    def __init__(self, files: Sequence[Path], index: Sequence[Path]) -> None:
        self.index = list(index)
        self.embeddings = Embeddings.joined(map(read_embeddings, files))
        table = pd.concat([read_table(path, EMBEDDED_CLIPS) for path in index])
        self.status = table.set_index("event_id")
        is_finite = np.isfinite(self.embeddings.vectors).all(axis=1)
        bad = {self.embeddings.keys[row] for row in np.flatnonzero(~is_finite).tolist()}
        is_bad = self.status.index.isin(bad) & (self.status["status"] == "ok")
        self.status.loc[is_bad, ["status", "message"]] = NOT_FINITE, _NOT_FINITE_MESSAGE

    def statuses(self, event_ids: Sequence[str]) -> pd.DataFrame:
        """Return the rows of clips, in order.

        Raises:
            DataError: if one is in none of the tables.
        """
        places = self.status.index.get_indexer(list(event_ids))
        if (places < 0).any():
            missing = event_ids[int(np.argmin(places))]
            raise DataError(f"{self.index[0]}: no shard has the clip {missing!r}; delete it")
        return self.status.iloc[places]

    def rows(self, event_ids: Sequence[str], seed: int) -> NDArray[np.intp]:
        """Return the rows of clips; of those that were cropped, of the crop with a seed.

        Raises:
            DataError: if one has none.
        """
        known = self.embeddings.rows(seed)
        missing = next((event_id for event_id in event_ids if event_id not in known), None)
        if missing is not None:
            raise DataError(
                f"{self.index[0]}: no embedding of the clip {missing!r} for crop seed {seed}; "
                "delete it"
            )
        return np.array([known[event_id] for event_id in event_ids], dtype=np.intp)


@dataclass(frozen=True)
class EmbeddedNetwork:
    """A network's clips, and its texts by kind.

    Attributes:
        name: of the network.
        clips: of all shards.
        texts: by kind; a network of frames has original ones only.
    """

    name: str
    clips: EmbeddedClips
    texts: Mapping[str, EmbeddedTexts]

    def kind(self, kind: str) -> str:
        """Return the kind of texts that this network gets where `kind` is asked for."""
        return kind if kind in self.texts else "original"
