"""Attention of tokens within windows of a grid, as it is trained and, faster, for inference."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

MASKED = -100.0  # what the network adds to the score of tokens that are no neighbours

Size = tuple[int, int, int]  # tokens along time, height and width


class Windows(NamedTuple):
    """How a grid of tokens is cut.

    Attributes:
        grid: size of the grid, whole windows.
        window: size of a window.
        shift: by which the grid is rolled before.
    """

    grid: Size
    window: Size
    shift: Size


class WindowAttention(nn.Module):
    """Attention of the tokens within each window.

    The grid is zero-padded to whole windows. Where it is shifted, windows at its border hold tokens
    that are no neighbours; their scores are masked.

    Args:
        channels: C of a token.
        heads: attention heads.
        window: tokens that attend to each other; on an axis with fewer tokens, all of them.
        shift: of the windows, on axes that are longer than a window.

    Shape:
        x: (B, T, H, W, C).
        returns: (B, T, H, W, C).
    """

    def __init__(self, channels: int, *, heads: int, window: Size, shift: Size) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        n_distances = math.prod(2 * length - 1 for length in window)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(n_distances, heads))
        self.register_buffer("relative_position_index", position_index(window))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        t, h, w = x.shape[1:4]
        windows = self._windows((t, h, w))
        pads = [padded - size for padded, size in zip(windows.grid, (t, h, w), strict=True)]
        x = F.pad(x, (0, 0, 0, pads[2], 0, pads[1], 0, pads[0]))
        x = torch.roll(x, [-s for s in windows.shift], dims=(1, 2, 3))
        x = _split(x, windows.window)  # (B, windows, N, C)
        qkv = self.qkv(x).reshape(*x.shape[:3], 3, self.heads, -1)  # (B, windows, N, 3, heads, D)
        x = self.proj(self.attend(qkv, self._bias(windows.window), windows))
        x = torch.roll(_join(x, windows), windows.shift, dims=(1, 2, 3))
        return x[:, :t, :h, :w].contiguous()

    def attend(self, qkv: Tensor, bias: Tensor, windows: Windows) -> Tensor:
        """Attend within each window.

        Args:
            qkv: queries, keys and values, (B, windows, N, 3, heads, D).
            bias: of positions, (1, heads, N, N).
            windows: how the grid is cut.

        Returns:
            (B, windows, N, heads * D).
        """
        q, k, v = qkv.flatten(0, 1).permute(2, 0, 3, 1, 4)  # each (B * windows, heads, N, D)
        scores = q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1) + bias
        if any(windows.shift):
            regions = _regions(windows).to(scores.device)  # (windows, N)
            mask = MASKED * (regions[:, None, :, None] != regions[:, None, None, :])
            scores = (scores.unflatten(0, qkv.shape[:2]) + mask.to(scores.dtype)).flatten(0, 1)
        out = scores.softmax(-1) @ v
        return out.transpose(1, 2).reshape(*qkv.shape[:3], -1)

    def _windows(self, size: Size) -> Windows:
        """Return how a grid is cut; an axis that fits into a window is not shifted."""
        axes = list(zip(size, self.window, self.shift, strict=True))
        t, h, w = (min(axis, length) for axis, length, _ in axes)
        shift_t, shift_h, shift_w = (s if axis > length else 0 for axis, length, s in axes)
        grid_t, grid_h, grid_w = (-(-s // n) * n for s, n in zip(size, (t, h, w), strict=True))
        return Windows((grid_t, grid_h, grid_w), (t, h, w), (shift_t, shift_h, shift_w))

    def _bias(self, window: Size) -> Tensor:
        """Return the bias of each pair of tokens of a window: (1, heads, N, N).

        In a smaller window than the network's the published code takes the first rows of the table
        of positions, which are of other tokens; the published features depend on it.
        """
        n = math.prod(window)
        index = self.get_buffer("relative_position_index")[:n, :n].flatten()
        bias = self.relative_position_bias_table[index].view(n, n, -1)
        return bias.permute(2, 0, 1).contiguous()[None]


class FusedWindowAttention(WindowAttention):
    """Attention for inference with one kernel for scores, softmax and sum.

    It never holds the scores of all windows. Windows with the same mask go through the kernel
    together, under one sum of position bias and mask. Results differ by rounding, about 1e-6.
    """

    def attend(self, qkv: Tensor, bias: Tensor, windows: Windows) -> Tensor:
        if not any(windows.shift):
            return _fused_attention(qkv, bias)
        out = qkv.new_empty(*qkv.shape[:3], qkv.shape[4] * qkv.shape[5])
        for members, mask in _masks(windows):
            places = members.to(qkv.device)
            masked = bias + mask.to(qkv.device, bias.dtype) * MASKED
            out[:, places] = _fused_attention(qkv[:, places], masked)
        return out


def _fused_attention(qkv: Tensor, bias: Tensor) -> Tensor:
    """Attend within each window: (B, windows, N, 3, heads, D) -> (B, windows, N, heads * D)."""
    q, k, v = qkv.flatten(0, 1).permute(2, 0, 3, 1, 4)  # each (B * windows, heads, N, D)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return out.transpose(1, 2).reshape(*qkv.shape[:3], -1)


def position_index(window: Sequence[int]) -> Tensor:
    """Return the row of the bias table for each pair of tokens of a window: (N, N), N tokens."""
    # torch would import its compiler to do this for a network without weights: 0.1 GB.
    places = np.indices(window).reshape(3, -1)  # (3, N)
    distances = places[:, :, None] - places[:, None, :]  # (3, N, N)
    index = np.zeros_like(distances[0])
    for size, distance in zip(window, distances, strict=True):
        index = index * (2 * size - 1) + distance + size - 1
    return torch.from_numpy(index)


def _split(x: Tensor, window: Size) -> Tensor:
    """Cut a grid of tokens into windows: (B, T, H, W, C) -> (B, windows, N, C)."""
    t, h, w = window
    batch, channels = x.shape[0], x.shape[-1]
    x = x.reshape(batch, x.shape[1] // t, t, x.shape[2] // h, h, x.shape[3] // w, w, channels)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(batch, -1, t * h * w, channels)


def _join(x: Tensor, windows: Windows) -> Tensor:
    """Put windows together again: (B, windows, N, C) -> (B, T, H, W, C)."""
    grid, window, _ = windows
    counts = [size // length for size, length in zip(grid, window, strict=True)]
    x = x.reshape(len(x), *counts, *window, x.shape[-1])
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(len(x), *grid, -1)


@lru_cache(maxsize=32)
def _regions(windows: Windows) -> Tensor:
    """Return the region of the grid that each token is of: (windows, N).

    A grid that was rolled meets its other end in its last windows.
    """
    region = torch.zeros(windows.grid, dtype=torch.int64)
    for axis, (size, length, shifted) in enumerate(zip(*windows, strict=True)):
        part = torch.zeros(size, dtype=torch.int64)
        if shifted:
            part[size - length :] = 1
            part[size - shifted :] = 2
        region = 3 * region + part.view([-1 if i == axis else 1 for i in range(3)])
    return _split(region[None, ..., None], windows.window)[0, ..., 0]


@lru_cache(maxsize=32)
def _masks(windows: Windows) -> list[tuple[Tensor, Tensor]]:
    """Return the windows of each attention mask, and the mask: (windows,), (N, N) bool."""
    kinds, kind = torch.unique(_regions(windows), dim=0, return_inverse=True)
    return [
        (torch.nonzero(kind == number)[:, 0], row[:, None] != row[None, :])
        for number, row in enumerate(kinds)
    ]
