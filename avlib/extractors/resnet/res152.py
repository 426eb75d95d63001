"""ResNet-152's features of a video, LLP's kind `res152`, of 80 frames, or of intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avlib.extractors.extraction import NetworkSettings, ShardFiles
from avlib.extractors.frames import FrameSettings
from avlib.extractors.interval_frames import IntervalFrameExtractor, extract_interval_frames
from avlib.extractors.resnet.images import res152_input
from avlib.extractors.resnet.network import ResNet
from avlib.extractors.resnet.weights import load_resnet152, untrained_resnet152
from avlib.extractors.segments import (
    FloatArray,
    FrameSegmentExtractor,
    extract_segments,
    frames_of_seconds,
    run,
)
from avlib.io.atomic import write_json
from avlib.io.hashes import file_hash
from avlib.media.frames import Frame

BATCH_FRAMES = 16


def res152_features(network: nn.Module, images: Sequence[Frame]) -> FloatArray:
    """Return ResNet-152's features of a video: (SECONDS * FRAMES_PER_SECOND, width).

    Args:
        network: from `load_resnet152`, on the device and in the precision that it runs in; its
            published width is 2048.
        images: all frames of the video, one or more.
    """
    chosen = frames_of_seconds(images)
    return np.concatenate(
        [
            run(network, res152_input(chosen[first : first + BATCH_FRAMES]))
            for first in range(0, len(chosen), BATCH_FRAMES)
        ]
    )


class Res152Extractor(FrameSegmentExtractor[NetworkSettings, nn.Module]):
    """Makes the features of videos."""

    module = "avlib.extractors.resnet.res152"

    def load(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """Return the network of a checkpoint, ready to run."""
        return load_resnet152(checkpoint).to(device, dtype)

    def features_of_frames(self, images: Sequence[Frame]) -> FloatArray:
        """Return the features of all frames of a video: (80, width)."""
        return res152_features(self.network, images)


class Res152IntervalExtractor(IntervalFrameExtractor[FrameSettings, ResNet]):
    """Makes features of the frames in the middle of intervals."""

    module = "avlib.extractors.resnet.res152"
    count = 1

    def load(self, checkpoint: Path | None) -> ResNet:
        """Return the network of a checkpoint, or the published one with random weights."""
        return (
            load_resnet152(checkpoint) if checkpoint else untrained_resnet152(self._settings.seed)
        )

    def channels(self, network: ResNet) -> int:
        """Return the channels of a feature."""
        return network.channels

    def image(self, network: ResNet, frame: Frame) -> Tensor:
        """Return the centre of a frame."""
        return res152_input([frame])[0]

    def features(self, network: ResNet, images: Tensor) -> Tensor:
        """Return features: (B, width)."""
        return network(images[:, 0])


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is a ResNet-152.

    Raises:
        CheckpointError: if it is not.
    """
    load_resnet152(checkpoint)
    write_json(target, {"kind": "res152", "sha256": file_hash(checkpoint)})


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    extract_segments(files, Res152Extractor(files, NetworkSettings(**settings)))


def extract_intervals(files: ShardFiles, settings: Mapping[str, Any]) -> None:
    """Write the features of the intervals of a shard's videos; see `row.Extractor`."""
    extract_interval_frames(files, Res152IntervalExtractor, FrameSettings(**settings))
