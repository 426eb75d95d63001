"""YAMNet, a MobileNet on log-mel patches of 0.975 s, with batch norm folded into its convolutions.

Source: tensorflow/models, research/audioset/yamnet; Howard et al., "MobileNets: Efficient
Convolutional Neural Networks for Mobile Vision Applications", 2017. Convolutions are padded as
TensorFlow's "SAME", which on even sizes at stride 2 pads below and to the right only.
"""

from torch import Tensor, nn
from torch.nn import functional as F

PATCH_FRAMES = 96
N_MELS = 64
EMBEDDING = 1024
N_CLASSES = 521
STEM_CHANNELS = 32
# Stride and output channels of layers 2 to 14.
LAYERS = (
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, EMBEDDING)),
)


class SameConv2d(nn.Conv2d):
    """A 3x3 convolution that is padded as TensorFlow's "SAME" on even sizes.

    Args:
        c_in: input channels.
        c_out: output channels.
        stride: 1 or 2.
        groups: of channels.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, groups: int = 1) -> None:
        padding = 1 if stride == 1 else 0
        super().__init__(c_in, c_out, 3, stride=stride, padding=padding, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.stride == (1, 1) else F.pad(x, (0, 1, 0, 1)))


class Stem(nn.Module):
    """The first layer: (B, 1, T, F) to (B, STEM_CHANNELS, T / 2, F / 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = SameConv2d(1, STEM_CHANNELS, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x), inplace=True)


class SeparableLayer(nn.Module):
    """A depthwise and a pointwise convolution, a ReLU after each.

    Args:
        c_in: input channels.
        c_out: output channels.
        stride: of the depthwise one.
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.depthwise_conv = SameConv2d(c_in, c_in, stride, groups=c_in)
        self.pointwise_conv = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.depthwise_conv(x), inplace=True)
        return F.relu(self.pointwise_conv(x), inplace=True)


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
