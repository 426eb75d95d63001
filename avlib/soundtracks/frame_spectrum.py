"""Magnitudes of the Fourier transform of frames whose length is no product of small primes.

Transforms of such lengths, 1103 among them, are slow. The frame is padded to a faster length
instead, and the bins between those of the long transform are read off with a Kaiser-Bessel kernel.
Source: Fessler and Sutton, "Nonuniform Fast Fourier Transforms Using Min-Max Interpolation", IEEE
Transactions on Signal Processing 51(2), 2003, section IV. The long transform runs in float64, so
that the rounding noise of loud bins does not drown distant quiet ones; a kernel sees only its
neighbourhood, where float32 is enough: magnitudes agree with float64 to 2e-6 of their size.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

TAPS = 12  # bins of the long transform that a kernel sees
SHORTEST = 64  # samples of a frame; kernels of shorter ones would see the spectrum's ends twice
OVERSAMPLING = 1.3  # at least; so the kernel's own error is below the rounding of float32


class _Plan(NamedTuple):
    """What is the same for all frames of a length.

    The bins are made block by block: each block of successive ones sees `span` bins of the long
    transform, and the next block those that lie `step` further on.
    """

    size: int  # of the long transform
    start: int  # sample of the long transform that a frame begins at
    window: Tensor  # (n_fft,) float64, Hann over the kernel's own transform
    first: int  # bin of the long transform that the first block starts at, below 0
    step: int
    kernel: Tensor  # (blocks, bins of a block, span) float32


@cache
def _plan(n_fft: int) -> _Plan:
    # Sizes that transforms are quick at; 1440, of frames at 44.1 kHz, is a fifth faster than 1536.
    sizes = (factor * 2**exponent for exponent in range(1, 12) for factor in (32, 45, 48))
    size = next(size for size in sizes if size >= OVERSAMPLING * n_fft)
    ratio = size / n_fft
    beta = math.pi * TAPS * (1 - 1 / (2 * ratio))
    centre = (n_fft - 1) // 2
    place = np.arange(n_fft) - centre
    root = np.emath.sqrt(beta**2 - (math.pi * TAPS * place / size) ** 2)
    transform = TAPS * np.real(np.sinc(1j * root / math.pi))  # sinh(root) / root
    window = np.hanning(n_fft + 1)[:-1] / transform  # the periodic form

    # The longest step that is nearly whole keeps the blocks' spans short.
    width = min(range(6, 13), key=lambda bins: abs(bins * ratio - round(bins * ratio)))
    step = round(width * ratio)
    blocks = -(-(n_fft // 2 + 1) // width)
    places = np.arange(blocks * width).reshape(blocks, width) * ratio  # of bins, in the long one
    starts = step * np.arange(blocks)
    first = math.floor((places[:, 0] - TAPS / 2 - starts).min())
    span = math.ceil((places[:, -1] + TAPS / 2 - starts).max()) - first + 1
    seen = (starts[:, None] + first + np.arange(span))[:, None, :]  # (blocks, 1, span)
    inside = 1 - (2 * (seen - places[..., None]) / TAPS) ** 2
    kernel = np.where(inside > 0, np.i0(beta * np.sqrt(np.maximum(inside, 0))), 0.0)
    # With its centre at 0 the spectrum of a frame is as smooth between bins as it can be. Frames
    # lie half the long transform further on, where the sign of every other bin changes.
    kernel *= 1 - 2 * (seen % 2)
    return _Plan(
        size,
        size // 2 - centre,
        torch.from_numpy(window),
        first,
        step,
        torch.from_numpy(kernel.astype(np.float32)),
    )


class HannMagnitudes:
    """Magnitudes of the transform of frames under a periodic Hann window.

    It keeps its workspace between calls, so each thread needs one of its own. Steps on single
    values are NumPy's, which take less time to start than torch's.

    Args:
        n_fft: samples of a frame, at least SHORTEST.
        n_frames: frames of a call.

    Raises:
        ValueError: if the frames are too short.
    """

    def __init__(self, n_fft: int, n_frames: int) -> None:
        if n_fft < SHORTEST:
            raise ValueError(f"frames of {n_fft} samples, expected at least {SHORTEST}")
        plan = _plan(n_fft)
        self._padded = torch.zeros(n_frames, plan.size, dtype=torch.float64)
        self._window = plan.window
        self._windowed = self._padded[:, plan.start : plan.start + n_fft]

        blocks, width, span = plan.kernel.shape
        n_rows, half, below = plan.step * (blocks - 1) + span, plan.size // 2, -plan.first
        above = max(n_rows - below - half - 1, 0)
        rows = torch.empty(n_rows, n_frames, dtype=torch.complex64)
        self._inside = rows.numpy()[below : n_rows - above]
        # The bins below 0 and above half the sample rate mirror the others.
        self._mirrored = [
            (rows.numpy()[:below], slice(below, 0, -1)),
            (rows.numpy()[n_rows - above :], slice(half - 1, half - 1 - above, -1)),
        ]
        strides = (plan.step * 2 * n_frames, 2 * n_frames, 1)
        # (blocks, span, 2 T), real and imaginary parts of the bins that each block sees
        self._seen = torch.view_as_real(rows).as_strided((blocks, span, 2 * n_frames), strides)
        self._kernel, self._bins = plan.kernel, torch.empty(blocks, width, 2 * n_frames)
        self._squares = self._bins.numpy()
        squares = self._squares.reshape(-1, n_frames, 2)[: n_fft // 2 + 1]
        self._real, self._imaginary = squares[..., 0], squares[..., 1]
        self._magnitudes = np.empty((n_fft // 2 + 1, n_frames), np.float32)

    def __call__(self, frames: Tensor) -> Tensor:
        """Return the magnitudes (n_fft // 2 + 1, T) float32 of frames (T, n_fft) float64.

        They are good until the next call.
        """
        torch.mul(frames, self._window, out=self._windowed)
        spectrum = torch.fft.rfft(self._padded).numpy().T  # (size // 2 + 1, T)
        np.copyto(self._inside, spectrum[: len(self._inside)], casting="same_kind")
        for mirror, source in self._mirrored:
            np.conjugate(spectrum[source], out=mirror)
        torch.bmm(self._kernel, self._seen, out=self._bins)
        np.multiply(self._squares, self._squares, out=self._squares)
        np.add(self._real, self._imaginary, out=self._magnitudes)
        return torch.from_numpy(np.sqrt(self._magnitudes, out=self._magnitudes))
