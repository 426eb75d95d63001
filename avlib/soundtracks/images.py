"""Audio images: log-mel spectrograms of 0.96 s of sound, in dB relative to a reference.

Source: the images of zhaojw1998/SoundtrackClassification, made by librosa: magnitudes of frames
of 25 ms every 10 ms, 64 Slaney mel bands up to half the sample rate. Its releases up to 0.8 and
those after differ at the borders of a clip and in the filters where the frame length is odd.
"""

import math
from collections.abc import Iterator
from functools import cache, lru_cache, partial
from itertools import pairwise
from threading import get_ident

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.errors import DataError
from avlib.io.packs import INT16_SCALE, Waveform, as_float32
from avlib.soundtracks.frame_spectrum import HannMagnitudes
from avlib.soundtracks.mel import CLIP_S, N_FRAMES, N_MELS, SAMPLE_RATE, Reference, Variant

WINDOW_S, HOP_S = 0.025, 0.010
LEAST_AMPLITUDE = 1e-5
TOP_DB = 80.0
CLIPS_AT_ONCE = 64  # of a recording in memory

MEL_STEP_HZ = 200.0 / 3  # of the linear part of the Slaney scale, which ends at 1 kHz
LINEAR_MELS = 15
LOG_STEP = math.log(6.4) / 27


def frame_samples(sample_rate: int) -> tuple[int, int]:
    """Return the length of a frame and the distance between two, in samples.

    Each is one sample longer than the times say, so that most clips have N_FRAMES frames.
    """
    return int(sample_rate * WINDOW_S) + 1, int(sample_rate * HOP_S) + 1


def clip_borders(n_samples: int, sample_rate: int) -> NDArray[np.int64]:
    """Return the first samples of all whole clips of a recording, and the end of the last.

    Returns:
        (K + 1,); what follows the last whole clip is in no image.

    Raises:
        DataError: if clips at this rate have another number of frames, as at 8 kHz.
    """
    clip = sample_rate * CLIP_S
    borders = (np.arange(int(n_samples // clip) + 1) * clip).astype(np.int64)
    n_frames = 1 + np.diff(borders) // frame_samples(sample_rate)[1]
    if (n_frames != N_FRAMES).any():
        raise DataError(
            f"clips at {sample_rate} Hz have {n_frames[n_frames != N_FRAMES][0]} frames, expected "
            f"{N_FRAMES}; resample the sound to {SAMPLE_RATE} Hz"
        )
    return borders


def _mel_hz(mels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return frequencies on the Slaney mel scale in Hz."""
    above = LINEAR_MELS * MEL_STEP_HZ * np.exp(LOG_STEP * (mels - LINEAR_MELS))
    return np.where(mels < LINEAR_MELS, mels * MEL_STEP_HZ, above)


def _highest_mel(sample_rate: int) -> float:
    hz = sample_rate / 2
    linear_hz = LINEAR_MELS * MEL_STEP_HZ
    if hz < linear_hz:
        return hz / MEL_STEP_HZ
    return LINEAR_MELS + math.log(hz / linear_hz) / LOG_STEP


@cache
def mel_filters(sample_rate: int, variant: Variant) -> Tensor:
    """Return triangular filters on the Slaney mel scale, each of the same area.

    Returns:
        (N_MELS, n_fft // 2 + 1) float32; shared between callers, not to be changed.
    """
    n_fft, _ = frame_samples(sample_rate)
    if variant == "librosa_0_8":  # for an odd n_fft these are not the centres of the bins
        bins_hz: NDArray[np.floating] = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    else:
        bins_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    corners = _mel_hz(np.linspace(0.0, _highest_mel(sample_rate), N_MELS + 2))
    distance = corners[:, None] - bins_hz  # (N_MELS + 2, bins)
    width = np.diff(corners)[:, None]
    rising, falling = -distance[:-2] / width[:-1], distance[2:] / width[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = (corners[2:] - corners[:-2])[:, None] / 2
    return torch.from_numpy((triangles / area).astype(np.float32))


def mono(samples: NDArray[np.int16] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return samples (n,) or (n, channels) as the mean of the channels in [-1, 1].

    The mean is taken in float32, as for the published images.
    """
    if samples.ndim == 1:
        return as_float32(samples)
    n_channels = samples.shape[1]
    scale = INT16_SCALE if samples.dtype == np.int16 else 1
    share = np.full(n_channels, 1 / (scale * n_channels), np.float32)
    return np.asarray(samples.astype(np.float32, copy=False) @ share)


class ClipMel:
    """Mel magnitudes of clips, one at a time.

    Frames are centred on multiples of the hop; beyond the borders a clip is mirrored up to
    librosa 0.8, silent from 0.9 on. It keeps its workspace between calls, so each thread needs
    one of its own.

    Args:
        sample_rate: Hz.
        variant: release of librosa.
        n_frames: of a clip, 1 + samples // hop.
    """

    def __init__(self, sample_rate: int, variant: Variant, n_frames: int = N_FRAMES) -> None:
        n_fft, hop = frame_samples(sample_rate)
        self._border = n_fft // 2
        self._is_mirrored = variant == "librosa_0_8"
        self._filters = mel_filters(sample_rate, variant)
        self._padded = np.zeros(n_fft + (n_frames - 1) * hop)
        self._frames = torch.from_numpy(self._padded).unfold(0, n_fft, hop)  # (n_frames, n_fft)
        self._magnitudes = HannMagnitudes(n_fft, n_frames)

    def __call__(self, clip: NDArray[np.float32]) -> Tensor:
        """Return magnitudes (N_MELS, T) float32 of a clip (n_samples,) in [-1, 1]."""
        stop = self._border + len(clip)
        self._padded[self._border : stop] = clip
        after = self._padded[stop:]
        if self._is_mirrored:
            self._padded[: self._border] = clip[self._border : 0 : -1]
            after[:] = clip[-2 : -2 - len(after) : -1]
        else:
            after[:] = 0  # the clip before may have been a sample longer
        return self._filters @ self._magnitudes(self._frames)


@lru_cache(maxsize=4)
def _clip_mel(sample_rate: int, variant: Variant, thread: int) -> ClipMel:
    """Return a thread's own; for a short recording, making one would take long."""
    return ClipMel(sample_rate, variant)


def decibels(mels: Tensor, reference: float | None = None) -> Tensor:
    """Return mel magnitudes in dB, as images.

    Args:
        mels: (N, N_MELS, T) magnitudes; those below LEAST_AMPLITUDE count as that.
        reference: magnitude of 0 dB; louder ones are 0 dB, too. None: the loudest of each clip.

    Returns:
        (N, N_MELS, T) float32 in [-TOP_DB, 0].
    """
    level = mels.clamp(min=LEAST_AMPLITUDE).log10_().mul_(20)
    if reference is None:
        top = level.amax(dim=(1, 2), keepdim=True)
    else:
        top = torch.tensor(20 * math.log10(max(reference, LEAST_AMPLITUDE)))
    return level.sub_(top).clamp_(-TOP_DB, 0)


def full_scale(sample_rate: int, variant: Variant) -> float:
    """Return the largest mel magnitude of a sine of full scale."""
    n_fft, _ = frame_samples(sample_rate)
    return float(mel_filters(sample_rate, variant).max()) * n_fft / 4


def recording_mels(waveform: Waveform, *, sample_rate: int, variant: Variant) -> Iterator[Tensor]:
    """Yield the mel magnitudes of the whole clips of a recording, a few clips at a time.

    Args:
        waveform: (n,) or (n, channels), float32 in [-1, 1] or int16; may be an HDF5 data set.
        sample_rate: Hz.
        variant: release of librosa.

    Yields:
        (at most CLIPS_AT_ONCE, N_MELS, N_FRAMES) float32.

    Raises:
        DataError: as `clip_borders`.
    """
    borders = clip_borders(len(waveform), sample_rate)
    for first in range(0, len(borders) - 1, CLIPS_AT_ONCE):
        part = borders[first : first + CLIPS_AT_ONCE + 1]
        samples = np.asarray(waveform[part[0] : part[-1]])
        clip_mel = _clip_mel(sample_rate, variant, get_ident())
        inner = (part - part[0]).tolist()
        yield torch.stack([clip_mel(mono(samples[a:b])) for a, b in pairwise(inner)])


def audio_images(
    waveform: Waveform,
    *,
    sample_rate: int,
    variant: Variant = "librosa_0_8",
    reference: Reference = "clip",
) -> Iterator[NDArray[np.float32]]:
    """Yield the audio images of a recording, one for each whole clip, a few at a time.

    A row of an image is a band, from low to high, a column a time. A recording shorter than
    CLIP_S has no image.

    Args:
        waveform: as in `recording_mels`.
        sample_rate: Hz.
        variant: release of librosa whose numbers are made: up to 0.8, or from 0.9 on.
        reference: what is 0 dB: the loudest value of the clip (published: loudness is lost, a
            silent clip is 0 dB everywhere), that of the whole soundtrack, or the level of a sine
            of full scale; with the last two, silence is at the floor.

    Yields:
        (at most CLIPS_AT_ONCE, N_MELS, N_FRAMES) float32, in [-TOP_DB, 0].

    Raises:
        DataError: as `clip_borders`.
    """
    mels = partial(recording_mels, waveform, sample_rate=sample_rate, variant=variant)
    level = None
    if reference == "fixed":
        level = full_scale(sample_rate, variant)
    elif reference == "soundtrack":  # a second pass, so that memory stays bounded
        level = max((float(part.max()) for part in mels()), default=0.0)
    for part in mels():
        yield decibels(part, level).numpy()
