"""Stage extract_features for VideoMAE."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import PIL

from avlib.extractors.clips import ClipExtractor, ClipModel, extract_clips
from avlib.extractors.extraction import ShardFiles
from avlib.extractors.frames import FrameSettings
from avlib.extractors.videomae.clips import VideoMAEClips
from avlib.extractors.videomae.weights import load_videomae, untrained_videomae
from avlib.extractors.weights import write_report


class VideoMAEExtractor(ClipExtractor[FrameSettings]):
    """Makes the features of videos."""

    module = "avlib.extractors.videomae.extraction"
    libraries = (cv2.__version__, PIL.__version__)  # the second augments

    def load(self, checkpoint: Path | None) -> ClipModel:
        """Return the network and its front end, with random weights without a checkpoint."""
        seed = self._settings.seed
        network = load_videomae(checkpoint) if checkpoint else untrained_videomae(seed)
        return VideoMAEClips(network, seed=seed)


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is a VideoMAE with verb and noun heads.

    Raises:
        CheckpointError: if it is not.
    """
    write_report(target, checkpoint, asdict(load_videomae(checkpoint).sizes))


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    extract_clips(files, VideoMAEExtractor, FrameSettings(**settings), views)
