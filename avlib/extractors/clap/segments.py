"""CLAP's embeddings of the ten seconds of a video, LLP's kind `clap_segments`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avlib.extractors.clap.embeddings import Backend, clap_segments, read_waveform
from avlib.extractors.clap.extraction import ClapExtractor, ClapSettings
from avlib.extractors.clap.extraction import check_weights as check_clap
from avlib.extractors.extraction import ShardFiles
from avlib.extractors.segments import FloatArray, extract_segments


class ClapSegmentExtractor(ClapExtractor):
    """Makes the embeddings of the segments of videos."""

    module = "avlib.extractors.clap.segments"

    def features(self, video: Path, frames: Path | None) -> FloatArray:
        """Return the embeddings of a video's segments: (10, embedding)."""
        return clap_segments(self.network, read_waveform(video))


def check_weights(checkpoint: Path, target: Path, *, backend: Backend = "transformers") -> None:
    """Write what a checkpoint is, if it fits the network; see `clap.extraction`."""
    check_clap(checkpoint, target, backend=backend)


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    extract_segments(files, ClapSegmentExtractor(files, ClapSettings(**settings)))
