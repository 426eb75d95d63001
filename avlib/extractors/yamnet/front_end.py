"""Front end of YAMNet: log-mel patches of 0.975 s, and which of them an interval has.

Source: tensorflow/models, research/audioset/yamnet (params.py, features.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from avlib.extractors.mel_bands import (
    FRAME_SAMPLES,
    HOP_SAMPLES,
    SAMPLE_RATE,
    log_mel_bands,
)
from avlib.extractors.yamnet.network import PATCH_FRAMES
from avlib.io.packs import Waveform, as_float32

FloatArray = NDArray[np.float64]
Patches = NDArray[np.float32]  # (P, PATCH_FRAMES, N_MELS)

LOG_OFFSET = 0.001
FRAME_RATE = SAMPLE_RATE // HOP_SAMPLES  # frames a second
PATCH_SAMPLES = FRAME_SAMPLES + (PATCH_FRAMES - 1) * HOP_SAMPLES  # 0.975 s
HOP_FRAMES = 48  # between two patches
MARGIN_S = 0.05  # of a signal around what is resampled, longer than the filter


def log_mel(waveform: FloatArray) -> FloatArray:
    """Return log-mel bands (T, N_MELS) of a signal (n_samples,) at SAMPLE_RATE, without padding."""
    return log_mel_bands(waveform, LOG_OFFSET)


def padded(waveform: FloatArray) -> FloatArray:
    """Return a signal zero-padded to one patch, then to a whole number of hops."""
    hop_samples = HOP_FRAMES * HOP_SAMPLES
    n_hops = max(0, math.ceil((len(waveform) - PATCH_SAMPLES) / hop_samples))
    return np.pad(waveform, (0, PATCH_SAMPLES + n_hops * hop_samples - len(waveform)))


def all_patches(waveform: FloatArray) -> Patches:
    """Return every patch of a signal (n_samples,) at SAMPLE_RATE, as the original takes them."""
    bands = log_mel(padded(waveform)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(bands, PATCH_FRAMES, axis=0)[::HOP_FRAMES]
    return np.ascontiguousarray(windows.swapaxes(1, 2))


class IntervalFrames(NamedTuple):
    """The patches of intervals, by the frame of a recording that each begins with.

    Attributes:
        first: (P,) frame, which may be negative.
        interval: (P,) number of its interval, ascending; each has one patch or more.
    """

    first: NDArray[np.int64]
    interval: NDArray[np.int64]


def interval_frames(intervals: Sequence[tuple[float, float]]) -> IntervalFrames:
    """Return the patches of intervals: as many hops as fit into each, centred.

    Args:
        intervals: (start_s, stop_s) of each, rounded to frames.
    """
    spans = np.asarray(intervals, dtype=np.float64).reshape(-1, 2)
    start, stop = np.rint(spans * FRAME_RATE).astype(np.int64).T
    free = stop - start - PATCH_FRAMES
    counts = np.maximum(1, free // HOP_FRAMES + 1)
    first = start + (free - HOP_FRAMES * (counts - 1)) // 2
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    interval = np.repeat(np.arange(len(counts)), counts)
    return IntervalFrames(first[interval] + HOP_FRAMES * number, interval)


@dataclass(frozen=True)
class Recording:
    """A waveform whose patches are read by their frames.

    Attributes:
        waveform: of a video; outside of it there is silence.
        sample_rate: its rate in Hz.
    """

    waveform: Waveform
    sample_rate: int

    def patches(self, first: NDArray[np.int64]) -> Patches:
        """Return the patches that begin with these frames; each frame is computed once."""
        wanted = first[:, None] + np.arange(PATCH_FRAMES)
        frames, places = np.unique(wanted, return_inverse=True)
        runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
        bands = np.concatenate([self._bands(int(run[0]), int(run[-1])) for run in runs])
        return bands[places.reshape(wanted.shape)]

    def _bands(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the log-mel of frames from `first` to `last`: (T, N_MELS)."""
        samples = self.samples(first * HOP_SAMPLES, last * HOP_SAMPLES + FRAME_SAMPLES)
        return log_mel(samples.astype(np.float64)).astype(np.float32)

    def samples(self, first: int, last: int) -> NDArray[np.float32]:
        """Return samples [first, last) at SAMPLE_RATE.

        They are those that soxr makes of the whole waveform, but for the first ones of all, where
        soxr's own depend on the ratio.
        """
        if self.sample_rate == SAMPLE_RATE:
            return self._zero_padded(first, last)
        factor = math.gcd(self.sample_rate, SAMPLE_RATE)
        period_in, period_out = self.sample_rate // factor, SAMPLE_RATE // factor
        margin = math.ceil(MARGIN_S * factor)  # in periods
        start, stop = first // period_out - margin, -(-last // period_out) + margin
        read = self._zero_padded(start * period_in, stop * period_in)
        resampled = soxr.resample(read, self.sample_rate, SAMPLE_RATE, quality="HQ")
        offset = first - start * period_out
        return np.asarray(resampled[offset : offset + last - first])

    def _zero_padded(self, first: int, last: int) -> NDArray[np.float32]:
        """Return samples [first, last) of the waveform."""
        n_samples = len(self.waveform)
        start, stop = (min(max(border, 0), n_samples) for border in (first, last))
        samples = np.zeros(last - first, np.float32)
        if start < stop:
            samples[start - first : stop - first] = as_float32(self.waveform[start:stop])
        return samples


def interval_patches(
    waveform: Waveform, intervals: Sequence[tuple[float, float]], sample_rate: int = SAMPLE_RATE
) -> tuple[list[list[int]], Patches]:
    """Return the first frames of the patches of each interval, and all patches.

    Args:
        waveform: of a video.
        intervals: (start_s, stop_s) of each.
        sample_rate: of the waveform, in Hz.
    """
    first, interval = interval_frames(intervals)
    starts = [first[interval == number].tolist() for number in range(len(intervals))]
    return starts, Recording(waveform, sample_rate).patches(first)
