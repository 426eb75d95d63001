"""Stage extract_features for VGG-19, a row of maps for each interval.

The intervals of a video divide it into equal parts, whatever their times say; AVE's are its ten
seconds.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.datasets.splits import SPLITS
from avlib.errors import DataError
from avlib.extractors.extraction import FeatureArray, ShardFiles, UsableVideo, extract_videos
from avlib.extractors.frames import FrameExtractor, FrameSettings
from avlib.extractors.vgg19.maps import channels, sampled_frames, second_maps
from avlib.extractors.vgg19.network import MAP_SIZE, VGG19
from avlib.extractors.vgg19.weights import load_vgg19, untrained_vgg19
from avlib.extractors.weights import write_report
from avlib.media.frames import read_frames
from avlib.media.scan import video_paths

logger = logging.getLogger(__name__)


class Vgg19Extractor(FrameExtractor[FrameSettings]):
    """Makes the features of videos."""

    module = "avlib.extractors.vgg19.extraction"

    @cached_property
    def _network(self) -> VGG19:
        if self._checkpoint is None:
            logger.warning("random weights: these features are meaningless")
            network = untrained_vgg19(self._settings.seed)
        else:
            network = load_vgg19(self._checkpoint)
        return network.to(self._device, getattr(torch, self._settings.dtype))

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the maps of a video's intervals: (intervals, 1, MAP_SIZE, MAP_SIZE, C)."""
        shape = (len(rows), views, MAP_SIZE, MAP_SIZE, channels(self._network))
        path = self._paths[video.video_id, video.split]
        return FeatureArray(shape, self._blocks(path, len(rows)), lambda: 0)

    def _blocks(self, path: Path, seconds: int) -> Iterator[NDArray[np.float32]]:
        """Yield all maps of a video at once.

        Its frames are read twice, as it takes their number to tell which ones are sampled.
        """
        mode = self._settings.frames
        with closing(read_frames(path, mode, wanted=())) as frames:
            n_frames = sum(1 for _ in frames)
        if not n_frames:
            raise DataError(f"{path}: none of its frames can be decoded")
        sampled = sampled_frames(n_frames, seconds)
        wanted = frozenset(sampled.ravel().tolist())
        with closing(read_frames(path, mode, wanted=wanted)) as frames:
            yield second_maps(self._network, frames, sampled)


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is a VGG-19.

    Raises:
        CheckpointError: if it is not.
    """
    write_report(target, checkpoint, {"channels": channels(load_vgg19(checkpoint))})


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard, with one view, and their index.

    A video whose frames cannot be decoded is left out; the index says why. See
    `row.Extractor`.
    """
    cv2.setNumThreads(1)
    paths = video_paths(files.sources)
    extractor = Vgg19Extractor(files.checkpoint, FrameSettings(**settings), paths)
    extract_videos(files, extractor, dict.fromkeys(SPLITS, 1))
