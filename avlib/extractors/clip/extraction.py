"""CLIP's features of a video: one row for each of ten seconds, LLP's kind `clip`, or intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avlib.extractors.clip.embeddings import clip_features
from avlib.extractors.clip.images import clip_input
from avlib.extractors.clip.network import VIT_L_14, Clip
from avlib.extractors.clip.weights import load_clip, untrained_clip
from avlib.extractors.extraction import NetworkSettings, ShardFiles
from avlib.extractors.frames import FrameSettings
from avlib.extractors.interval_frames import IntervalFrameExtractor, extract_interval_frames
from avlib.extractors.segments import FloatArray, FrameSegmentExtractor, extract_segments
from avlib.io.atomic import write_json
from avlib.io.hashes import weights_hash
from avlib.media.frames import Frame


@dataclass(frozen=True, kw_only=True)
class ClipSettings(NetworkSettings):
    """What decides the bytes of the features, beside the videos and the weights.

    Attributes:
        antialias: whether frames are smoothed before they shrink.
    """

    antialias: bool = False


@dataclass(frozen=True, kw_only=True)
class ClipFrameSettings(ClipSettings, FrameSettings):
    """The same, of intervals."""


class ClipFeatureExtractor(FrameSegmentExtractor[ClipSettings, Clip]):
    """Makes the features of videos."""

    module = "avlib.extractors.clip.extraction"

    def load(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> Clip:
        """Return the network of a checkpoint, ready to run."""
        return load_clip(checkpoint).eval().to(device, dtype)

    def features_of_frames(self, images: Sequence[Frame]) -> FloatArray:
        """Return the features of all frames of a video: (10, embedding)."""
        return clip_features(self.network, images, antialias=self.settings.antialias)


class ClipIntervalExtractor(IntervalFrameExtractor[ClipFrameSettings, Clip]):
    """Makes embeddings of the frames in the middle of intervals."""

    module = "avlib.extractors.clip.extraction"
    count = 1

    def load(self, checkpoint: Path | None) -> Clip:
        """Return the network of a checkpoint, or ViT-L/14 with random weights."""
        return (
            load_clip(checkpoint) if checkpoint else untrained_clip(VIT_L_14, self._settings.seed)
        )

    def channels(self, network: Clip) -> int:
        """Return the channels of an embedding."""
        return network.sizes.embedding

    def image(self, network: Clip, frame: Frame) -> Tensor:
        """Return a frame as the network takes it."""
        size, antialias = network.sizes.image_size, self._settings.antialias
        return clip_input([frame], size=size, antialias=antialias)[0]

    def features(self, network: Clip, images: Tensor) -> Tensor:
        """Return embeddings of length 1: (B, embedding)."""
        return network.image_embeddings(images[:, 0])


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is a CLIP with a vision transformer.

    Raises:
        CheckpointError: if it is not.
    """
    structure = asdict(load_clip(checkpoint).sizes)  # so that another config.json is noticed
    content = {"kind": "clip", "sha256": weights_hash(checkpoint)}
    write_json(target, content | {"structure": structure})


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    extract_segments(files, ClipFeatureExtractor(files, ClipSettings(**settings)))


def extract_intervals(files: ShardFiles, settings: Mapping[str, Any]) -> None:
    """Write the features of the intervals of a shard's videos; see `row.Extractor`."""
    extract_interval_frames(files, ClipIntervalExtractor, ClipFrameSettings(**settings))
