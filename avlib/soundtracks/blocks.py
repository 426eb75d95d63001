"""Blocks of the residual networks and layers of the VGG networks, with their published names.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Simonyan and
Zisserman, "Very Deep Convolutional Networks", ICLR 2015, table 1. torchvision has the same blocks,
but to import it takes seconds and 0.15 GB.
"""

from torch import Tensor, nn

# Channels of the convolutions by depth; M halves the size.
VGG_SIZES: dict[int, list[int | str]] = {
    11: [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    13: [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    16: [64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"],
    19: [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"],
}


class BasicBlock(nn.Module):
    """Two convolutions of 3 x 3 beside a short cut.

    Args:
        c_in: channels of the input.
        planes: channels of the convolutions.
        stride: of the first one.
        projection: of the short cut, where channels or size change.

    Shape:
        x: (B, c_in, F, T).
        returns: (B, planes, F / stride, T / stride).
    """

    expansion = 1  # of the channels

    def __init__(
        self, c_in: int, planes: int, stride: int = 1, projection: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = projection

    def forward(self, x: Tensor) -> Tensor:
        short_cut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        x += short_cut
        return self.relu(x)


class Bottleneck(nn.Module):
    """A convolution of 3 x 3 between two of 1 x 1, beside a short cut.

    Args:
        c_in: channels of the input.
        planes: channels of the inner convolution, which has the stride.
        stride: of the inner convolution.
        projection: of the short cut, where channels or size change.

    Shape:
        x: (B, c_in, F, T).
        returns: (B, 4 * planes, F / stride, T / stride).
    """

    expansion = 4  # of the channels

    def __init__(
        self, c_in: int, planes: int, stride: int = 1, projection: nn.Module | None = None
    ) -> None:
        super().__init__()
        c_out = planes * self.expansion
        self.conv1 = nn.Conv2d(c_in, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection

    def forward(self, x: Tensor) -> Tensor:
        short_cut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        x += short_cut
        return self.relu(x)


def vgg_layers(depth: int) -> nn.Sequential:
    """Return the convolutions of a VGG network of colours, each with batch norm."""
    layers: list[nn.Module] = []
    c_in = 3
    for size in VGG_SIZES[depth]:
        if isinstance(size, str):
            layers.append(nn.MaxPool2d(2, stride=2))
        else:
            convolution = nn.Conv2d(c_in, size, 3, padding=1)
            layers += [convolution, nn.BatchNorm2d(size), nn.ReLU(inplace=True)]
            c_in = size
    return nn.Sequential(*layers)
