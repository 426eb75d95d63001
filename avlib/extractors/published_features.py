"""Stage index_published: published folders of features, checked and used where they are.

A folder holds `<split>/<video_id>.npy`, float32 (intervals, views, channels), as the programs of
Chalk et al., "TIM", CVPR 2024, write and read them. Nothing is copied: those of EPIC-KITCHENS-100
are 81 GB.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table, write_table
from avlib.io.torn import torn
from avlib.media.videos import is_safe_id

logger = logging.getLogger(__name__)

OTHER_ROWS = "other_intervals"


@dataclass(frozen=True)
class _Found:
    """What the files of a video are: their shape together, and a digest."""

    views: int
    channels: int
    digest: str


def index_published(
    folders: Sequence[Path], events: Path, intervals: Mapping[str, Path], target: Path
) -> None:
    """Write which annotated videos have published features.

    A video without a file, without intervals, or whose array has another number of rows than it
    has intervals gets a status and a message, and is left out.

    Args:
        folders: whose channels are put side by side.
        events: table of kind EVENTS, which has the videos.
        intervals: table of kind INTERVALS for each split.
        target: table of kind FEATURES to write.

    Raises:
        DataError: if most arrays have another number of rows than their video has intervals, so
            that the table of intervals is that of other features.
    """
    videos = read_table(events, EVENTS)[["video_id", "split"]].drop_duplicates()
    rows = []
    for split, path in intervals.items():
        counts = read_table(path, INTERVALS)["video_id"].value_counts().to_dict()
        video_ids = sorted(videos.loc[videos["split"] == split, "video_id"])
        found = [_row(folders, v, split, counts.get(v, 0)) for v in video_ids]
        _check_intervals(found, path)
        rows += found
    for row in rows:
        if row["status"] != "ok":
            logger.warning("no features: %s: %s: %s", *map(row.get, _SHOWN))
    columns = [column.name for column in FEATURES.columns]
    write_table(pd.DataFrame(rows, columns=columns), target, FEATURES)


_SHOWN = ("video_id", "status", "message")


def _row(folders: Sequence[Path], video_id: str, split: str, n_intervals: int) -> dict[str, Any]:
    """Return the row of FEATURES of a video."""
    status, message, found = "ok", "", None
    paths = [folder / split / f"{video_id}.npy" for folder in folders]
    try:
        if not is_safe_id(video_id):
            status, message = "unreadable", "its name cannot be that of a file"
        elif absent := [path for path in paths if not path.is_file()]:
            status, message = "missing", f"{absent[0]} does not exist; add it"
        elif not n_intervals:
            status, message = "no_intervals", "not in the published interval tables"
        else:
            arrays = [_mapped(path) for path in paths]
            status, message = _mismatch(paths, arrays, n_intervals)
            found = _described(arrays) if status == "ok" else None
    except DataError as error:
        status, message = "unreadable", str(error)
    return {
        "video_id": video_id,
        "split": split,
        "path": f"{split}/{video_id}.npy" if found else "",
        "intervals": n_intervals if found else 0,
        "views": found.views if found else 0,
        "channels": found.channels if found else 0,
        "padded_intervals": 0,
        "content_hash": found.digest if found else "",
        "status": status,
        "message": message,
    }


def _mapped(path: Path) -> NDArray[np.float32]:
    try:
        array: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise torn(path, ".npy file", error) from error
    if array.dtype != np.float32 or array.ndim not in (3, 5):
        raise DataError(
            f"{path}: an array {array.shape} of {array.dtype}, expected float32 (rows, views, "
            "channels)"
        )
    return array


def _mismatch(
    paths: Sequence[Path], arrays: Sequence[NDArray[np.float32]], n_intervals: int
) -> tuple[str, str]:
    for path, array in zip(paths, arrays, strict=True):
        if len(array) != n_intervals:
            found = f"{path} has {len(array)} rows, but the video has {n_intervals} intervals"
            return OTHER_ROWS, f"{found}; name the table that the features are of"
    return "ok", ""


def _described(arrays: Sequence[NDArray[np.float32]]) -> _Found:
    """Return views, channels and a digest of shapes and of the first, middle and last rows."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        for row in (0, len(array) // 2, len(array) - 1):
            digest.update(np.ascontiguousarray(array[row]).tobytes())
    views = min(array.shape[1] for array in arrays)
    return _Found(views, sum(array.shape[-1] for array in arrays), digest.hexdigest())


def _check_intervals(rows: Sequence[Mapping[str, Any]], source: Path) -> None:
    """Check that most arrays have as many rows as the table says."""
    others = [row for row in rows if row["status"] == OTHER_ROWS]
    if len(others) > sum(row["status"] == "ok" for row in rows):
        raise DataError(
            f"{source}: the features of {len(others)} of {len(rows)} videos are of another table "
            f"of intervals; first {others[0]['video_id']}: {others[0]['message']}"
        )
