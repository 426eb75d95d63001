"""The features of the videos of a split, memory-mapped; a window reads only its own rows."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.torn import torn

FILES_OPEN = 64  # of each modality: far below the limits of operating systems

Floats = NDArray[np.float32]


class FeatureFiles:
    """The features of one modality and split: `<folder>/<video_id>.npy`, (N, views, ...) each.

    At most FILES_OPEN files are mapped at once.

    Args:
        folder: holds a file for each video.
        n_intervals: N of each video.

    Raises:
        DataError: naming the video, if its file is missing or damaged, has another number of rows
            than the video has intervals, or other views or channels than the first one.
    """

    def __init__(self, folder: Path, n_intervals: Mapping[str, int]) -> None:
        self.folder = folder
        self._open: OrderedDict[str, Floats] = OrderedDict()
        self.shape: tuple[int, ...] = ()  # of one row: views, then channels or grid and channels
        for video_id, n_rows in n_intervals.items():
            self._check(video_id, self._map(video_id), n_rows)

    @property
    def views(self) -> int:
        """Number of views of each interval; view 0 is unaugmented."""
        return self.shape[0]

    def __getitem__(self, video_id: str) -> Floats:
        """Return the memory map of a video's features."""
        if video_id not in self._open:
            if len(self._open) >= FILES_OPEN:
                self._open.popitem(last=False)
            self._open[video_id] = self._map(video_id)
        self._open.move_to_end(video_id)
        return self._open[video_id]

    def _map(self, video_id: str) -> Floats:
        path = self.folder / f"{video_id}.npy"
        try:
            features: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise DataError(f"{video_id}: has queries, but no features {path}") from None
        except (OSError, ValueError, EOFError) as error:
            raise torn(path, ".npy file", error) from error
        if features.dtype != np.float32 or features.ndim not in (3, 5):
            raise DataError(
                f"{path}: an array {features.shape} of {features.dtype}, expected float32 "
                "(rows, views, channels) or (rows, views, 7, 7, channels)"
            )
        return features

    def _check(self, video_id: str, features: Floats, n_rows: int) -> None:
        if len(features) != n_rows:
            raise DataError(
                f"{video_id}: {self.folder / video_id}.npy has {len(features)} rows, but the "
                f"video has {n_rows} feature intervals; extract the features again"
            )
        self.shape = self.shape or features.shape[1:]
        if features.shape[1:] != self.shape:
            raise DataError(
                f"{video_id}: {self.folder / video_id}.npy has rows of {features.shape[1:]}, "
                f"those of the other videos are {self.shape} (views, channels)"
            )
