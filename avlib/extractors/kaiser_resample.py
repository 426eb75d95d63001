"""Resampling as resampy's filter `kaiser_best` does it, which VGGish and WavCaps were run with.

Source: Smith, "Digital Audio Resampling", 2002, and resampy 0.4 (ISC), whose tables and cuts to
integers are kept: an ideal resampler differs by 0.02 in the log-mel bands of tonal sound.
"""

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import kaiser
from scipy.sparse import csr_array

from avlib.io.packs import Waveform, as_float32

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ZERO_CROSSINGS = 50
STEPS = 1 << 13  # entries of the table from one zero crossing to the next
BETA = 12.984585247040012
ROLL_OFF = 0.9173473712608761  # edge of the pass band, as a fraction of the lower Nyquist rate
CHUNK_SAMPLES = 4000  # resampled samples whose weights, 13 MB at 44.1 kHz, are made at once

BLOCK = 256  # periods that one row of a matrix product makes


@cache
def _half_window() -> FloatArray:
    """Return the right half of the windowed sinc, (ZERO_CROSSINGS * STEPS + 1,)."""
    n = ZERO_CROSSINGS * STEPS
    sinc = ROLL_OFF * np.sinc(ROLL_OFF * np.linspace(0, ZERO_CROSSINGS, n + 1))
    return np.asarray(sinc * kaiser(2 * n + 1, BETA)[n:])


def resample_kaiser_best(waveform: FloatArray, from_rate: int, to_rate: int) -> FloatArray:
    """Return `waveform` (n_samples,) at another rate, floor(n_samples * to / from) samples.

    Beyond its ends the signal is zero.
    """
    if from_rate == to_rate:
        return waveform
    n_out = int(len(waveform) * float(to_rate) / float(from_rate))
    parts = [np.empty(0)]
    for first in range(0, n_out, CHUNK_SAMPLES):
        last = min(first + CHUNK_SAMPLES, n_out)
        parts.append(_weights(first, last, len(waveform), to_rate / from_rate) @ waveform)
    return np.concatenate(parts)


@lru_cache(maxsize=8)  # the seconds of a recording share theirs
def _weights(first: int, last: int, n_samples: int, ratio: float) -> csr_array:
    """Return what samples [first, last) of the result are made of: (last - first, n_samples)."""
    time = np.arange(first, last) * (1.0 / ratio)  # in samples of the signal
    before = time.astype(np.int64)
    scale = min(1.0, ratio)
    distance = np.asarray(scale * (time - before), np.float64)
    left, left_weights = _wing(distance, before + 1, ratio)
    right, right_weights = _wing(scale - distance, n_samples - before - 1, ratio)
    columns = np.concatenate([before[:, None] - left, before[:, None] + 1 + right], axis=1)
    weights = np.concatenate([left_weights, right_weights], axis=1)
    rows = np.arange(len(time) + 1) * weights.shape[1]
    indices = np.clip(columns, 0, n_samples - 1)  # weights outside are zero
    return csr_array((weights.ravel(), indices.ravel(), rows), (len(time), n_samples))


def _wing(distance: FloatArray, available: IntArray, ratio: float) -> tuple[IntArray, FloatArray]:
    """Return tap numbers (taps,) and weights (N, taps) of the samples on one side.

    Args:
        distance: from the requested sample to the first tap, (N,), in units of the zero crossings.
        available: samples that the signal has on this side, (N,).
        ratio: new rate by old rate.
    """
    scale = min(1.0, ratio)
    window = scale * _half_window()
    slope = np.diff(window, append=window[-1])
    step = int(scale * STEPS)  # cut to an integer in the original
    position = distance * STEPS
    offset = position.astype(np.int64)
    taps = np.arange(math.ceil(len(window) / step))
    n_taps = np.minimum(available, (len(window) - offset) // step)
    entries = np.minimum(offset[:, None] + taps * step, len(window) - 1)
    weights = window[entries] + (position - offset)[:, None] * slope[entries]
    return taps, np.where(taps < n_taps[:, None], weights, 0.0)


def resample_part(
    waveform: Waveform, from_rate: int, to_rate: int, first: int, last: int
) -> NDArray[np.float32]:
    """Return samples [first, last) of what `resample_kaiser_best` makes of a waveform, as float32.

    The filter's few phases come back periodically, so that a product with one small matrix makes
    them all. Only the samples that are needed are read. Beyond the last sample the result is zero,
    as librosa pads it to ceil(n_samples * to / from) samples.

    Args:
        waveform: at `from_rate`.
        from_rate: Hz.
        to_rate: Hz; a period of the result has a power of two of samples, as from 48 to 32 kHz.
        first: of the samples at `to_rate`.
        last: after them.
    """
    matrix, period_in, period_out, before = _period_matrix(from_rate, to_rate)
    n_out = int(len(waveform) * float(to_rate) / float(from_rate))
    rows = np.arange(first // period_out, -(-min(last, n_out) // period_out))
    result = np.zeros(last - first, np.float32)
    if not len(rows):
        return result
    start = int(rows[0]) * period_in - before
    n_taps = len(matrix)
    n_read = (len(rows) - 1) * period_in + n_taps
    read = as_float32(waveform[max(start, 0) : max(start + n_read, 0)])
    padded = np.zeros(n_read)
    padded[max(-start, 0) : max(-start, 0) + len(read)] = read
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_taps)[::period_in]
    made = (frames @ matrix).ravel()  # (len(rows) * period_out,)
    kept = made[first - int(rows[0]) * period_out :][: min(last, n_out) - first]
    result[: len(kept)] = kept
    return result


@lru_cache(maxsize=4)
def _period_matrix(from_rate: int, to_rate: int) -> tuple[FloatArray, int, int, int]:
    """Return (taps, period_out) weights, the periods in samples, and taps before a period."""
    factor = math.gcd(from_rate, to_rate)
    down, up = from_rate // factor, to_rate // factor
    if up & (up - 1):
        raise ValueError(f"the phases from {from_rate} to {to_rate} Hz do not come back exactly")
    margin = 2 * ZERO_CROSSINGS * max(1, -(-down // up))  # more than the taps of a wing
    n_in, n_out = BLOCK * down, BLOCK * up
    n_samples = n_in + 2 * margin
    shift = margin // down * up  # samples of the result before the period
    before = margin // down * down
    weights = _weights(shift, shift + n_out, n_samples, to_rate / from_rate).toarray()
    used = np.flatnonzero(weights.any(axis=0))
    taps = weights[:, used[0] : used[-1] + 1]
    return np.ascontiguousarray(taps.T), n_in, n_out, before - int(used[0])
