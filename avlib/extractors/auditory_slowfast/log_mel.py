"""Log-mel spectrograms of Auditory SlowFast: 10 ms frames every 5 ms, 128 bands.

Source: Kazakos et al., "Slow-Fast Auditory Streams for Audio Recognition", ICASSP 2021. The
Fourier transform runs in float64: in float32 the rounding noise of loud bins drowns the quiet
ones of tonal audio, which shows in the logarithm by up to 0.8.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.io.packs import Waveform

IntArray = NDArray[np.int64]

FRAME_MS = 10.0
HOP_MS = 5.0
N_FFT = 2048
N_MELS = 128
N_FRAMES = 200  # frames of one network input
LOG_OFFSET = 1e-6
INT16_SCALE = 32768.0
CHUNK_FRAMES = 256  # frames transformed at once; their spectra, 4 MB, stay in the cache


def frame_samples(sample_rate: int) -> tuple[int, int]:
    """Return the length of a frame and the distance between two, in samples."""
    return round(FRAME_MS * sample_rate / 1000), round(HOP_MS * sample_rate / 1000)


def frame_margin(length: int) -> int:
    """Return how many samples before its centre a frame of `length` samples begins."""
    return (length + 1) // 2


@cache
def mel_filters(sample_rate: int) -> Tensor:
    """Return triangular filters on the HTK mel scale, without area normalisation.

    Computed in float64 and then rounded, which gives the published matrix bit for bit.

    Returns:
        (N_MELS, N_FFT // 2 + 1) float32; shared between callers, not to be changed.
    """
    top = 2595.0 * math.log10(1.0 + sample_rate / 2 / 700.0)
    corners = 700.0 * (10.0 ** (np.linspace(0.0, top, N_MELS + 2) / 2595.0) - 1.0)
    distance = corners[:, None] - np.fft.rfftfreq(N_FFT, 1.0 / sample_rate)  # (N_MELS + 2, bins)
    width = np.diff(corners)[:, None]
    rising, falling = -distance[:-2] / width[:-1], distance[2:] / width[1:]
    return torch.from_numpy(np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32))


def _frames_to_log_mel(frames: Tensor, filters: Tensor) -> Tensor:
    """Return the log-mel bands (N, N_MELS) of frames (N, samples) given in float64."""
    window = torch.hann_window(frames.shape[1], dtype=torch.float64, device=frames.device)
    spectrum = torch.fft.rfft(frames * window, n=N_FFT)  # (N, N_FFT / 2 + 1)
    amplitude = torch.hypot(spectrum.real.float(), spectrum.imag.float())
    return torch.log(amplitude @ filters.T + LOG_OFFSET)


def log_mel(waveform: Tensor, *, sample_rate: int) -> Tensor:
    """Return the log-mel spectrogram of one slice of a recording.

    Frame t is centred on sample t * hop; outside the slice the signal is zero.

    Args:
        waveform: (n_samples,) signal in [-1, 1]; may be empty.
        sample_rate: samples per second, in Hz.

    Returns:
        (1 + n_samples // hop, N_MELS) float32.
    """
    length, hop = frame_samples(sample_rate)
    padded = torch.nn.functional.pad(waveform.double(), (frame_margin(length), length))
    frames = padded.unfold(0, length, hop)[: 1 + len(waveform) // hop]
    return _frames_to_log_mel(frames, mel_filters(sample_rate).to(waveform.device))


def _padded_frame_indices(n_frames: IntArray) -> IntArray:
    """Return, for spectrograms of `n_frames` (N,), the frames (N, N_FRAMES) that a network sees."""
    if (n_frames > N_FRAMES).any():
        raise ValueError(
            f"a slice has {n_frames.max()} frames, the network takes {N_FRAMES}: "
            "its length or sample rate does not fit"
        )
    return np.minimum(np.arange(N_FRAMES), n_frames[:, None] - 1)


def pad_frames(spectrogram: Tensor) -> Tensor:
    """Return `spectrogram` (T, F) with its last frame repeated up to N_FRAMES.

    Raises:
        ValueError: if there are more than N_FRAMES frames.
    """
    return spectrogram[torch.from_numpy(_padded_frame_indices(np.array([len(spectrogram)]))[0])]


class FrameTable(NamedTuple):
    """The distinct frames of some slices of a recording."""

    begin: IntArray  # (U,) sample of the recording at which a frame begins
    head: IntArray  # (U,) samples of the frame that lie before its slice
    tail: IntArray  # (U,) samples of the frame that lie before the end of its slice
    frame_of: IntArray  # (N, N_FRAMES) row of this table for every frame of every slice


def distinct_frames(first: IntArray, last: IntArray, *, length: int, hop: int) -> FrameTable:
    """List the frames of the slices [first, last), each that sees the same samples once."""
    index = _padded_frame_indices(1 + (last - first) // hop)
    begin = first[:, None] + index * hop - frame_margin(length)  # (N, N_FRAMES)
    head = np.clip(first[:, None] - begin, 0, length)
    tail = np.clip(last[:, None] - begin, 0, length)
    base = length + 1
    key, frame_of = np.unique((begin * base + head) * base + tail, return_inverse=True)
    return FrameTable(key // base**2, key // base % base, key % base, frame_of.reshape(begin.shape))


def _read(waveform: Waveform, start: int, stop: int) -> Tensor:
    """Return samples [start, stop) of `waveform` in float64."""
    samples = np.asarray(waveform[start:stop])
    scale = INT16_SCALE if samples.dtype == np.int16 else 1.0
    return torch.from_numpy(samples.astype(np.float64) / scale)


def interval_log_mels(
    waveform: Waveform,
    slices: Sequence[tuple[int, int]],
    *,
    sample_rate: int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return the spectrograms of many, mostly overlapping, slices of one recording.

    Equal to `pad_frames(log_mel(...))` of every slice. Frames that see the same samples are
    computed once: slices whose distance is a multiple of the hop share all frames of their
    overlap but the first and the last. Sound between slices that do not touch is not read.

    Args:
        waveform: the recording.
        slices: sample ranges [first, last); what lies beyond the end of the recording is cut.
        sample_rate: samples per second of `waveform`, in Hz.
        device: where to compute.

    Returns:
        (len(slices), N_FRAMES, N_MELS) float32 on `device`.

    Raises:
        ValueError: if a slice begins before the recording, ends before it begins, or has more
            than N_FRAMES frames.
    """
    ranges = np.asarray(slices, dtype=np.int64).reshape(-1, 2)
    if not len(ranges):
        return torch.empty(0, N_FRAMES, N_MELS, device=device)
    if (ranges[:, 0] < 0).any() or (ranges[:, 1] < ranges[:, 0]).any():
        raise ValueError(f"a slice must not begin before 0 nor end before it begins: {slices}")
    ranges = np.minimum(ranges, len(waveform))
    log_mels = torch.empty(len(ranges), N_FRAMES, N_MELS, device=device)
    for run in _runs(ranges):
        log_mels[torch.from_numpy(run)] = _run_log_mels(waveform, ranges[run], sample_rate, device)
    return log_mels


def _runs(ranges: IntArray) -> list[IntArray]:
    """Return the rows of slices (N, 2) in runs without gaps, so that no run spans unused audio."""
    order = np.argsort(ranges[:, 0], kind="stable")
    first, last = ranges[order].T
    gaps = np.flatnonzero(first[1:] > np.maximum.accumulate(last)[:-1]) + 1
    return np.split(order, gaps)


def _run_log_mels(
    waveform: Waveform, ranges: IntArray, sample_rate: int, device: torch.device | str
) -> Tensor:
    """Return the spectrograms of slices whose span is read at once."""
    first, last = ranges.T
    length, hop = frame_samples(sample_rate)
    table = distinct_frames(first, last, length=length, hop=hop)
    origin = int(first.min()) - length  # a frame may begin before the span and end after it
    span = torch.nn.functional.pad(
        _read(waveform, int(first.min()), int(last.max())).to(device), (length, length)
    )
    windows = span.unfold(0, length, 1)  # (positions, length), a view
    position = torch.arange(length, device=device)
    filters = mel_filters(sample_rate).to(device)
    bands = []
    for start in range(0, len(table.begin), CHUNK_FRAMES):
        begin, head, tail = (
            torch.from_numpy(column[start : start + CHUNK_FRAMES, None]).to(device)
            for column in (table.begin - origin, table.head, table.tail)
        )
        is_inside = (position >= head) & (position < tail)  # (chunk, length)
        bands.append(_frames_to_log_mel(windows[begin[:, 0]] * is_inside, filters))
    return torch.cat(bands)[torch.from_numpy(table.frame_of).to(device)]
