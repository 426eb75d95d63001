"""R(2+1)D-18's features of a video, LLP's kind `r2plus1d_18`, of ten seconds, or of intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avlib.extractors.extraction import NetworkSettings, ShardFiles
from avlib.extractors.frames import FrameSettings
from avlib.extractors.interval_frames import IntervalFrameExtractor, extract_interval_frames
from avlib.extractors.resnet.images import r2plus1d_input
from avlib.extractors.resnet.network import R2Plus1d
from avlib.extractors.resnet.weights import load_r2plus1d_18, untrained_r2plus1d_18
from avlib.extractors.segments import (
    FRAMES_PER_SECOND,
    SECONDS,
    FloatArray,
    FrameSegmentExtractor,
    extract_segments,
    frames_of_seconds,
    run,
)
from avlib.io.atomic import write_json
from avlib.io.hashes import file_hash
from avlib.media.frames import Frame


def r2plus1d_features(network: nn.Module, images: Sequence[Frame]) -> FloatArray:
    """Return R(2+1)D-18's features of a video: (SECONDS, width).

    Args:
        network: from `load_r2plus1d_18`, on the device and in the precision that it runs in; its
            published width is 512.
        images: all frames of the video, one or more.
    """
    frames = r2plus1d_input(frames_of_seconds(images))  # (80, 3, H, W)
    clips = frames.reshape(SECONDS, FRAMES_PER_SECOND, *frames.shape[1:])
    return run(network, clips.transpose(1, 2))  # (10, 3, 8, H, W)


class R2Plus1dExtractor(FrameSegmentExtractor[NetworkSettings, nn.Module]):
    """Makes the features of videos."""

    module = "avlib.extractors.resnet.r2plus1d_18"

    def load(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """Return the network of a checkpoint, ready to run."""
        return load_r2plus1d_18(checkpoint).to(device, dtype)

    def features_of_frames(self, images: Sequence[Frame]) -> FloatArray:
        """Return the features of all frames of a video: (10, width)."""
        return r2plus1d_features(self.network, images)


class R2Plus1dIntervalExtractor(IntervalFrameExtractor[FrameSettings, R2Plus1d]):
    """Makes features of clips of the frames of intervals."""

    module = "avlib.extractors.resnet.r2plus1d_18"
    count = FRAMES_PER_SECOND

    def load(self, checkpoint: Path | None) -> R2Plus1d:
        """Return the network of a checkpoint, or the published one with random weights."""
        seed = self._settings.seed
        return load_r2plus1d_18(checkpoint) if checkpoint else untrained_r2plus1d_18(seed)

    def channels(self, network: R2Plus1d) -> int:
        """Return the channels of a feature."""
        return network.channels

    def image(self, network: R2Plus1d, frame: Frame) -> Tensor:
        """Return the whole frame."""
        return r2plus1d_input([frame])[0]

    def features(self, network: R2Plus1d, images: Tensor) -> Tensor:
        """Return features: (B, width)."""
        return network(images.transpose(1, 2))  # (B, 3, 8, H, W)


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is an R(2+1)D-18.

    Raises:
        CheckpointError: if it is not.
    """
    load_r2plus1d_18(checkpoint)
    write_json(target, {"kind": "r2plus1d_18", "sha256": file_hash(checkpoint)})


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    extract_segments(files, R2Plus1dExtractor(files, NetworkSettings(**settings)))


def extract_intervals(files: ShardFiles, settings: Mapping[str, Any]) -> None:
    """Write the features of the intervals of a shard's videos; see `row.Extractor`."""
    extract_interval_frames(files, R2Plus1dIntervalExtractor, FrameSettings(**settings))
