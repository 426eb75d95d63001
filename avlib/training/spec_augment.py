"""Random warps and masks of log-mel spectrograms, as published and as SpecAugment has them.

Sources: Park et al., "SpecAugment", Interspeech 2019; the variant `reference` is what the
published Auditory SlowFast features (Chalk et al., "TIM", CVPR 2024) were trained and extracted
with, whose time warp is a random affine shift field by two mistakes that are kept here.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WARP = 5  # largest shift of the control point, in frames
FREQUENCY_MASKS, FREQUENCY_MASK_WIDTH = 2, 27
TIME_MASKS, TIME_MASK_WIDTH = 2, 25

Draw = Callable[[int, int], int]  # returns an integer from [low, high)
_Floats = NDArray[np.floating]


def warp_flow(
    shape: tuple[int, int], value: float, distance: int, matrix: _Floats
) -> NDArray[np.float64]:
    """Return by how many frames every cell of a spectrogram is shifted in `reference`.

    The published warp uses the value of the spectrogram at the control point in place of its
    column, and fills a singular block of its spline system with 1e-10 times a random matrix.
    This is the solution of that system in closed form.

    Args:
        shape: (F, T) of the spectrogram.
        value: the spectrogram at the control point, in its middle row.
        distance: shift of the control point, in frames.
        matrix: (3, 3) standard normal draws.
    """
    row, moved = shape[0] // 2, float(np.float32(value) + np.float32(distance))
    shift = float(np.float32(moved) - np.float32(value))
    point = np.array([row, moved, 1.0])
    u = np.linalg.solve(matrix.astype(np.float64), point)
    v = shift * u / (point @ u)
    w = -shift * 1e-10 / (point @ u)
    i, j = np.arange(shape[0], dtype=np.float64)[:, None], np.arange(shape[1], dtype=np.float64)
    total = shape[1] * np.sum(i**2) + shape[0] * np.sum(j**2)
    r = (total + row**2 + moved**2 - 2 * row * i) - 2 * moved * j  # (F, T)
    return (v[0] * i + v[2]) + v[1] * j + 0.5 * w * r * np.log(r)


def interpolate_frames(
    spectrogram: NDArray[np.float32], frames: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return every row of `spectrogram` (F, T) at fractional `frames` (F, T), kept in range."""
    n_bands, n_frames = spectrogram.shape
    frames = np.clip(frames, 0, n_frames - 1)
    left = np.minimum(frames.astype(np.intp), n_frames - 2)
    weight = (frames - left).astype(np.float32)
    cell = left + n_frames * np.arange(n_bands)[:, None]  # of the flattened spectrogram
    before, after = spectrogram.take(cell), spectrogram.take(cell + 1)
    return before + weight * (after - before)


def time_warp(
    spectrogram: NDArray[np.float32], column: int, distance: int, matrix: _Floats
) -> NDArray[np.float32]:
    """Return the published warp of `spectrogram` (F, T); see `warp_flow`.

    Args:
        spectrogram: (F, T).
        column: frame of the control point.
        distance: shift of the control point, in frames; 0 changes nothing.
        matrix: (3, 3) standard normal draws.
    """
    value = spectrogram[spectrogram.shape[0] // 2, column]
    flow = warp_flow(spectrogram.shape, value, distance, matrix)
    return interpolate_frames(spectrogram, np.arange(spectrogram.shape[1]) - flow)


def mask(
    spectrogram: NDArray[np.float32], axis: int, draw: Draw, *, max_width: int, masks: int
) -> NDArray[np.float32]:
    """Return the published masking of `spectrogram` along `axis`.

    The width of each mask is drawn twice, and a first draw of 0 also cancels the masks that
    follow. Each is filled with the mean of what its predecessors left.
    """
    masked = spectrogram.copy()
    along = np.moveaxis(masked, axis, 0)
    for _ in range(masks):
        width = draw(0, max_width)
        first = draw(0, len(along) - width)
        if width == 0:
            break
        along[first : draw(first, first + width)] = masked.mean(dtype=np.float64)
    return masked


def frequency_mask(
    spectrogram: NDArray[np.float32],
    draw: Draw,
    *,
    max_width: int = FREQUENCY_MASK_WIDTH,
    masks: int = FREQUENCY_MASKS,
) -> NDArray[np.float32]:
    """Return `spectrogram` (F, T) with bands masked as published; see `mask`."""
    return mask(spectrogram, 0, draw, max_width=max_width, masks=masks)


def time_mask(
    spectrogram: NDArray[np.float32],
    draw: Draw,
    *,
    max_width: int = TIME_MASK_WIDTH,
    masks: int = TIME_MASKS,
) -> NDArray[np.float32]:
    """Return `spectrogram` (F, T) with frames masked as published; see `mask`."""
    return mask(spectrogram, 1, draw, max_width=max_width, masks=masks)


def _reference(
    spectrogram: NDArray[np.float32], draw: Draw, rng: np.random.Generator
) -> NDArray[np.float32]:
    column = draw(WARP, spectrogram.shape[1] - WARP)
    distance = draw(-WARP, WARP)
    warped = time_warp(spectrogram, column, distance, rng.standard_normal((3, 3)))
    return time_mask(frequency_mask(warped, draw), draw)


def mask_with_mean(
    spectrogram: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    bands: tuple[int, int],
    frames: tuple[int, int],
) -> None:
    """Cover independent stretches of a spectrogram by its mean, in place, as SpecAugment has it.

    Args:
        spectrogram: (F, T).
        rng: generator of this spectrogram alone.
        bands: how many stretches of bands, and below which number of bands each is.
        frames: the same of frames.
    """
    mean = spectrogram.mean(dtype=np.float64)
    for along, (masks, max_width) in ((spectrogram, bands), (spectrogram.T, frames)):
        for _ in range(masks):
            width = int(rng.integers(0, max_width))
            first = int(rng.integers(0, len(along) - width))
            along[first : first + width] = mean


def mask_batch_with_mean(
    spectrograms: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    bands: tuple[int, int],
    frames: tuple[int, int],
) -> None:
    """Cover stretches of each of many spectrograms by its mean, in place; see `mask_with_mean`.

    Args:
        spectrograms: (B, F, T).
        rng: generator of these spectrograms alone.
        bands: how many stretches of bands, and below which number of bands each is.
        frames: the same of frames.
    """
    means = spectrograms.mean(axis=(1, 2), dtype=np.float64)
    covered: NDArray[np.bool_] = np.zeros(spectrograms.shape, dtype=bool)
    for along, (masks, max_width) in ((covered.transpose(0, 2, 1), bands), (covered, frames)):
        size, places = (masks, len(spectrograms), 1), along.shape[2]
        width = rng.integers(0, max_width, size)
        first = rng.integers(0, places - width + 1)
        place = np.arange(places)
        inside = (place >= first) & (place < first + width)  # (masks, B, places)
        along |= inside.any(axis=0)[:, None, :]
    np.copyto(spectrograms, means[:, None, None], where=covered, casting="same_kind")


def _standard(
    spectrogram: NDArray[np.float32], draw: Draw, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Warp time linearly on both sides of a control point, then mask independent stretches."""
    last = spectrogram.shape[1] - 1
    column = draw(WARP + 1, last - WARP)
    moved = column + draw(-WARP, WARP + 1)
    frames = np.interp(np.arange(last + 1), [0, moved, last], [0, column, last])
    warped = interpolate_frames(spectrogram, np.broadcast_to(frames, spectrogram.shape))
    mask_with_mean(
        warped,
        rng,
        bands=(FREQUENCY_MASKS, FREQUENCY_MASK_WIDTH),
        frames=(TIME_MASKS, TIME_MASK_WIDTH),
    )
    return warped


def augment(
    log_mel: Tensor,
    rng: np.random.Generator,
    mode: Literal["reference", "standard"] = "reference",
) -> Tensor:
    """Return a randomly warped and masked copy of a spectrogram.

    Args:
        log_mel: (T, F), more than 2 * WARP + 2 frames.
        rng: generator of this spectrogram alone, from `avlib.seeds.generator`.
        mode: `reference` as published; `standard` as the SpecAugment paper has it, with a warp
            that keeps both ends in place and masks that do not depend on each other.

    Returns:
        (T, F) float32 on the same device; computed on the CPU.
    """

    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high))

    spectrogram = np.ascontiguousarray(log_mel.cpu().numpy().T)  # (F, T)
    augmented = (
        _reference(spectrogram, draw, rng)
        if mode == "reference"
        else _standard(spectrogram, draw, rng)
    )
    return torch.from_numpy(augmented.T).to(log_mel.device)
