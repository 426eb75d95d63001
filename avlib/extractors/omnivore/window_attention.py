"""Windowed attention for inference that never holds the scores of all windows at once."""

import copy
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d, SwinTransformer3d

MASKED = -100.0  # what the network adds to the score of tokens that are no neighbours

Size = tuple[int, int, int]  # tokens along time, height and width


class FusedWindowAttention(nn.Module):
    """torchvision's `ShiftedWindowAttention3d` with one kernel for scores, softmax and sum.

    A shifted window at the border holds tokens that are no neighbours, which are masked. Windows
    with the same mask go through the kernel together, under one sum of position bias and mask. The
    results differ from torchvision's by rounding, about 1e-6.

    Args:
        attention: the module whose place it takes, for inference only; its weights are shared.

    Shape:
        x: (B, T, H, W, C).
        returns: (B, T, H, W, C).
    """

    def __init__(self, attention: ShiftedWindowAttention3d) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:
        t, h, w = x.shape[1:4]
        window, shift = self._fitted((t, h, w))
        pads = [-size % length for size, length in zip((t, h, w), window, strict=True)]
        x = F.pad(x, (0, 0, 0, pads[2], 0, pads[1], 0, pads[0]))
        x = torch.roll(x, [-s for s in shift], dims=(1, 2, 3))
        grid: Size = (x.shape[1], x.shape[2], x.shape[3])
        x = self._attend(_split(x, window), grid, window, shift)  # (B, windows, N, C)
        x = self.attention.proj(x)
        x = torch.roll(_join(x, grid, window), shift, dims=(1, 2, 3))
        return x[:, :t, :h, :w]

    def _fitted(self, size: Size) -> tuple[Size, Size]:
        """Return window and shift for an input; on an axis that fits into it nothing is shifted."""
        lengths, shifts = self.attention.window_size, self.attention.shift_size
        axes = list(zip(size, lengths, shifts, strict=True))
        t, h, w = (min(axis, length) for axis, length, _ in axes)
        shift_t, shift_h, shift_w = (s if axis > length else 0 for axis, length, s in axes)
        return (t, h, w), (shift_t, shift_h, shift_w)

    def _attend(self, x: Tensor, grid: Size, window: Size, shift: Size) -> Tensor:
        heads = self.attention.num_heads
        qkv = self.attention.qkv(x)  # (B, windows, N, 3 * C)
        qkv = qkv.reshape(*x.shape[:3], 3, heads, -1)  # (B, windows, N, 3, heads, D)
        bias = self.attention.get_relative_position_bias(list(window))  # (1, heads, N, N)
        if not any(shift):
            return _windowed_attention(qkv, bias)
        out = torch.empty_like(x)
        for members, mask in _masks(grid, window, shift):
            places = members.to(x.device)
            masked = bias + mask.to(x.device, bias.dtype) * MASKED
            out[:, places] = _windowed_attention(qkv[:, places], masked)
        return out


def fuse_attention(trunk: SwinTransformer3d) -> SwinTransformer3d:
    """Return a copy of a trunk for inference, whose features differ by rounding."""
    fused = copy.deepcopy(trunk).eval()
    for name, module in list(fused.named_modules()):
        if isinstance(module, ShiftedWindowAttention3d):
            fused.set_submodule(name, FusedWindowAttention(module))
    return fused


def _windowed_attention(qkv: Tensor, bias: Tensor) -> Tensor:
    """Attend within each window: (B, windows, N, 3, heads, D) -> (B, windows, N, heads * D)."""
    q, k, v = qkv.flatten(0, 1).permute(2, 0, 3, 1, 4)  # each (B * windows, heads, N, D)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return out.transpose(1, 2).reshape(*qkv.shape[:3], -1)


def _split(x: Tensor, window: Size) -> Tensor:
    """Cut a grid of tokens into windows: (B, T, H, W, C) -> (B, windows, N, C)."""
    t, h, w = window
    batch, channels = x.shape[0], x.shape[-1]
    x = x.reshape(batch, x.shape[1] // t, t, x.shape[2] // h, h, x.shape[3] // w, w, channels)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(batch, -1, t * h * w, channels)


def _join(x: Tensor, grid: Size, window: Size) -> Tensor:
    """Put windows together again: (B, windows, N, C) -> (B, T, H, W, C)."""
    counts = [size // length for size, length in zip(grid, window, strict=True)]
    x = x.reshape(len(x), *counts, *window, x.shape[-1])
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(len(x), *grid, -1)


@lru_cache(maxsize=32)
def _masks(grid: Size, window: Size, shift: Size) -> list[tuple[Tensor, Tensor]]:
    """Return the windows of each attention mask, and the mask: (windows,), (N, N) bool.

    A grid that was rolled by `shift` meets its other end in its last windows.
    """
    region = torch.zeros(grid, dtype=torch.int64)
    for axis, (size, length, shifted) in enumerate(zip(grid, window, shift, strict=True)):
        part = torch.zeros(size, dtype=torch.int64)
        if shifted:
            part[size - length :] = 1
            part[size - shifted :] = 2
        region = 3 * region + part.view([-1 if i == axis else 1 for i in range(3)])
    ids = _split(region[None, ..., None], window)[0, ..., 0]  # (windows, N)
    kinds, kind = torch.unique(ids, dim=0, return_inverse=True)
    return [
        (torch.nonzero(kind == number)[:, 0], row[:, None] != row[None, :])
        for number, row in enumerate(kinds)
    ]
