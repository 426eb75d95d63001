"""ResNet-152's features of a video, LLP's kind `res152`: one row for each of 80 frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from avlib.extractors.extraction import NetworkSettings, ShardFiles
from avlib.extractors.resnet.images import res152_input
from avlib.extractors.resnet.weights import load_resnet152
from avlib.extractors.segments import (
    FloatArray,
    FrameSegmentExtractor,
    extract_segments,
    frames_of_seconds,
    run,
)
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash
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
