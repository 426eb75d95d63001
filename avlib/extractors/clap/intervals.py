"""CLAP's embeddings of intervals of one's own videos, from packs of waveforms."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.datasets.splits import SPLITS
from avlib.extractors.clap.embeddings import Backend, ClapNetwork, open_clap, sound_embeddings
from avlib.extractors.clap.log_mel import CLAP_SAMPLES, SAMPLE_RATE, log_mel, quantise, repeat_pad
from avlib.extractors.clap.network import HTSAT_TINY
from avlib.extractors.clap.weights import untrained_clap
from avlib.extractors.extraction import (
    FeatureArray,
    NetworkSettings,
    ShardFiles,
    UsableVideo,
    extract_videos,
)
from avlib.extractors.intervals import interval_samples
from avlib.extractors.waveforms import WaveformExtractor, count_padded
from avlib.extractors.weights import load_or_draw
from avlib.io.packs import Waveform, WaveformStore, as_float32

BATCH_SIZE = 8  # intervals


@dataclass(frozen=True, kw_only=True)
class ClapIntervalSettings(NetworkSettings):
    """What decides the bytes of the features, beside the audio and the weights.

    Attributes:
        backend: package that runs the network.
    """

    backend: Backend = "transformers"


class ClapIntervalExtractor(WaveformExtractor[ClapIntervalSettings]):
    """Makes embeddings of intervals of at most ten seconds, which are repeated to that length."""

    module = "avlib.extractors.clap.intervals"

    @cached_property
    def _network(self) -> ClapNetwork:
        dtype = getattr(torch, self._settings.dtype)
        return load_or_draw(
            self._checkpoint,
            lambda path: open_clap(path, self._settings.backend, self._device, dtype),
            lambda: untrained_clap(HTSAT_TINY, self._settings.seed).to(self._device, dtype),
        )

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the embeddings of a video's intervals: (intervals, 1, embedding)."""
        waveform = self._waveforms[video.video_id]
        blocks = self._blocks(waveform, rows)
        first = next(blocks)  # its width is that of all
        return FeatureArray(
            (len(rows), views, first.shape[1]),
            (block for part in ([first], blocks) for block in part),
            lambda: count_padded(waveform, rows, SAMPLE_RATE),
        )

    def _blocks(self, waveform: Waveform, rows: pd.DataFrame) -> Iterator[NDArray[np.float32]]:
        """Yield embeddings in batches, the last one of which is padded by repetition."""
        spans = list(zip(rows["start_s"], rows["stop_s"], strict=True))
        for place in range(0, len(spans), BATCH_SIZE):
            sounds = [interval_sound(waveform, *span) for span in spans[place : place + BATCH_SIZE]]
            filled = sounds + sounds[-1:] * (BATCH_SIZE - len(sounds))
            mels = torch.stack([log_mel(sound) for sound in filled])
            yield sound_embeddings(self._network, mels)[: len(sounds)]


def interval_sound(waveform: Waveform, start_s: float, stop_s: float) -> NDArray[np.float32]:
    """Return an interval as the network hears it: (CLAP_SAMPLES,).

    It is zero-padded where it is beyond the recording, and repeated; at most CLAP_SAMPLES count.
    """
    first, last = interval_samples(start_s, stop_s, sample_rate=SAMPLE_RATE)
    last = min(last, first + CLAP_SAMPLES)
    sound = as_float32(np.asarray(waveform[first:last]))
    return repeat_pad(quantise(np.pad(sound, (0, last - first - len(sound)))))


def extract_intervals(files: ShardFiles, settings: Mapping[str, Any]) -> None:
    """Write the features of the intervals of a shard's videos; see `row.Extractor`."""
    own = ClapIntervalSettings(**settings)
    with WaveformStore(files.sources, sample_rate=SAMPLE_RATE) as waveforms:
        extractor = ClapIntervalExtractor(files.checkpoint, own, waveforms)
        extract_videos(files, extractor, dict.fromkeys(SPLITS, 1))
