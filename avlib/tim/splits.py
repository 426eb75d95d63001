"""The windows of a split with all that TIM learns from and is asked about in them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.tables import INTERVALS
from avlib.io.tables import read_table
from avlib.tim.batches import FeatureFiles, WindowDataset
from avlib.tim.network import Modality
from avlib.tim.scores import UNKNOWN
from avlib.tim.tables import QUERIES
from avlib.tim.windows import WindowIndex, WindowSettings

# Where the true class of a query is, and the name of its classes, for each head.
COLUMNS = {
    "verb": "verb_class",
    "noun": "noun_class",
    "action": "action_class",
    "audio": "class_id",
}
VISUAL_HEADS = ("verb", "noun", "action")


def read_class_names(path: Path) -> dict[str, list[str]]:
    """Return the names of the classes of each head, by number.

    Args:
        path: JSON file with a list for each column of COLUMNS that is used; actions and sounds
            have the same classes where only `class_id` is there.
    """
    named = json.loads(path.read_text(encoding="utf-8"))
    named.setdefault("action_class", named.get("class_id"))
    return {head: named[column] for head, column in COLUMNS.items() if named.get(column)}


@dataclass(frozen=True)
class SplitFiles:
    """Where the windows of a split and what they refer to are.

    Attributes:
        windows: `.npz` of a WindowIndex.
        queries: table of kind QUERIES, all splits.
        intervals: table of kind INTERVALS.
        visual: folder of the split's visual features; None if they are not used.
        audio: folder of the split's audio features; None if they are not used.
    """

    windows: Path
    queries: Path
    intervals: Path
    visual: Path | None
    audio: Path | None


def seen_folders(
    split: str, modality: Modality, *, visual: Path | None, audio: Path | None
) -> tuple[Path | None, Path | None]:
    """Return the visual and audio features of a split, None for what a model does not see.

    Args:
        split: train, val or test.
        modality: what the model sees.
        visual: folder with a folder of visual features for each split.
        audio: that of audio features.
    """
    return (
        visual / split if visual is not None and modality != "audio" else None,
        audio / split if audio is not None and modality != "visual" else None,
    )


@dataclass(frozen=True, eq=False)
class Split:
    """The windows of a split.

    Attributes:
        dataset: all of them.
        items: numbers of those that hold a query of a label space that is used.
        visual: rows of QUERIES of the split in the visual label space; none if that is not used.
        audio: those in the audio label space.
    """

    dataset: WindowDataset
    items: NDArray[np.int64]
    visual: pd.DataFrame
    audio: pd.DataFrame

    @cached_property
    def is_paired(self) -> bool:
        """Whether the k-th visual and the k-th audio query ask about the same thing, as in AVE."""
        keys = ["annotation_id", "video_id", "start_s", "stop_s"]
        visual = self.visual[[*keys, "action_class"]].fillna(UNKNOWN).to_numpy().tolist()
        audio = self.audio[[*keys, "class_id"]].fillna(UNKNOWN).to_numpy().tolist()
        return bool(visual) and visual == audio

    def fingerprint(self) -> Iterator[bytes]:
        """Yield what tells this split from others.

        Of the features, the shape of the arrays and the row in the middle of each; another
        extraction changes every row.
        """
        index = self.dataset.index
        for array in vars(index).values():
            yield np.ascontiguousarray(array).tobytes()
        for queries in (self.visual, self.audio):
            yield pd.util.hash_pandas_object(queries, index=False).to_numpy().tobytes()
        for files in (self.dataset.visual, self.dataset.audio):
            if files is not None:
                for video_id in index.video_ids.tolist():
                    yield _sample(files, video_id)


def _sample(files: FeatureFiles, video_id: str) -> bytes:
    features = files[video_id]
    middle = np.ascontiguousarray(features[len(features) // 2])
    return repr((video_id, features.shape)).encode() + middle.tobytes()


def read_split(
    name: str,
    files: SplitFiles,
    *,
    settings: WindowSettings,
    data_modality: Modality,
    classes: Mapping[str, Sequence[str]],
) -> Split:
    """Return a split, checked.

    Args:
        name: train, val or test.
        files: what it is made of.
        settings: how the windows were made.
        data_modality: label spaces that are used.
        classes: names of the classes of each head.

    Raises:
        DataError: naming a query whose class is out of range, or a video whose features are
            missing or do not fit its intervals.
    """
    table = read_table(files.queries, QUERIES)
    index = WindowIndex.load(files.windows)
    dataset = WindowDataset(
        index,
        table,
        read_table(files.intervals, INTERVALS),
        visual=files.visual,
        audio=files.audio,
        settings=settings,
    )
    is_used = {m: data_modality in ("audio_visual", m) for m in ("visual", "audio")}
    queries = {
        m: table[(table["split"] == name) & (table["modality"] == m) & used]
        for m, used in is_used.items()
    }
    for head, names in classes.items():
        _check_classes(queries["audio" if head == "audio" else "visual"], COLUMNS[head], len(names))
    window = np.repeat(np.arange(len(index)), np.diff(index.offsets))
    items = np.unique(window[np.where(index.is_visual, is_used["visual"], is_used["audio"])])
    return Split(dataset, items, queries["visual"], queries["audio"])


def _check_classes(queries: pd.DataFrame, column: str, n_classes: int) -> None:
    is_out = (queries[column] < 0) | (queries[column] >= n_classes)
    if is_out.any():
        row = queries[is_out].iloc[0]
        raise DataError(
            f"{row['annotation_id']}: {column} is {row[column]:.0f}, expected 0 to {n_classes - 1}"
        )
