"""HTSAT for inference: what the package's `ClapAudioModel` computes, with fewer copies.

Tokens stay in the order of the windows of attention that come next; queries, keys and values are
one product; a few windows at a time pass through a block, so that their activations stay in the
caches of a processor.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avlib.extractors.htsat import QKV, WINDOW

TOKENS = WINDOW * WINDOW  # of a window
CACHED = 1 << 18  # values of a channel of all tokens that pass through a block together
FEWEST_WINDOWS = 4  # that make it worth to read the weights of a wide block


class _Block:
    """A block of the package's network, and where its windows take their tokens from.

    Args:
        block: of the package.
        side: tokens along each side of the image.
        source: (side * side,) place of each token of the image in what the block is given.
    """

    def __init__(self, block: Any, side: int, source: Tensor) -> None:
        attention = block.attention.self
        self.block, self.heads = block, attention.num_attention_heads
        parts = [getattr(attention, name) for name in QKV]
        self.weight = torch.cat([part.weight for part in parts])
        self.bias = torch.cat([part.bias for part in parts])
        shift = block.shift_size if side > WINDOW else 0
        self.mask = _relative_bias(attention)  # (1 or windows, heads, TOKENS, TOKENS)
        if shift:
            regions = block.get_attn_mask(side, side, self.weight.dtype, self.weight.device)
            self.mask = self.mask + regions[:, None]
        order = _window_order(side, shift)
        self.gather = source[order]  # (side * side,)
        self.is_in_order = torch.equal(self.gather, torch.arange(len(order)))
        self.place = torch.empty_like(order)  # of each token of the image in what it returns
        self.place[order] = torch.arange(len(order))

    def run(self, windows: Tensor) -> None:
        """Pass windows (W, TOKENS, C) of one or more images through the block, in place."""
        n_together = max(CACHED // (TOKENS * windows.shape[-1]), FEWEST_WINDOWS)
        if windows.is_cuda:
            n_together = len(windows)
        for first in range(0, len(windows), n_together):
            part = windows[first : first + n_together]
            self._run(part, self._mask(first, len(part)))

    def _mask(self, first: int, count: int) -> Tensor:
        n = len(self.mask)
        if n == 1 or count == n:
            return self.mask
        if first % n + count <= n:
            return self.mask[first % n : first % n + count]
        return self.mask[torch.arange(first, first + count, device=self.mask.device) % n]

    def _run(self, x: Tensor, mask: Tensor) -> None:
        block, (n, _, channels) = self.block, x.shape
        qkv = F.linear(block.layernorm_before(x), self.weight, self.bias)
        query, key, value = qkv.view(n, TOKENS, len(QKV), self.heads, -1).permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        heard = heard.transpose(1, 2).reshape(n, TOKENS, channels)
        x += block.attention.output.dense(heard)
        x += block.output.dense(block.intermediate(block.layernorm_after(x)))


class HtsatTower:
    """The audio tower of a network, ready to run in its device and precision.

    Args:
        model: the package's `ClapAudioModel`, whose weights do not change any more.
    """

    @torch.inference_mode()
    def __init__(self, model: nn.Module) -> None:
        self._encoder = cast(Any, model.audio_encoder)
        side: int = self._encoder.patch_embed.grid_size[0]
        source = torch.arange(side * side)
        device = next(model.parameters()).device
        self._steps: list[tuple[_Block, Any, Tensor]] = []
        for stage in self._encoder.layers:
            for number, block in enumerate(stage.blocks, 1):
                step = _Block(block, side, source)
                step.gather = step.gather.to(device)
                source = step.place
                merges = stage.downsample if number == len(stage.blocks) else None
                groups = _groups_of_four(source, side).to(device)
                self._steps.append((step, merges, groups))
            side //= 2
            source = torch.arange(side * side)

    @torch.inference_mode()
    def __call__(self, log_mels: Tensor, is_fused: Tensor | None = None) -> Tensor:
        """Return what sounds are projected from: (B, hidden).

        Args:
            log_mels: (B, 1 or 4, frames, bands) in decibels.
            is_fused: (B,) whether the last three of four log-mels count.
        """
        encoder = self._encoder
        fused = None if is_fused is None else torch.where(is_fused)[0]
        x = encoder.patch_embed(self._images(log_mels), fused)  # (B, tokens, C)
        for step, merges, groups in self._steps:
            batch, _, channels = x.shape
            if not step.is_in_order:
                x = x.index_select(1, step.gather)
            x = x.contiguous()
            step.run(x.view(-1, TOKENS, channels))
            if merges is not None:
                x = x.index_select(1, groups).view(batch, -1, 4 * channels)
                x = merges.reduction(merges.norm(x))
        return encoder.norm(x).mean(dim=1)

    def _images(self, log_mels: Tensor) -> Tensor:
        """Return log-mels as images (B, 1 or 4, side, side); equal ones are made once."""
        copies = log_mels.shape[1]
        if torch.equal(log_mels, log_mels[:, :1].expand_as(log_mels)):
            log_mels = log_mels[:, :1]
        normed = self._encoder.batch_norm(log_mels.transpose(1, 3)).transpose(1, 3)
        images: Tensor = self._encoder.reshape_mel2img(normed)
        return images.expand(-1, copies, -1, -1) if images.shape[1] < copies else images


def _relative_bias(attention: Any) -> Tensor:
    """Return what attention adds for the places of two tokens: (1, heads, TOKENS, TOKENS)."""
    index = attention.relative_position_index.view(-1)
    bias = attention.relative_position_bias_table[index].view(TOKENS, TOKENS, -1)
    return bias.permute(2, 0, 1)[None].contiguous()


def _window_order(side: int, shift: int) -> Tensor:
    """Return the tokens of an image in the order of its windows: (side * side,)."""
    image = torch.arange(side * side).view(side, side).roll((-shift, -shift), (0, 1))
    return image.view(side // WINDOW, WINDOW, -1, WINDOW).transpose(1, 2).reshape(-1)


def _groups_of_four(source: Tensor, side: int) -> Tensor:
    """Return where the four tokens of each 2 x 2 of an image are: (side * side,), by groups.

    Of a group the rows come first: (0, 0), (1, 0), (0, 1), (1, 1) in row and column.
    """
    image = source.view(side // 2, 2, side // 2, 2)
    return image.permute(0, 2, 3, 1).reshape(-1)
