"""Stage extract_features for VGGish: embeddings of whole seconds, from packs of waveforms."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
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
from avlib.extractors.vggish.network import EMBEDDING, VGGish
from avlib.extractors.vggish.patches import embed, interval_patch
from avlib.extractors.vggish.weights import (
    FIRST_CONVOLUTION,
    FIRST_LINEAR,
    load_vggish,
    untrained_vggish,
)
from avlib.extractors.waveforms import WaveformExtractor, count_padded
from avlib.extractors.weights import load_or_draw, write_report
from avlib.io.packs import WaveformStore

BATCH_SIZE = 32  # patches


@dataclass(frozen=True, kw_only=True)
class VggishSettings(NetworkSettings):
    """What decides the bytes of the features, beside the audio and the weights.

    Attributes:
        sample_rate: Hz of the packs; the published features were resampled from 44,100.
    """

    sample_rate: int


class VggishExtractor(WaveformExtractor[VggishSettings]):
    """Makes the embeddings of videos."""

    module = "avlib.extractors.vggish.extraction"

    @cached_property
    def _network(self) -> VGGish:
        draw = partial(untrained_vggish, self._settings.seed)
        network = load_or_draw(self._checkpoint, load_vggish, draw)
        return network.to(self._device, getattr(torch, self._settings.dtype))

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the embeddings of a video's intervals: (intervals, 1, EMBEDDING)."""
        waveform, rate = self._waveforms[video.video_id], self._settings.sample_rate
        spans = zip(rows["start_s"], rows["stop_s"], strict=True)
        patches = np.stack([interval_patch(waveform, *span, rate) for span in spans])
        return FeatureArray(
            (len(rows), views, EMBEDDING),
            embed(self._network, patches, BATCH_SIZE),
            lambda: count_padded(waveform, rows, rate),
        )


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is a VGGish.

    Raises:
        CheckpointError: if it is not.
    """
    state = load_vggish(checkpoint).state_dict()
    sizes = {"width": len(state[FIRST_CONVOLUTION]), "hidden": len(state[FIRST_LINEAR])}
    write_report(target, checkpoint, sizes)


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard, with one view, and their index.

    See `row.Extractor`.
    """
    own = VggishSettings(**settings)
    with WaveformStore(files.sources, sample_rate=own.sample_rate) as waveforms:
        extractor = VggishExtractor(files.checkpoint, own, waveforms)
        extract_videos(files, extractor, dict.fromkeys(SPLITS, 1))


def extract_intervals(files: ShardFiles, settings: Mapping[str, Any]) -> None:
    """Write the features of the intervals of a shard's videos; see `row.Extractor`."""
    extract_shard(files, settings, {})
