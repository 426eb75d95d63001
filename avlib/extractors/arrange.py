"""Features by video, as TIM reads them, and the original's one array of all rows.

The original extractors write `features.npy` (rows, V, C), float32, and `metadata.npy`, the ids of
its rows; a later step writes one `<video_id>.npy` (intervals, V, C) a video. Our stages write the
latter directly; the functions here convert both ways. V counts views, C channels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.intervals import interval_numbers
from avlib.io.atomic import atomic_path
from avlib.io.pickles import write_id_array
from avlib.media.videos import is_safe_id

Features = NDArray[np.float32]


def rows_by_video(interval_ids: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each video, ordered by the number k of their ids `<video_id>_<k>`.

    Raises:
        DataError: if an id has no number, or a video has two rows of the same number.
    """
    k = interval_numbers(interval_ids)
    video_ids = pd.Series([interval_id.rpartition("_")[0] for interval_id in interval_ids])
    rows: dict[str, NDArray[np.int64]] = {}
    for video_id, members in video_ids.groupby(video_ids, sort=False).indices.items():
        order = members[np.argsort(k[members], kind="stable")]
        repeated = order[1:][np.diff(k[order]) == 0]
        if len(repeated):
            raise DataError(f"interval {interval_ids[repeated[0]]!r} has more than one row")
        rows[str(video_id)] = order
    return rows


def arrange(features: Features, interval_ids: Sequence[str]) -> dict[str, Features]:
    """Return the features of each video in the order of its intervals.

    Args:
        features: (rows, V, C).
        interval_ids: id `<video_id>_<k>` of each row; rows of a video need not be neighbours.

    Returns:
        (intervals, V, C) of each video.

    Raises:
        DataError: if the lengths differ, an id has no number, or an interval has two rows.
    """
    if len(features) != len(interval_ids):
        raise DataError(f"{len(features)} rows of features for {len(interval_ids)} interval ids")
    return {video: features[rows] for video, rows in rows_by_video(interval_ids).items()}


def import_features(
    features_npy: Path, interval_ids: Sequence[str], ids_source: Path, target: Path
) -> list[str]:
    """Write `<video_id>.npy`, float32 (intervals, V, C), for each video of a `features.npy`.

    The array is read a video at a time.

    Args:
        features_npy: array (rows, V, C).
        interval_ids: id of each row, from `read_id_array(metadata.npy)` or
            `read_published_ids(<interval table>)`.
        ids_source: the file of the ids, for messages.
        target: folder of one split.

    Returns:
        the ids of the videos.

    Raises:
        DataError: if the array has another form or length, an id has no number or a second row,
            or a video's name would leave the folder.
    """
    features = open_features(features_npy)
    if len(features) != len(interval_ids):
        raise DataError(
            f"{features_npy} has {len(features)} rows, but {ids_source} has {len(interval_ids)} "
            "ids; they do not belong to the same extraction"
        )
    rows = rows_by_video(interval_ids)
    for video_id in rows:
        if not is_safe_id(video_id):
            raise DataError(f"{ids_source}: video {video_id!r} cannot be the name of a file")
    for video_id, members in rows.items():
        array = np.asarray(features[members], dtype=np.float32)
        with atomic_path(target / f"{video_id}.npy") as partial, partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    return list(rows)


def export_features(
    folder: Path,
    index: pd.DataFrame,
    intervals: pd.DataFrame,
    *,
    features_npy: Path,
    metadata_npy: Path,
) -> None:
    """Write the features of one split as the original's `features.npy` and `metadata.npy`.

    The rows are those of `intervals` whose video has features, in their order. The array is
    written through a memory map, a video at a time.

    Args:
        folder: the study's feature folder, which the paths in `index` are below.
        index: table of kind FEATURES, the rows of one split.
        intervals: table of kind INTERVALS of that split.
        features_npy: file to write, float32 (rows, V, C).
        metadata_npy: file to write, the id of each row.

    Raises:
        DataError: if a video's array has other rows than its intervals, or other views or channels
            than the first video's.
    """
    index = index[index["status"] == "ok"]
    intervals = intervals[intervals["video_id"].isin(index["video_id"])]
    if intervals.empty:
        raise DataError(f"{folder}: no features to export")
    ids = intervals["interval_id"].to_list()
    files = dict(zip(index["video_id"], (folder / path for path in index["path"]), strict=True))
    with atomic_path(features_npy) as partial:
        _merge(files, rows_by_video(ids), len(ids), partial)
    write_id_array(ids, metadata_npy)


def _merge(
    files: dict[str, Path], rows: dict[str, NDArray[np.int64]], n_rows: int, target: Path
) -> None:
    """Write the rows of each video's file to their places in one array."""
    shape = open_features(next(iter(files.values()))).shape[1:]
    merged = np.lib.format.open_memmap(target, mode="w+", dtype=np.float32, shape=(n_rows, *shape))
    for video_id, file in files.items():
        array = open_features(file)
        expected = (len(rows.get(video_id, ())), *shape)
        if array.shape != expected:
            raise DataError(
                f"{video_id}: {file} has the shape {array.shape}, its intervals and the other "
                f"videos ask for {expected}"
            )
        merged[rows[video_id]] = array
    merged.flush()


def open_features(path: Path) -> Features:
    """Return a memory map of an array of features (rows, V, C).

    Raises:
        DataError: if the file is no such array.
    """
    try:
        array: Features = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable .npy file ({error})") from error
    if array.ndim != 3 or array.dtype.kind != "f":
        raise DataError(
            f"{path}: an array {array.shape} of {array.dtype}, expected float32 (rows, views, "
            "channels)"
        )
    return array
