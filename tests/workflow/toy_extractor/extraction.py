"""A toy extractor: the mean colour of the first frame of every interval, without weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.errors import CheckpointError
from avlib.extractors.extraction import FeatureArray, ShardFiles, UsableVideo, extract_videos
from avlib.extractors.frames import FrameExtractor, FrameSettings
from avlib.media.clip_reader import ClipReader
from avlib.media.scan import video_paths

CHANNELS = 3


class ColourExtractor(FrameExtractor[FrameSettings]):
    """Makes the features of videos."""

    module = "avlib.extractors.toy.extraction"

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the mean colours of a video's intervals: (intervals, views, CHANNELS)."""
        clips = ClipReader(
            self._paths[video.video_id, video.split],
            self._settings.frames,
            lambda frame: frame.mean(axis=(0, 1), dtype=np.float32),
            rows["start_frame"].to_numpy(np.int64)[:, None],
        )
        colours = (np.repeat(np.stack(clip), views, axis=0) for clip in clips)
        return FeatureArray((len(rows), views, CHANNELS), colours, lambda: 0)


def check_weights(checkpoint: Path, target: Path) -> None:
    """Refuse any checkpoint."""
    raise CheckpointError(f"{checkpoint}: the toy extractor has no weights; set untrained")


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    paths = video_paths(files.sources)
    extractor = ColourExtractor(files.checkpoint, FrameSettings(**settings), paths)
    extract_videos(files, extractor, views)
