"""The windows of a split with their features, queries and labels."""

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
from avlib.tim.batches import WindowDataset
from avlib.tim.feature_files import FeatureFiles
from avlib.tim.recipes import TimRecipe
from avlib.tim.tables import LABEL_COLUMNS, QUERIES, UNKNOWN
from avlib.tim.windows import WindowIndex


@dataclass(frozen=True, kw_only=True)
class InputFiles:
    """Files that hold the windows of one or more splits, and what windows refer to.

    Attributes:
        queries: table of kind QUERIES, all splits.
        windows: `.npz` of a WindowIndex for each split.
        intervals: table of kind INTERVALS for each split.
        visual: folders of visual features, with a folder for each split, whose channels are put
            side by side; unused by audio models.
        audio: folders of audio features, likewise; unused by visual models.
        classes: JSON with the names of the classes.
        allow_fewer_views: whether features of several folders have as many views as all have;
            otherwise they must have the same number.
    """

    queries: Path
    windows: Mapping[str, Path]
    intervals: Mapping[str, Path]
    visual: Sequence[Path]
    audio: Sequence[Path]
    classes: Path
    allow_fewer_views: bool = False


@dataclass(frozen=True, eq=False)
class SplitWindows:
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
        """Whether the k-th visual and the k-th audio query are the same interval, as in AVE."""
        keys = ["annotation_id", "video_id", "start_s", "stop_s"]
        visual = self.visual[[*keys, "action_class"]].fillna(UNKNOWN).to_numpy().tolist()
        audio = self.audio[[*keys, "class_id"]].fillna(UNKNOWN).to_numpy().tolist()
        return bool(visual) and visual == audio

    def fingerprint(self) -> Iterator[bytes]:
        """Yield the bytes of a fingerprint.

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
    n_rows = files.n_intervals[video_id]
    views = np.arange(files.views)
    middle = files.read(video_id, np.full_like(views, n_rows // 2), views)
    return repr((video_id, (n_rows, *files.shape))).encode() + middle.tobytes()


def read_split(
    name: str, files: InputFiles, recipe: TimRecipe, classes: Mapping[str, Sequence[str]]
) -> SplitWindows:
    """Return the windows of a split that a model of a recipe uses, checked.

    Args:
        name: train, val or test.
        files: where they are.
        recipe: that the windows were made for, and which features and label spaces are used.
        classes: names of the classes of each head.

    Raises:
        DataError: naming a query whose class is out of range, or a video whose features are
            missing or do not fit its intervals.
    """
    table = read_table(files.queries, QUERIES)
    index = WindowIndex.load(files.windows[name])
    dataset = WindowDataset(
        index,
        table,
        read_table(files.intervals[name], INTERVALS),
        visual=() if recipe.model_modality == "audio" else [f / name for f in files.visual],
        audio=() if recipe.model_modality == "visual" else [f / name for f in files.audio],
        recipe=recipe,
        allow_fewer_views=files.allow_fewer_views,
    )
    is_used = {m: recipe.data_modality in ("audio_visual", m) for m in ("visual", "audio")}
    queries = {
        m: table[(table["split"] == name) & (table["modality"] == m) & used]
        for m, used in is_used.items()
    }
    for head, names in classes.items():
        _check_classes(
            queries["audio" if head == "audio" else "visual"], LABEL_COLUMNS[head], len(names)
        )
    window = np.repeat(np.arange(len(index)), np.diff(index.offsets))
    items = np.unique(window[np.where(index.is_visual, is_used["visual"], is_used["audio"])])
    return SplitWindows(dataset, items, queries["visual"], queries["audio"])


def _check_classes(queries: pd.DataFrame, column: str, n_classes: int) -> None:
    is_out = (queries[column] < 0) | (queries[column] >= n_classes)
    if is_out.any():
        row = queries[is_out].iloc[0]
        raise DataError(
            f"{row['annotation_id']}: {column} is {row[column]:.0f}, expected 0 to {n_classes - 1}"
        )
