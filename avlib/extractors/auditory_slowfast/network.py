"""Auditory SlowFast, a two-pathway residual network on log-mel spectrograms.

Source: Kazakos et al., "Slow-Fast Auditory Streams for Audio Recognition", ICASSP 2021.
Parameter names and shapes are those of the published checkpoints at `width=64`; a narrower
network keeps every ratio between the layers.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avlib.extractors.fused_conv import FusedConv2d

ALPHA = 4  # frames of the fast pathway per frame of the slow one
BETA_INV = 8  # channels of the slow pathway per channel of the fast one
FUSION_RATIO = 2  # channels of a lateral connection per channel of the fast pathway
FUSION_KERNEL = 7
BLOCKS = (3, 4, 6, 3)
FREQUENCY_STRIDES = (1, 2, 2, 2)
SLOW_TIME_KERNELS = (1, 1, 3, 3)
FAST_TIME_KERNEL = 3


def slow_frame_indices(n_frames: int, alpha: int = ALPHA) -> list[int]:
    """Return the frames that the slow pathway sees: evenly spaced, both ends included."""
    n_slow = n_frames // alpha
    return [k * (n_frames - 1) // max(n_slow - 1, 1) for k in range(n_slow)]


def feature_width(width: int = 64) -> int:
    """Return the number of pooled channels of a network of `width`: 2304 when published."""
    return 32 * width + 32 * width // BETA_INV


def pack_pathways(log_mel: Tensor, alpha: int = ALPHA) -> tuple[Tensor, Tensor]:
    """Split spectrograms into the inputs of the two pathways.

    Shape:
        log_mel: (B, 1, T, F).
        returns: slow (B, 1, T // alpha, F) and fast (B, 1, T, F).
    """
    frames = slow_frame_indices(log_mel.shape[2], alpha)
    return log_mel.index_select(2, torch.tensor(frames, device=log_mel.device)), log_mel


class Stem(nn.Module):
    """First convolution of one pathway; halves time and frequency twice."""

    def __init__(self, out_channels: int, *, time_kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            1, out_channels, (time_kernel, 7), stride=2, padding=(time_kernel // 2, 3), bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.relu(self.bn(self.conv(x))))  # (B, C, T / 4, F / 4)


class Stems(nn.Module):
    """The stems of both pathways."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pathway0_stem = Stem(width, time_kernel=1)
        self.pathway1_stem = Stem(width // BETA_INV, time_kernel=5)

    def forward(self, slow: Tensor, fast: Tensor) -> tuple[Tensor, Tensor]:
        return self.pathway0_stem(slow), self.pathway1_stem(fast)


class Lateral(nn.Module):
    """Strided convolution that carries the fast pathway into the slow one."""

    def __init__(self, fast_channels: int) -> None:
        super().__init__()
        out_channels = FUSION_RATIO * fast_channels
        self.conv_f2s = nn.Conv2d(
            fast_channels,
            out_channels,
            (FUSION_KERNEL, 1),
            stride=(ALPHA, 1),
            padding=(FUSION_KERNEL // 2, 0),
            bias=False,
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, slow: Tensor, fast: Tensor) -> tuple[Tensor, Tensor]:
        lateral = self.relu(self.bn(self.conv_f2s(fast)))  # (B, 2 C_fast, T_slow, F)
        return torch.cat([slow, lateral], dim=1), fast


class Bottleneck(nn.Module):
    """The three convolutions of a residual block."""

    def __init__(self, channels: tuple[int, int, int], *, time_kernel: int, stride: int) -> None:
        super().__init__()
        c_in, c_inner, c_out = channels
        self.a = nn.Conv2d(
            c_in, c_inner, (time_kernel, 1), padding=(time_kernel // 2, 0), bias=False
        )
        self.a_bn = nn.BatchNorm2d(c_inner)
        self.a_relu = nn.ReLU(inplace=True)
        self.b = nn.Conv2d(c_inner, c_inner, (1, 3), stride=(1, stride), padding=(0, 1), bias=False)
        self.b_bn = nn.BatchNorm2d(c_inner)
        self.b_relu = nn.ReLU(inplace=True)
        self.c = nn.Conv2d(c_inner, c_out, 1, bias=False)
        self.c_bn = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a_relu(self.a_bn(self.a(x)))
        x = self.b_relu(self.b_bn(self.b(x)))  # (B, C_inner, T, F / stride)
        return self.c_bn(self.c(x))  # (B, C_out, T, F / stride)


class ResidualBlock(nn.Module):
    """A bottleneck beside a shortcut, which is projected where the shape changes."""

    def __init__(self, channels: tuple[int, int, int], *, time_kernel: int, stride: int) -> None:
        super().__init__()
        c_in, _, c_out = channels
        self.projects_shortcut = c_in != c_out or stride != 1
        if self.projects_shortcut:
            self.branch1 = nn.Conv2d(c_in, c_out, 1, stride=(1, stride), bias=False)
            self.branch1_bn = nn.BatchNorm2d(c_out)
        self.branch2 = Bottleneck(channels, time_kernel=time_kernel, stride=stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.branch1_bn(self.branch1(x)) if self.projects_shortcut else x
        return self.relu(shortcut + self.branch2(x))


class Stage(nn.Module):
    """The residual blocks of both pathways between two lateral connections."""

    def __init__(
        self,
        slow_channels: tuple[int, int, int],
        fast_channels: tuple[int, int, int],
        *,
        blocks: int,
        stride: int,
        slow_time_kernel: int,
    ) -> None:
        super().__init__()
        self.blocks = blocks
        kernels = (slow_time_kernel, FAST_TIME_KERNEL)
        for pathway, (c_in, c_inner, c_out) in enumerate((slow_channels, fast_channels)):
            for i in range(blocks):
                block = ResidualBlock(
                    (c_in if i == 0 else c_out, c_inner, c_out),
                    time_kernel=kernels[pathway],
                    stride=stride if i == 0 else 1,
                )
                self.add_module(f"pathway{pathway}_res{i}", block)

    def forward(self, slow: Tensor, fast: Tensor) -> tuple[Tensor, Tensor]:
        for i in range(self.blocks):
            slow = self.get_submodule(f"pathway0_res{i}")(slow)
            fast = self.get_submodule(f"pathway1_res{i}")(fast)
        return slow, fast


class Head(nn.Module):
    """Linear classifiers on the pooled pathways: one, or verb and noun."""

    def __init__(self, in_features: int, num_classes: Sequence[int], *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        names = ["projection"] if len(num_classes) == 1 else ["projection_verb", "projection_noun"]
        self.names = names
        for name, classes in zip(names, num_classes, strict=True):
            self.add_module(name, nn.Linear(in_features, classes))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.dropout(x)
        return tuple(self.get_submodule(name)(x) for name in self.names)


class AuditorySlowFast(nn.Module):
    """The whole network, ResNet-50 depth.

    Args:
        num_classes: classes of each head; one head, or two (verbs, nouns).
        width: channels of the slow stem; 64 in the published models, a multiple of 8.
        dropout: rate before the heads, in training only.

    Shape:
        log_mel: (B, 1, T, F) with F = 128; T = 200 for the published 0.999 s models.
    """

    def __init__(self, *, num_classes: Sequence[int], width: int, dropout: float = 0.5) -> None:
        super().__init__()
        fast = width // BETA_INV
        self.s1 = Stems(width)
        self.s1_fuse = Lateral(fast)
        slow_in, fast_in = width + FUSION_RATIO * fast, fast
        for i, blocks in enumerate(BLOCKS):
            slow_inner, fast_inner = width * 2**i, fast * 2**i
            slow_out, fast_out = 4 * slow_inner, 4 * fast_inner
            stage = Stage(
                (slow_in, slow_inner, slow_out),
                (fast_in, fast_inner, fast_out),
                blocks=blocks,
                stride=FREQUENCY_STRIDES[i],
                slow_time_kernel=SLOW_TIME_KERNELS[i],
            )
            self.add_module(f"s{i + 2}", stage)
            if i < len(BLOCKS) - 1:
                self.add_module(f"s{i + 2}_fuse", Lateral(fast_out))
            slow_in, fast_in = slow_out + FUSION_RATIO * fast_out, fast_out
        self.head = Head(feature_width(width), num_classes, dropout=dropout)

    def features(self, log_mel: Tensor) -> Tensor:
        """Return the pooled activations, slow channels first: (B, 36 * width)."""
        slow, fast = pack_pathways(log_mel)
        for name, module in self.named_children():
            if name != "head":
                slow, fast = module(slow, fast)
        return torch.cat([slow.mean(dim=(2, 3)), fast.mean(dim=(2, 3))], dim=1)

    def forward(self, log_mel: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of every head: ((B, K), ...)."""
        return self.head(self.features(log_mel))


class FoldedBlock(nn.Module):
    """A residual block for inference, its batch norms, sum and ReLUs part of the convolutions."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        inner = block.branch2
        self.a = FusedConv2d(fuse_conv_bn_eval(inner.a, inner.a_bn), "relu")
        self.b = FusedConv2d(fuse_conv_bn_eval(inner.b, inner.b_bn), "relu")
        self.c = FusedConv2d(fuse_conv_bn_eval(inner.c, inner.c_bn), "relu")
        self.shortcut: nn.Module = nn.Identity()
        if block.projects_shortcut:
            projection = fuse_conv_bn_eval(block.branch1, block.branch1_bn)
            self.shortcut = FusedConv2d(projection, None)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x)), self.shortcut(x))  # may write the result into x


def fold_batch_norm(model: AuditorySlowFast) -> AuditorySlowFast:
    """Return a copy for inference, whose features differ by rounding, about 5e-6.

    Batch norms, sums and ReLUs become part of the convolutions, and the memory layout is
    channels-last. The folded weights are computed in float64 and rounded once.
    """
    dtype = model.s1_fuse.conv_f2s.weight.dtype
    folded = copy.deepcopy(model).double().eval()
    for name, module in list(folded.named_modules()):
        if isinstance(module, ResidualBlock):
            folded.set_submodule(name, FoldedBlock(module))
        elif isinstance(module, Stem | Lateral):
            conv_name = "conv" if isinstance(module, Stem) else "conv_f2s"
            conv = fuse_conv_bn_eval(getattr(module, conv_name), module.bn)
            parts = {conv_name: FusedConv2d(conv, "relu"), "bn": nn.Identity()}
            for part_name, part in (parts | {"relu": nn.Identity()}).items():
                setattr(module, part_name, part)
    folded.to(dtype)
    return folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
