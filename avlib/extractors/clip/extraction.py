"""CLIP's features of a video, LLP's kind `clip`: one row for each of ten seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from avlib.extractors.clip.embeddings import clip_features
from avlib.extractors.clip.network import Clip
from avlib.extractors.clip.weights import load_clip
from avlib.extractors.extraction import NetworkSettings, ShardFiles
from avlib.extractors.segments import FloatArray, FrameSegmentExtractor, extract_segments
from avlib.io.atomic import write_json
from avlib.io.checkpoints import weights_hash
from avlib.media.frames import Frame


@dataclass(frozen=True, kw_only=True)
class ClipSettings(NetworkSettings):
    """What decides the bytes of the features, beside the videos and the weights.

    Attributes:
        antialias: whether frames are smoothed before they shrink.
    """

    antialias: bool = False


class ClipFeatureExtractor(FrameSegmentExtractor[ClipSettings, Clip]):
    """Makes the features of videos."""

    module = "avlib.extractors.clip.extraction"

    def load(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> Clip:
        """Return the network of a checkpoint, ready to run."""
        return load_clip(checkpoint).eval().to(device, dtype)

    def features_of_frames(self, images: Sequence[Frame]) -> FloatArray:
        """Return the features of all frames of a video: (10, embedding)."""
        return clip_features(self.network, images, antialias=self.settings.antialias)


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
