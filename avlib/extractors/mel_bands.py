"""Log-mel bands of AudioSet's networks, VGGish and YAMNet: 64 of them, every 10 ms, at 16 kHz.

Source: Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017, and
tensorflow/models, research/audioset. Frame t is samples HOP_SAMPLES * t to HOP_SAMPLES * t +
FRAME_SAMPLES - 1, not centred.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SAMPLE_RATE = 16_000  # Hz
FRAME_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
N_FFT = 512
N_MELS = 64
LOWEST_HZ, HIGHEST_HZ = 125.0, 7500.0


@cache
def mel_filters() -> FloatArray:
    """Return triangles that are linear in HTK mel: (N_FFT // 2 + 1, N_MELS), not normalised."""

    def mel(frequency_hz: FloatArray) -> FloatArray:
        return 1127.0 * np.log1p(frequency_hz / 700.0)

    lowest, highest = mel(np.array([LOWEST_HZ, HIGHEST_HZ]))
    corners = np.linspace(lowest, highest, N_MELS + 2)
    bins = mel(np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1))[:, None]
    width = np.diff(corners)
    rising, falling = (bins - corners[:-2]) / width[:-1], (corners[2:] - bins) / width[1:]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    filters[0] = 0.0
    return np.asarray(filters)


def log_mel_bands(waveform: FloatArray, offset: float) -> FloatArray:
    """Return log-mel bands of a signal at SAMPLE_RATE, without padding.

    Args:
        waveform: (n_samples,).
        offset: added to the bands before the logarithm.

    Returns:
        (T, N_MELS).
    """
    if len(waveform) < FRAME_SAMPLES:
        return np.empty((0, N_MELS))
    frames = np.lib.stride_tricks.sliding_window_view(waveform, FRAME_SAMPLES)[::HOP_SAMPLES]
    window = np.hanning(FRAME_SAMPLES + 1)[:-1]  # the periodic form
    amplitude = np.abs(np.fft.rfft(frames * window, N_FFT))  # (T, N_FFT / 2 + 1)
    return np.asarray(np.log(amplitude @ mel_filters() + offset))
