"""Log-mel spectrograms for ASE: a clip at 32 kHz, cropped or zero-padded to ten seconds.

Source: Mei et al., "WavCaps", 2023, whose published code has torchlibrosa compute them. It takes
the Fourier transform as a convolution with 1024 taps; the fast transform differs by rounding alone.
"""

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
import soxr
import torch
import torchaudio.functional as audio
from numpy.typing import NDArray
from torch import Tensor

from avlib.extractors.htsat import N_MELS
from avlib.extractors.kaiser_resample import resample_part
from avlib.io.packs import Waveform

Signal = NDArray[np.float32]
Resampler = Literal["kaiser_best", "soxr_hq"]
ChooseStart = Callable[[int], int]  # takes the last start that is possible

SAMPLE_RATE = 32_000  # Hz
SOURCE_RATE = 48_000  # Hz of what is resampled
CLIP_SAMPLES = 320_000  # ten seconds
N_FFT = 1024
HOP_SAMPLES = 320
CLIP_FRAMES = 1 + CLIP_SAMPLES // HOP_SAMPLES
LOWEST_HZ, HIGHEST_HZ = 50.0, 14_000.0
FLOOR = 1e-10  # of the power
FLOOR_DB = -100.0


def resampled_length(n_samples: int) -> int:
    """Return how many samples at SAMPLE_RATE a clip at SOURCE_RATE becomes."""
    return -(-n_samples * SAMPLE_RATE // SOURCE_RATE)


def clip_at_rate(clip: Waveform, resampler: Resampler, choose: ChooseStart) -> Signal:
    """Return a clip at SAMPLE_RATE, of a longer one the CLIP_SAMPLES from a chosen start.

    Args:
        clip: (n_samples,) at SOURCE_RATE.
        resampler: `kaiser_best` of resampy as published, or the faster `soxr_hq`.
        choose: takes the last start that a crop may have, and returns the start.
    """
    n_samples = resampled_length(len(clip))
    first = choose(n_samples - CLIP_SAMPLES) if n_samples > CLIP_SAMPLES else 0
    last = min(first + CLIP_SAMPLES, n_samples)
    if resampler == "kaiser_best":
        return resample_part(clip, SOURCE_RATE, SAMPLE_RATE, first, last)
    whole = soxr.resample(clip[0 : len(clip)], SOURCE_RATE, SAMPLE_RATE, quality="HQ")
    part = whole[first:last]
    return np.pad(part, (0, last - first - len(part)))  # as librosa fixes the length


@cache
def _filters(device: torch.device) -> Tensor:
    """Return Slaney's mel filters for the squares of real and imaginary parts, by turns."""
    bins = N_FFT // 2 + 1
    filters = audio.melscale_fbanks(
        bins, LOWEST_HZ, HIGHEST_HZ, N_MELS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    return filters.repeat_interleave(2, dim=0).to(device)  # (2 * bins, N_MELS)


def sound_mel(waveform: Tensor) -> Tensor:
    """Return decibels (CLIP_FRAMES, N_MELS) of a sound that is zero-padded to CLIP_SAMPLES.

    Frames without a sample of the sound are known, and not computed.

    Args:
        waveform: (n_samples,) float32 at SAMPLE_RATE, at most CLIP_SAMPLES.
    """
    n_heard = min(CLIP_FRAMES, 1 + (len(waveform) + N_FFT // 2) // HOP_SAMPLES)
    n_samples = min(CLIP_SAMPLES, n_heard * HOP_SAMPLES + N_FFT)
    padded = torch.nn.functional.pad(waveform, (0, n_samples - len(waveform)))
    ends = (N_FFT // 2, N_FFT // 2)
    mirrored = torch.nn.functional.pad(padded[None, None], ends, mode="reflect")[0, 0]
    frames = mirrored.unfold(0, N_FFT, HOP_SAMPLES)[:n_heard]
    spectrum = torch.fft.rfft(frames * torch.hann_window(N_FFT, device=waveform.device))
    squares = torch.view_as_real(spectrum).square().flatten(1)  # (T, 2 * bins)
    power = squares @ _filters(waveform.device)
    log_mel = waveform.new_full((CLIP_FRAMES, N_MELS), FLOOR_DB)
    log_mel[:n_heard] = 10.0 * power.clamp(min=FLOOR).log10()
    return log_mel
