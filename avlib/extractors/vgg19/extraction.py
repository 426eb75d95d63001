"""Stage extract_features for VGG-19, a row of maps for each interval.

The intervals of a video divide it into equal parts, whatever their times say; AVE's are its ten
seconds. Of one's own videos it is the frames of an interval that count, and a row is the mean map.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.datasets.splits import SPLITS
from avlib.errors import DataError
from avlib.extractors.extraction import FeatureArray, ShardFiles, UsableVideo, extract_videos
from avlib.extractors.frames import FrameExtractor, FrameSettings
from avlib.extractors.interval_frames import IntervalFrameExtractor, extract_interval_frames
from avlib.extractors.vgg19.maps import (
    FRAMES_PER_SECOND,
    channels,
    network_input,
    sampled_frames,
    second_maps,
)
from avlib.extractors.vgg19.network import MAP_SIZE, VGG19
from avlib.extractors.vgg19.weights import load_vgg19, untrained_vgg19
from avlib.extractors.weights import load_or_draw, write_report
from avlib.media.frames import Frame, read_frames
from avlib.media.scan import video_paths


class Vgg19Extractor(FrameExtractor[FrameSettings]):
    """Makes the features of videos."""

    module = "avlib.extractors.vgg19.extraction"

    @cached_property
    def _network(self) -> VGG19:
        draw = partial(untrained_vgg19, self._settings.seed)
        network = load_or_draw(self._checkpoint, load_vgg19, draw)
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


class Vgg19IntervalExtractor(IntervalFrameExtractor[FrameSettings, VGG19]):
    """Makes features of intervals: means over their frames and over the places of the maps."""

    module = "avlib.extractors.vgg19.extraction"
    count = FRAMES_PER_SECOND

    def load(self, checkpoint: Path | None) -> VGG19:
        """Return the network of a checkpoint, or the published one with random weights."""
        return load_vgg19(checkpoint) if checkpoint else untrained_vgg19(self._settings.seed)

    def channels(self, network: VGG19) -> int:
        """Return the channels of a map."""
        return channels(network)

    def image(self, network: VGG19, frame: Frame) -> Tensor:
        """Return the whole frame."""
        return network_input([frame])[0]

    def features(self, network: VGG19, images: Tensor) -> Tensor:
        """Return features: (B, C)."""
        maps = network(images.flatten(0, 1))  # (B * count, C, 7, 7)
        return maps.mean(dim=(2, 3)).unflatten(0, images.shape[:2]).mean(dim=1)


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


def extract_intervals(files: ShardFiles, settings: Mapping[str, Any]) -> None:
    """Write the features of the intervals of a shard's videos; see `row.Extractor`."""
    extract_interval_frames(files, Vgg19IntervalExtractor, FrameSettings(**settings))
