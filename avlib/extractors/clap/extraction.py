"""CLAP's feature map of a video, LLP's kind `clap`: (64, 768), stretched to ten seconds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from avlib.extractors.clap.embeddings import (
    Backend,
    ClapNetwork,
    clap_map,
    open_clap,
    read_waveform,
)
from avlib.extractors.clap.intervals import extract_intervals
from avlib.extractors.clap.network import Clap
from avlib.extractors.extraction import NetworkSettings, ShardFiles
from avlib.extractors.segments import FloatArray, SegmentExtractor, extract_segments
from avlib.io.atomic import write_json
from avlib.io.hashes import weights_hash

__all__ = ["ClapExtractor", "ClapSettings", "check_weights", "extract_intervals", "extract_shard"]


@dataclass(frozen=True, kw_only=True)
class ClapSettings(NetworkSettings):
    """What decides the bytes of the features, beside the videos and the weights.

    Attributes:
        backend: package that runs the network.
    """

    backend: Backend = "transformers"


class ClapExtractor(SegmentExtractor[ClapSettings, ClapNetwork]):
    """Makes the feature maps of videos."""

    module = "avlib.extractors.clap.extraction"

    def load(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> ClapNetwork:
        """Return the network of a checkpoint, ready to run."""
        return open_clap(checkpoint, self.settings.backend, device, dtype)

    def features(self, video: Path, frames: Path | None) -> FloatArray:
        """Return the feature map of a video's audio: (64, 768)."""
        return clap_map(self.network, read_waveform(video))


def check_weights(checkpoint: Path, target: Path, *, backend: Backend = "transformers") -> None:
    """Write what a checkpoint is, if it is a CLAP with an HTSAT.

    Args:
        checkpoint: the file.
        target: JSON file to write.
        backend: package that runs the network.

    Raises:
        CheckpointError: if it is not.
        ConfigError: if the package is not installed.
    """
    network = open_clap(checkpoint, backend, torch.device("cpu"))
    content: dict[str, Any] = {"kind": "clap", "sha256": weights_hash(checkpoint)}
    if isinstance(network, Clap):  # so that another config.json is noticed
        content["structure"] = asdict(network.sizes)
    write_json(target, content)


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    extract_segments(files, ClapExtractor(files, ClapSettings(**settings)))
