"""The features published with AVE: HDF5 files to one array a video.

A file has the data set `avadataset`, whose rows are the lines of `Annotations.txt`: visual (4143,
10, 7, 7, 512) from VGG-19, audio (4143, 10, 128) from VGGish, a row a second.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from avlib.datasets.ave import VIDEO_SECONDS, Annotation, read_annotations, read_splits
from avlib.errors import DataError
from avlib.extractors.intervals import second_intervals
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.atomic import atomic_path
from avlib.io.hashes import file_hash
from avlib.io.tables import write_table
from avlib.media.videos import is_safe_id

DATASET = "avadataset"


def convert_published(
    files: Mapping[str, Path],
    *,
    folders: Mapping[str, Path],
    indices: Mapping[str, Path],
    intervals: Mapping[str, Path],
) -> None:
    """Convert the files of both modalities, and write what extraction would write beside them.

    Args:
        files: `annotations`, a list for each split, and an HDF5 file for each modality.
        folders: where the features of each modality go.
        indices: table of kind FEATURES to write for each modality.
        intervals: table of kind INTERVALS to write for each split.

    Raises:
        DataError: as `convert_features`, or if the annotations are wrong.
    """
    annotations = read_annotations(files["annotations"])
    lists = {s: path for s, path in files.items() if s not in {"annotations", *folders}}
    splits = read_splits(lists, annotations)
    for modality, folder in folders.items():
        index = convert_features(files[modality], splits, len(annotations), folder)
        write_table(index, indices[modality], FEATURES)
    for split, target in intervals.items():
        video_ids = list(_first_rows(splits.get(split, [])))
        write_table(second_intervals(video_ids, VIDEO_SECONDS), target, INTERVALS)


def convert_features(
    source: Path, splits: Mapping[str, Sequence[Annotation]], n_annotations: int, target: Path
) -> pd.DataFrame:
    """Write `<target>/<split>/<video_id>.npy` for each video of each split.

    The arrays are float32 (10, 1, 7, 7, C) or (10, 1, C). A video with two annotations has the
    same features in both rows; the first is taken. One row at a time is in memory.

    Args:
        source: HDF5 file of one modality.
        splits: annotations of each split, from `ave.read_splits`.
        n_annotations: lines of `Annotations.txt`.
        target: folder of the features of this extractor.

    Returns:
        table of kind FEATURES, its paths below `target`.

    Raises:
        DataError: if the file is no such file, has another number of rows than there are
            annotations, holds values that are not finite, or a video's name cannot name a file.
    """
    try:
        with h5py.File(source) as file:
            features = file[DATASET]
            _check(source, features, n_annotations)
            rows = [
                _convert(source, features, number, video_id, split, target)
                for split, annotations in splits.items()
                for video_id, number in _first_rows(annotations).items()
            ]
    except (OSError, KeyError) as error:
        raise DataError(f"{source}: no HDF5 file with a data set {DATASET!r} ({error})") from error
    return pd.DataFrame(rows, columns=[column.name for column in FEATURES.columns])


def _first_rows(annotations: Sequence[Annotation]) -> dict[str, int]:
    """Return the row of each video's first annotation; videos in order of their names."""
    first = {a.video_id: a.number for a in reversed(annotations)}
    return dict(sorted(first.items()))


def _check(source: Path, features: h5py.Dataset, n_annotations: int) -> None:
    shape = features.shape
    if len(shape) not in (3, 5) or shape[1] != VIDEO_SECONDS or shape[2:-1] not in ((), (7, 7)):
        raise DataError(
            f"{source}: features of the shape {shape}, expected ({n_annotations}, {VIDEO_SECONDS}, "
            f"channels) or ({n_annotations}, {VIDEO_SECONDS}, 7, 7, channels)"
        )
    if shape[0] != n_annotations:
        raise DataError(
            f"{source}: {shape[0]} rows, but there are {n_annotations} annotations; the file is "
            "not of this data set"
        )


def _convert(
    source: Path, features: h5py.Dataset, number: int, video_id: str, split: str, target: Path
) -> dict[str, Any]:
    """Write the features of one video and return its row of FEATURES."""
    if not is_safe_id(video_id):
        raise DataError(f"{source}: video {video_id!r} cannot be the name of a file")
    row = features[number].astype(np.float32)
    if not np.isfinite(row).all():
        raise DataError(f"{source}: row {number} ({video_id}) has values that are not finite")
    path = f"{split}/{video_id}.npy"
    with atomic_path(target / path) as partial, partial.open("wb") as file:
        np.save(file, row[:, None], allow_pickle=False)
    return {
        "video_id": video_id,
        "split": split,
        "path": path,
        "intervals": VIDEO_SECONDS,
        "views": 1,
        "channels": row.shape[-1],
        "padded_intervals": 0,
        "content_hash": file_hash(target / path),
        "status": "ok",
        "message": "",
    }
