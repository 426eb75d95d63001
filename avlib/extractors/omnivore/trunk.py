"""The trunk of Omnivore, a Video Swin transformer, with the published parameter names.

Source: Liu et al., "Video Swin Transformer", CVPR 2022, figures 1 and 2; Girdhar et al.,
"Omnivore: A Single Model for Many Visual Modalities", CVPR 2022. torchvision has the same network
under other names, but to import it takes seconds and 0.15 GB.
"""

from collections.abc import Sequence
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avlib.extractors.mlp import Mlp
from avlib.extractors.omnivore.sizes import TrunkSizes
from avlib.extractors.omnivore.window_attention import FusedWindowAttention, Size, WindowAttention

PATCH = (2, 4, 4)  # frames, and pixels along height and width
EXPANSION = 4  # of the channels between the two layers of an MLP


class PatchEmbed(nn.Module):
    """One token for each patch of a clip, which is zero-padded to whole patches.

    Args:
        channels: C of a token.

    Shape:
        clips: (B, 3, T, H, W).
        returns: (B, T / 2, H / 4, W / 4, C).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, channels, kernel_size=PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(channels)

    def forward(self, clips: Tensor) -> Tensor:
        t, h, w = (-size % step for size, step in zip(clips.shape[2:], PATCH, strict=True))
        x = self.proj(F.pad(clips, (0, w, 0, h, 0, t)))
        return self.norm(x.permute(0, 2, 3, 4, 1))  # channels last


class Block(nn.Module):
    """Attention within windows, then an MLP; each is added to its input.

    Args:
        channels: C of a token.
        attention: within windows.
        skip_rate: share of the items for which both are skipped in training; see Huang et al.,
            "Deep Networks with Stochastic Depth", ECCV 2016.

    Shape:
        x: (B, T, H, W, C).
        returns: (B, T, H, W, C).
    """

    def __init__(self, channels: int, attention: WindowAttention, skip_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = attention
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, EXPANSION * channels)
        self.skip_rate = skip_rate

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._kept(self.attn(self.norm1(x)))
        return x + self._kept(self.mlp(self.norm2(x)))

    def _kept(self, x: Tensor) -> Tensor:
        """Return zeros for random items; the others are enlarged, so that the mean stays."""
        if not self.training or self.skip_rate == 0:
            return x
        kept = x.new_empty(len(x), 1, 1, 1, 1).bernoulli_(1 - self.skip_rate)
        return x * kept.div_(1 - self.skip_rate)


class PatchMerging(nn.Module):
    """One token of twice the channels for four neighbours of a frame.

    Shape:
        x: (B, T, H, W, C); odd sizes are zero-padded.
        returns: (B, T, H / 2, W / 2, 2 * C).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:4]
        x = F.pad(x, (0, 0, 0, w % 2, 0, h % 2))
        corners = [x[:, :, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class Stage(nn.Module):
    """Blocks, whose windows are shifted in every second one, and fewer tokens after them.

    Args:
        channels: C of a token.
        heads: attention heads.
        window: tokens that attend to each other.
        skip_rates: of the blocks.
        is_last: whether the tokens stay.
        attention: kind of attention within windows.

    Shape:
        x: (B, T, H, W, C).
        returns: (B, T, H / 2, W / 2, 2 * C); of the last stage, the shape of x.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        window: Size,
        skip_rates: Sequence[float],
        is_last: bool,
        attention: type[WindowAttention],
    ) -> None:
        super().__init__()
        t, h, w = window
        shifts = ((0, 0, 0), (t // 2, h // 2, w // 2))
        self.blocks = nn.ModuleList()
        for number, rate in enumerate(skip_rates):
            attend = attention(channels, heads=heads, window=window, shift=shifts[number % 2])
            self.blocks.append(Block(channels, attend, rate))
        self.downsample = None if is_last else PatchMerging(channels)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class VideoSwin(nn.Module):
    """The whole trunk, whose output is the feature.

    Args:
        sizes: its sizes; at least two blocks in all.
        stochastic_depth: rate at which the last block is skipped in training.
        attention: kind of attention within windows.

    Shape:
        clips: (B, 3, T, H, W), normalised RGB.
        returns: (B, C) with C = `sizes.channels`.
    """

    def __init__(
        self,
        sizes: TrunkSizes,
        *,
        stochastic_depth: float = 0.0,
        attention: type[WindowAttention] = WindowAttention,
    ) -> None:
        super().__init__()
        self.sizes = sizes
        n_blocks = sum(sizes.depths)
        skip_rates = iter([stochastic_depth * k / (n_blocks - 1) for k in range(n_blocks)])
        self.patch_embed = PatchEmbed(sizes.width)
        self.layers = nn.ModuleList(
            Stage(
                sizes.width * 2**stage,
                heads=sizes.heads[stage],
                window=sizes.window,
                skip_rates=list(islice(skip_rates, depth)),
                is_last=stage == len(sizes.depths) - 1,
                attention=attention,
            )
            for stage, depth in enumerate(sizes.depths)
        )
        self.norm = nn.LayerNorm(sizes.channels)

    def forward(self, clips: Tensor) -> Tensor:
        x = self.patch_embed(clips)  # (B, T, H, W, C)
        for stage in self.layers:
            x = stage(x)
        x = self.norm(x).movedim(-1, 1)  # (B, C, T, H, W)
        return F.adaptive_avg_pool3d(x, 1).flatten(1)


def fuse_attention(trunk: VideoSwin) -> VideoSwin:
    """Return a trunk for inference with the same weights, whose features differ by rounding."""
    with torch.device("meta"):
        fused = VideoSwin(trunk.sizes, attention=FusedWindowAttention)
    fused.load_state_dict(trunk.state_dict(), assign=True)  # not copied
    return fused.eval()
