"""Stage extract_features for YAMNet: embeddings of intervals, from packs of waveforms."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pandas as pd
import torch

from avlib.datasets.splits import SPLITS
from avlib.extractors.extraction import (
    FeatureArray,
    NetworkSettings,
    ShardFiles,
    UsableVideo,
    extract_videos,
)
from avlib.extractors.waveforms import WaveformExtractor, count_padded
from avlib.extractors.weights import load_or_draw
from avlib.extractors.yamnet.front_end import Recording
from avlib.extractors.yamnet.inference import YamNetModel
from avlib.extractors.yamnet.network import EMBEDDING
from avlib.extractors.yamnet.weights import check_weights, load_yamnet, untrained_yamnet
from avlib.io.packs import WaveformStore

__all__ = ["check_weights", "extract_shard"]


@dataclass(frozen=True, kw_only=True)
class YamNetSettings(NetworkSettings):
    """What decides the bytes of the features, beside the audio and the weights.

    Attributes:
        sample_rate: Hz of the packs, which are resampled where it is not the network's.
    """

    sample_rate: int


class YamNetExtractor(WaveformExtractor[YamNetSettings]):
    """Makes the embeddings of videos."""

    module = "avlib.extractors.yamnet.extraction"

    @cached_property
    def _model(self) -> YamNetModel:
        draw = partial(untrained_yamnet, self._settings.seed)
        network = load_or_draw(self._checkpoint, load_yamnet, draw)
        return YamNetModel(network, self._device, getattr(torch, self._settings.dtype))

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the embeddings of a video's intervals: (intervals, 1, EMBEDDING)."""
        recording = Recording(self._waveforms[video.video_id], self._settings.sample_rate)
        intervals = list(zip(rows["start_s"], rows["stop_s"], strict=True))
        return FeatureArray(
            (len(rows), views, EMBEDDING),
            (block.embedding for block in self._model.blocks(recording, intervals)),
            lambda: count_padded(recording.waveform, rows, recording.sample_rate),
        )


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard, with one view, and their index.

    See `row.Extractor`.
    """
    own = YamNetSettings(**settings)
    with WaveformStore(files.sources, sample_rate=own.sample_rate) as waveforms:
        extractor = YamNetExtractor(files.checkpoint, own, waveforms)
        extract_videos(files, extractor, dict.fromkeys(SPLITS, 1))
