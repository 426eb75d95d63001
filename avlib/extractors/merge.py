"""Features of two extractors, concatenated, such as Omnivore's and VideoMAE's for EPIC-KITCHENS.

Source: Chalk et al., "TIM", CVPR 2024, whose visual input for EPIC-KITCHENS has the channels of
Omnivore and then those of VideoMAE.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.arrange import open_features
from avlib.extractors.extraction import FeatureArray, ShardFiles, UsableVideo, extract_videos
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table

BLOCK_ROWS = 1024


def merge_shard(
    files: ShardFiles, folders: Sequence[Path], *, allow_fewer_views: bool = False
) -> None:
    """Write the features of several extractors as one array a video, and their index.

    A video that one of them has no features of is left out; the index says why.

    Args:
        files: inputs and outputs; the sources are the index of each extractor, in the order of
            the channels.
        folders: where the paths of each index are below.
        allow_fewer_views: whether a video gets as many views as all extractors have; otherwise
            they must have the same number.

    Raises:
        DataError: if an index lacks a video, or the arrays of a video do not go together.
    """
    tables = [read_table(path, FEATURES) for path in files.sources]
    intervals = pd.concat([read_table(path, INTERVALS) for path in files.intervals])
    merger = Merger(
        [table.set_index(["video_id", "split"]).to_dict("index") for table in tables],
        folders,
        intervals["video_id"].value_counts().to_dict(),
        allow_fewer_views=allow_fewer_views,
    )
    extract_videos(files, merger, dict.fromkeys(("train", "val", "test"), 1))


class Merger:
    """Puts the features of a video side by side.

    Args:
        entries: of each extractor, the row of its index for each (video_id, split).
        folders: where the paths of each index are below.
        n_intervals: rows that each video has in the table of intervals.
        allow_fewer_views: as in `merge_shard`.
    """

    def __init__(
        self,
        entries: Sequence[Mapping[Any, Mapping[str, Any]]],
        folders: Sequence[Path],
        n_intervals: Mapping[str, int],
        *,
        allow_fewer_views: bool,
    ) -> None:
        self._entries, self._folders = entries, folders
        self._n_intervals, self._allow_fewer_views = n_intervals, allow_fewer_views
        self.made_by = (allow_fewer_views, code_fingerprint("avlib.extractors.merge"))

    def content(self, video: UsableVideo) -> Iterator[bytes]:
        """Yield the hashes of a video's features.

        Raises:
            DataError: if they are absent or do not go together; the video is not to blame for it,
                so this ends the stage.
        """
        for entry in self._of(video):
            yield f"{entry['status']} {entry['message']} {entry['content_hash']}\n".encode()
        if not self._reasons(video):
            self._check(video, [array.shape for array in self._arrays(video)])

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the features of a video's intervals: (intervals, views, sum of the channels).

        Raises:
            DataError: if an extractor has none.
        """
        if reasons := self._reasons(video):
            raise DataError("; ".join(reasons))
        arrays = self._arrays(video)
        views = min(array.shape[1] for array in arrays)
        n_channels = sum(array.shape[2] for array in arrays)
        blocks = (
            np.concatenate([array[i : i + BLOCK_ROWS, :views] for array in arrays], axis=2)
            for i in range(0, len(rows), BLOCK_ROWS)
        )
        padded = max(int(entry["padded_intervals"]) for entry in self._of(video))
        return FeatureArray((len(rows), views, n_channels), blocks, lambda: padded)

    def _of(self, video: UsableVideo) -> list[Mapping[str, Any]]:
        """Return the video's row in each index."""
        key = (video.video_id, video.split)
        for entries, folder in zip(self._entries, self._folders, strict=True):
            if key not in entries:
                raise DataError(
                    f"{video.video_id}: no features for split {video.split} in {folder}"
                )
        return [entries[key] for entries in self._entries]

    def _reasons(self, video: UsableVideo) -> list[str]:
        """Return why extractors have no features of a video."""
        return [str(entry["message"]) for entry in self._of(video) if entry["status"] != "ok"]

    def _arrays(self, video: UsableVideo) -> list[NDArray[np.float32]]:
        """Return memory maps (intervals, views, channels)."""
        paths = [f / entry["path"] for f, entry in zip(self._folders, self._of(video), strict=True)]
        return [open_features(path) for path in paths]

    def _check(self, video: UsableVideo, shapes: Sequence[tuple[int, ...]]) -> None:
        wanted = self._n_intervals[video.video_id]
        listed = " and ".join(map(str, shapes))
        if any(shape[0] != wanted for shape in shapes):
            raise DataError(
                f"{video.video_id}: arrays of the shapes {listed} for {wanted} intervals; "
                "extract the features again"
            )
        if len({shape[1] for shape in shapes}) > 1 and not self._allow_fewer_views:
            raise DataError(
                f"{video.video_id}: arrays of the shapes {listed} have different numbers of views; "
                "extract the same number, or set allow_fewer_views"
            )
