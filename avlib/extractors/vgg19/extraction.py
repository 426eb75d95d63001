"""Stage extract_vgg19: VGG-19 features of one shard's videos, a row of maps for each interval.

The intervals of a video divide it into equal parts, whatever their times say; AVE's are its ten
seconds.
"""

import logging
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.extraction import Features, ShardFiles, Video, extract_videos
from avlib.extractors.pictures import PictureExtractor, PictureSettings
from avlib.extractors.vgg19.maps import (
    channels,
    load_vgg19,
    sampled_frames,
    second_maps,
    untrained_vgg19,
)
from avlib.extractors.vgg19.network import MAP_SIZE, VGG19
from avlib.media.frames import read_frames
from avlib.media.scan import video_paths

logger = logging.getLogger(__name__)


def extract_vgg19_shard(files: ShardFiles, settings: PictureSettings) -> None:
    """Write the VGG-19 features of every usable video of a shard, and their index.

    A video whose picture cannot be decoded is left out; the index says why. There is one view.

    Args:
        files: inputs and outputs; the sources are lists of videos, as `scan` writes them.
        settings: what decides the bytes.

    Raises:
        CheckpointError: if the weights do not fit the network.
    """
    cv2.setNumThreads(1)
    extractor = Vgg19Extractor(files.checkpoint, settings, video_paths(files.sources))
    extract_videos(files, extractor, dict.fromkeys(("train", "val", "test"), 1))


class Vgg19Extractor(PictureExtractor[PictureSettings]):
    """Makes the features of videos."""

    module = "avlib.extractors.vgg19.extraction"

    @cached_property
    def _network(self) -> VGG19:
        if self._checkpoint is None:
            logger.warning("random weights: these features carry nothing learned")
            network = untrained_vgg19(self._settings.seed)
        else:
            network = load_vgg19(self._checkpoint)
        return network.to(self._device, getattr(torch, self._settings.dtype))

    def extract(self, video: Video, rows: pd.DataFrame, views: int) -> Features:
        """Return the maps of a video's intervals: (intervals, 1, MAP_SIZE, MAP_SIZE, C)."""
        shape = (len(rows), views, MAP_SIZE, MAP_SIZE, channels(self._network))
        path = self._paths[video.video_id, video.split]
        return Features(shape, self._blocks(path, len(rows)), lambda: 0)

    def _blocks(self, path: Path, seconds: int) -> Iterator[NDArray[np.float32]]:
        """Yield all maps of a video at once.

        Its frames are read twice, as it takes their number to tell which ones are sampled.
        """
        with closing(read_frames(path, self._settings.frames)) as frames:
            n_frames = sum(1 for _ in frames)
        if not n_frames:
            raise DataError(f"{path}: none of its frames can be decoded")
        with closing(read_frames(path, self._settings.frames)) as frames:
            yield second_maps(self._network, frames, sampled_frames(n_frames, seconds))
