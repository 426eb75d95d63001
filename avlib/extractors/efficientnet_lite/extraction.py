"""Stage extract_features for EfficientNet-Lite0: embeddings of the frames of intervals."""

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

import cv2
import pandas as pd
import PIL
import torch

from avlib.datasets.splits import SPLITS
from avlib.extractors.efficientnet_lite.inference import EfficientNetLite0Model, MiddleFrames
from avlib.extractors.efficientnet_lite.network import EMBEDDING
from avlib.extractors.efficientnet_lite.weights import (
    check_weights,
    load_efficientnet_lite0,
    untrained_efficientnet_lite0,
)
from avlib.extractors.extraction import FeatureArray, ShardFiles, UsableVideo, extract_videos
from avlib.extractors.frames import FrameExtractor, FrameSettings
from avlib.extractors.weights import load_or_draw
from avlib.media.scan import video_paths

__all__ = ["check_weights", "extract_shard"]


class Lite0Extractor(FrameExtractor[FrameSettings]):
    """Makes the embeddings of videos."""

    module = "avlib.extractors.efficientnet_lite.extraction"
    libraries = (PIL.__version__,)  # resizes

    @cached_property
    def _model(self) -> EfficientNetLite0Model:
        draw = partial(untrained_efficientnet_lite0, self._settings.seed)
        network = load_or_draw(self._checkpoint, load_efficientnet_lite0, draw)
        return EfficientNetLite0Model(network, self._device, getattr(torch, self._settings.dtype))

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the embeddings of a video's intervals: (intervals, 1, EMBEDDING)."""
        path = self._paths[video.video_id, video.split]
        frames = MiddleFrames(path, rows, self._settings.frames)
        return FeatureArray(
            (len(rows), views, EMBEDDING),
            (block.embedding for block in self._model.blocks(frames)),
            frames.count_padded,
        )


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard, with one view, and their index.

    A video whose frames cannot be decoded is left out; the index says why. See
    `row.Extractor`.
    """
    cv2.setNumThreads(1)
    paths = video_paths(files.sources)
    extractor = Lite0Extractor(files.checkpoint, FrameSettings(**settings), paths)
    extract_videos(files, extractor, dict.fromkeys(SPLITS, 1))
