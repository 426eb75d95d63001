"""YAMNet, a MobileNet on log-mel patches of 0.975 s, with batch norm folded into its convolutions.

Source: tensorflow/models, research/audioset/yamnet; Howard et al., "MobileNets: Efficient
Convolutional Neural Networks for Mobile Vision Applications", 2017. Convolutions are padded as
TensorFlow's "SAME", which on even sizes at stride 2 pads below and to the right only.
"""

import copy

import torch
from torch import Tensor, nn

from avlib.extractors.fused_conv import FusedConv2d
from avlib.extractors.same_conv import SameConv2d

PATCH_FRAMES = 96
N_MELS = 64
EMBEDDING = 1024
N_CLASSES = 521
STEM_CHANNELS = 32
KERNEL = 3
# Stride and output channels of layers 2 to 14.
LAYERS = (
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, EMBEDDING)),
)


class Stem(nn.Module):
    """The first layer: (B, 1, T, F) to (B, STEM_CHANNELS, T / 2, F / 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = SameConv2d(1, STEM_CHANNELS, KERNEL, stride=2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv(x))


class SeparableLayer(nn.Module):
    """A depthwise and a pointwise convolution, a ReLU after each.

    Args:
        c_in: input channels.
        c_out: output channels.
        stride: of the depthwise one.
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.depthwise_conv = SameConv2d(c_in, c_in, KERNEL, stride, groups=c_in)
        self.pointwise_conv = SameConv2d(c_in, c_out, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.depthwise_conv(x))
        return self.relu(self.pointwise_conv(x))


class YamNet(nn.Module):
    """The whole network; layers are numbered from 1.

    Shape:
        patches: (B, PATCH_FRAMES, N_MELS) log-mel, time before bands.
        returns: embedding (B, EMBEDDING), not negative, and logits (B, N_CLASSES), whose sigmoids
            are scores that do not depend on each other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = Stem()
        c_in = STEM_CHANNELS
        for number, (stride, c_out) in enumerate(LAYERS, start=2):
            self.add_module(f"layer{number}", SeparableLayer(c_in, c_out, stride))
            c_in = c_out
        self.classifier = nn.Linear(EMBEDDING, N_CLASSES)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        x = self.layer1(patches.unsqueeze(1))
        for number in range(2, 2 + len(LAYERS)):
            x = self.get_submodule(f"layer{number}")(x)
        embedding = x.mean(dim=(2, 3))  # (B, EMBEDDING, 3, 2) before
        return embedding, self.classifier(embedding)


@torch.no_grad()
def fused(network: YamNet) -> YamNet:
    """Return a copy for inference, whose outputs differ by rounding: ReLUs in the convolutions."""
    copied = copy.deepcopy(network).eval()
    for name, module in list(copied.named_modules()):
        if isinstance(module, SameConv2d):
            copied.set_submodule(name, FusedConv2d(module.evenly_padded(), "relu"))
        elif isinstance(module, nn.ReLU):
            copied.set_submodule(name, nn.Identity())
    return copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
