"""Stage extract_features for statistics of sound: log-mel bands of intervals, without weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import soxr
from numpy.typing import NDArray

from avlib.datasets.splits import SPLITS
from avlib.extractors.extraction import (
    FeatureArray,
    NetworkSettings,
    ShardFiles,
    UsableVideo,
    extract_videos,
)
from avlib.extractors.mel_bands import FRAME_SAMPLES, N_MELS, SAMPLE_RATE, log_mel_bands
from avlib.extractors.waveforms import WaveformExtractor, count_padded
from avlib.io.packs import Waveform, WaveformStore, as_float32

LOG_OFFSET = 0.001  # of YAMNet; what is fainter is silence
CHANNELS = 3 * N_MELS


@dataclass(frozen=True, kw_only=True)
class SoundSettings(NetworkSettings):
    """What decides the bytes of the features, beside the audio.

    Attributes:
        sample_rate: Hz of the packs.
    """

    sample_rate: int


def sound_statistics(waveform: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the mean, deviation and mean change from frame to frame of each band: (CHANNELS,).

    Args:
        waveform: (n_samples,) signal at SAMPLE_RATE, zero-padded to two frames at least.
    """
    missing = max(0, 2 * FRAME_SAMPLES - len(waveform))
    bands = log_mel_bands(np.pad(waveform, (0, missing)), LOG_OFFSET)  # (T, N_MELS)
    changes = np.abs(np.diff(bands, axis=0)).mean(axis=0)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0), changes]).astype(np.float32)


def _part(waveform: Waveform, start_s: float, stop_s: float, rate: int) -> NDArray[np.float64]:
    """Return an interval of a waveform at SAMPLE_RATE, zero where it lies outside."""
    first, stop = round(start_s * rate), round(stop_s * rate)
    low, high = (min(max(border, 0), len(waveform)) for border in (first, stop))
    read = as_float32(np.asarray(waveform[low:high]))
    read = np.pad(read, (low - first, stop - high)) if len(read) < stop - first else read
    found = read if rate == SAMPLE_RATE else soxr.resample(read, rate, SAMPLE_RATE)
    return np.asarray(found, np.float64)


class SoundStatistics(WaveformExtractor[SoundSettings]):
    """Makes the statistics of videos."""

    module = "avlib.extractors.statistics.sound"

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the statistics of a video's intervals: (intervals, 1, CHANNELS)."""
        waveform, rate = self._waveforms[video.video_id], self._settings.sample_rate
        spans = zip(rows["start_s"], rows["stop_s"], strict=True)
        return FeatureArray(
            (len(rows), views, CHANNELS),
            (sound_statistics(_part(waveform, *span, rate))[None] for span in spans),
            lambda: count_padded(waveform, rows, rate),
        )


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard, with one view, and their index.

    See `row.Extractor`.
    """
    own = SoundSettings(**settings)
    with WaveformStore(files.sources, sample_rate=own.sample_rate) as waveforms:
        extractor = SoundStatistics(None, own, waveforms)
        extract_videos(files, extractor, dict.fromkeys(SPLITS, 1))
