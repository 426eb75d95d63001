"""One subset of a benchmark: its annotations, and those of its clips that can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.tables import CAPTIONED_CLIPS, CLIP_CLASSES, QUESTIONS, SENTENCES, TEXTS
from avlib.errors import DataError
from avlib.io.tables import read_table
from avlib.retrieval.embeddings import EmbeddedNetwork
from avlib.retrieval.relevancy import Relevancy, read_relevancy, shared_classes

LONG_S = 10.0  # an input of the networks of sound; longer clips are cropped


@dataclass(frozen=True)
class Subset:
    """Annotations of a benchmark, or of a subset of it.

    Attributes:
        relevancy: all, low, moderate or high.
        folder: of the tables.
        clips: of kind CAPTIONED_CLIPS.
        left_out: rows of clips without an embedding: `event_id`, `video_id`, `left_out_by` (the
            network), `status`, `message`.
        is_kept: (clips,) whether all networks have embedded a clip.
        counts: of clips.
    """

    relevancy: str
    folder: Path
    clips: pd.DataFrame
    left_out: Sequence[Mapping[str, str]]
    is_kept: NDArray[np.bool_]
    counts: Mapping[str, int]

    @classmethod
    def read(cls, relevancy: str, folder: Path, networks: Sequence[EmbeddedNetwork]) -> "Subset":
        """Return the annotations of a folder, with the status that networks give its clips.

        Raises:
            DataError: if a table cannot be read, or a clip is not in those of the networks.
        """
        clips = read_table(folder / "clips.parquet", CAPTIONED_CLIPS)
        ids = clips["event_id"].tolist()
        is_kept, is_silent = np.ones(len(ids), dtype=bool), np.zeros(len(ids), dtype=bool)
        left_out: list[dict[str, str]] = []
        for network in networks:
            status = network.clips.statuses(ids)
            is_ok = (status["status"] == "ok").to_numpy()
            is_kept &= is_ok
            is_silent |= status["is_silent"].to_numpy()
            rows = (
                status[~is_ok]
                .reset_index()
                .assign(video_id=clips["video_id"].to_numpy()[~is_ok], left_out_by=network.name)
            )
            columns = ["event_id", "video_id", "left_out_by", "status", "message"]
            left_out += rows[columns].to_dict("records")
        duration_s = (clips["stop_s"] - clips["start_s"]).to_numpy()
        counts = {
            "clips": int(is_kept.sum()),
            "clips_left_out": int((~is_kept).sum()),
            "clips_over_10_s": int((is_kept & (duration_s > LONG_S)).sum()),
            "silent_clips": int((is_kept & is_silent).sum()),
        }
        return cls(relevancy, folder, clips, left_out, is_kept, counts)

    @property
    def kept(self) -> NDArray[np.intp]:
        """Numbers of the clips that are compared."""
        return np.flatnonzero(self.is_kept)

    @property
    def kept_ids(self) -> list[str]:
        """The event_id of each clip that is compared."""
        ids: list[str] = self.clips["event_id"][self.is_kept].tolist()
        return ids

    def questions(self) -> pd.DataFrame:
        """Return the table of questions, without rows where sentences are ranked."""
        return read_table(self.folder / "questions.parquet", QUESTIONS)

    def texts(self, kind: str) -> list[str]:
        """Return the text of each clip.

        Raises:
            DataError: if a clip has none.
        """
        path = self.folder / "texts.parquet"
        table = read_table(path, TEXTS)
        known = table[table["kind"] == kind].set_index("event_id")["text"].to_dict()
        ids = self.clips["event_id"]
        missing = next((event_id for event_id in ids if event_id not in known), None)
        if missing is not None:
            raise DataError(f"{path}: clip {missing!r} has no text of kind {kind}")
        return [known[event_id] for event_id in ids]

    def sentences(self, kind: str) -> pd.DataFrame:
        """Return sentences: their `text`, and as `clip` the number of the clip that has it.

        Raises:
            DataError: if one is of no clip.
        """
        path = self.folder / "sentences.parquet"
        table = read_table(path, SENTENCES)
        found = table[table["kind"] == kind].reset_index(drop=True)
        places = pd.Index(self.clips["event_id"]).get_indexer(found["event_id"])
        if (places < 0).any():
            row = int(np.argmin(places))
            raise DataError(
                f"{path}: sentence {row + 1} of kind {kind} is that of clip "
                f"{found['event_id'][row]!r}, which is not in clips.parquet"
            )
        return found.assign(clip=places)

    def graded(self, groups: Sequence[str], sentences: pd.DataFrame) -> Relevancy:
        """Return the relevance of sentences to all clips, by the classes that they share."""
        table = read_table(self.folder / "clip_classes.parquet", CLIP_CLASSES)
        ids = self.clips["event_id"]
        classes = [_sets(table[table["group"] == group], ids) for group in groups]
        return shared_classes(classes, sentences["clip"].to_numpy())

    def given(self, path: Path, sentences: pd.DataFrame) -> Relevancy:
        """Return the relevance of sentences to all clips of a published matrix."""
        return read_relevancy(path, (len(self.clips), len(sentences)))


def _sets(rows: pd.DataFrame, ids: Any) -> list[frozenset[int]]:
    """Return the classes of each clip."""
    known: dict[str, set[int]] = {}
    for event_id, class_id in zip(rows["event_id"], rows["class_id"].tolist(), strict=True):
        known.setdefault(event_id, set()).add(class_id)
    return [frozenset(known.get(event_id, ())) for event_id in ids]
