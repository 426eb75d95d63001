"""The features of the videos of a split, on disk; a window reads only its own rows.

Features of several networks, such as those of Omnivore and VideoMAE for EPIC-KITCHENS (Chalk et
al., "TIM", CVPR 2024), stay where they are: their channels are put side by side as rows are read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.torn import torn

Floats = NDArray[np.float32]
Integers = NDArray[np.integer]


class _Array(NamedTuple):
    """Where an array is: its file, the byte at which it begins, and its shape."""

    path: Path
    start: int
    shape: tuple[int, ...]


class FeatureFiles:
    """The features of one modality and split: `<folder>/<video_id>.npy`, (N, views, ...) each.

    Files are read at random places, one row at a time: through a memory map the system would
    read many times as much, and count it as memory of this process.

    Args:
        folders: each holds a file for each video; features of several folders are joined at their
            last axis, the channels.
        n_intervals: N of each video.
        allow_fewer_views: whether a video has as many views as all of its files have; otherwise
            they must have the same number.

    Raises:
        DataError: naming the video, if its file is missing or damaged, has another number of rows
            than the video has intervals, or other views or channels than the first one, or if
            the files of a video have different numbers of views.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        n_intervals: Mapping[str, int],
        *,
        allow_fewer_views: bool = False,
    ) -> None:
        self.folders, self.n_intervals = tuple(folders), n_intervals
        self.allow_fewer_views = allow_fewer_views
        self.shape: tuple[int, ...] = ()  # of one row: views, then channels or grid and channels
        self._arrays: dict[str, list[_Array]] = {}
        for video_id, n_rows in n_intervals.items():
            arrays = [_found(video_id, folder / f"{video_id}.npy") for folder in self.folders]
            self._check(video_id, arrays, n_rows)
            self._arrays[video_id] = arrays

    @property
    def views(self) -> int:
        """Number of views of each interval; view 0 is unaugmented."""
        return self.shape[0]

    def read(self, video_id: str, rows: Integers, views: Integers) -> Floats:
        """Return one view of each of some rows of a video: (F, channels) or (F, 7, 7, channels)."""
        arrays = [_read(array, rows, views) for array in self._arrays[video_id]]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)

    def _check(self, video_id: str, arrays: Sequence[_Array], n_rows: int) -> None:
        for path, _, (found, *_) in arrays:
            if found != n_rows:
                raise DataError(
                    f"{video_id}: {path} has {found} rows, but the video has {n_rows} feature "
                    "intervals; extract the features again"
                )
        shape = self._joined_shape(video_id, [array.shape[1:] for array in arrays])
        self.shape = self.shape or shape
        if shape != self.shape:
            raise DataError(
                f"{video_id}: {' and '.join(str(array.path) for array in arrays)} have rows of "
                f"{shape}, those of the other videos are {self.shape} (views, channels)"
            )

    def _joined_shape(self, video_id: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the shape of rows whose channels are put side by side: (views, ..., channels)."""
        first, listed = shapes[0], " and ".join(map(str, shapes))
        if any(shape[1:-1] != first[1:-1] for shape in shapes):
            raise DataError(f"{video_id}: features of the shapes {listed} do not go together")
        views = {shape[0] for shape in shapes}
        if len(views) > 1 and not self.allow_fewer_views:
            raise DataError(
                f"{video_id}: features of the shapes {listed} (views, channels) have different "
                "numbers of views; extract the same number, or set allow_fewer_views"
            )
        return (min(views), *first[1:-1], sum(shape[-1] for shape in shapes))


def _found(video_id: str, path: Path) -> _Array:
    try:
        features = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{video_id}: has queries, but no features {path}") from None
    except (OSError, ValueError, EOFError) as error:
        raise torn(path, ".npy file", error) from error
    if features.dtype != np.float32 or features.ndim not in (3, 5):
        raise DataError(
            f"{path}: an array {features.shape} of {features.dtype}, expected float32 "
            "(rows, views, channels) or (rows, views, 7, 7, channels)"
        )
    if not features.flags.c_contiguous:
        raise DataError(f"{path}: an array in Fortran order; save np.ascontiguousarray of it")
    return _Array(path, features.offset, features.shape)


def _read(array: _Array, rows: Integers, views: Integers) -> Floats:
    """Return one view of each of some rows: (F, ...).

    Raises:
        DataError: if the file has become shorter, or cannot be read.
    """
    path, start, (_, n_views, *shape) = array
    features = np.empty((len(rows), *shape), dtype=np.float32)
    size = features[:1].nbytes
    places = start + size * (rows.astype(np.int64) * n_views + views)
    try:
        with path.open("rb", buffering=0) as file:
            for feature, place in zip(features, places.tolist(), strict=True):
                file.seek(place)
                if file.readinto(feature) != size:
                    raise EOFError(f"it ends before byte {place + size}")
    except (OSError, EOFError) as error:
        raise torn(path, ".npy file", error) from error
    return features
