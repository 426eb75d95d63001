"""Convolutional networks without classifier, whose pooled activations are features.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (ResNet-152), and Tran
et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018
(R(2+1)D-18). The blocks are torchvision's; parameter names, and shapes at the published sizes, are
those of its published files, but for the classifier.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D

WIDTH = 64  # of the published networks
STAGES = 4
RESNET152_BLOCKS = (3, 8, 36, 3)
R2PLUS1D_18_BLOCKS = (2, 2, 2, 2)
R2PLUS1D_18_MIDDLE = 45  # channels


class ResNet(nn.Module):
    """A residual network of bottlenecks on images.

    Args:
        blocks: number of blocks of each of the STAGES.
        width: channels of the stem; the features have 32 times as many.

    Shape:
        images:  (B, 3, H, W), normalised RGB.
        returns: (B, 32 * width), not negative.
    """

    def __init__(self, *, blocks: Sequence[int], width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self._channels = width
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            self._stage(count, width << stage, 1 if stage == 0 else 2)
            for stage, count in enumerate(blocks)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    def _stage(self, blocks: int, planes: int, stride: int) -> nn.Sequential:
        c_in, c_out = self._channels, planes * Bottleneck.expansion
        shortcut = nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), nn.BatchNorm2d(c_out)
        )
        self._channels = c_out
        first = Bottleneck(c_in, planes, stride, shortcut)
        return nn.Sequential(first, *(Bottleneck(c_out, planes) for _ in range(blocks - 1)))

    @property
    def channels(self) -> int:
        """Channels of a feature."""
        return self._channels

    def forward(self, images: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))  # (B, width, H / 4, W / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (B, 32 * width, ...)
        return self.avgpool(x).flatten(1)


class R2Plus1d(nn.Module):
    """A residual network on clips, whose convolutions are split into space and time.

    Args:
        blocks: number of blocks of each of the STAGES.
        width: channels of the stem; the features have 8 times as many.
        middle: channels between the two convolutions of the stem; 45 in the published network.

    Shape:
        clips:   (B, 3, T, H, W), normalised RGB.
        returns: (B, 8 * width), not negative.
    """

    def __init__(self, *, blocks: Sequence[int], width: int, middle: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, middle, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            nn.Conv3d(middle, width, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
        )
        self._channels = width
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            self._stage(count, width << stage, 1 if stage == 0 else 2)
            for stage, count in enumerate(blocks)
        )
        self.avgpool = nn.AdaptiveAvgPool3d(1)

    def _stage(self, blocks: int, planes: int, stride: int) -> nn.Sequential:
        c_in, self._channels = self._channels, planes
        shortcut = None
        if stride != 1:
            shortcut = nn.Sequential(
                nn.Conv3d(c_in, planes, 1, stride=stride, bias=False), nn.BatchNorm3d(planes)
            )
        first = BasicBlock(c_in, planes, Conv2Plus1D, stride, shortcut)
        others = (BasicBlock(planes, planes, Conv2Plus1D) for _ in range(blocks - 1))
        return nn.Sequential(first, *others)

    @property
    def channels(self) -> int:
        """Channels of a feature."""
        return self._channels

    def forward(self, clips: Tensor) -> Tensor:
        x = self.stem(clips)  # (B, width, T, H / 2, W / 2)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (B, 8 * width, ...)
        return self.avgpool(x).flatten(1)


def resnet152() -> ResNet:
    """Return ResNet-152 on images, whose features are 2048 wide."""
    return ResNet(blocks=RESNET152_BLOCKS, width=WIDTH)


def r2plus1d_18() -> R2Plus1d:
    """Return R(2+1)D-18 on clips, whose features are 512 wide."""
    return R2Plus1d(blocks=R2PLUS1D_18_BLOCKS, width=WIDTH, middle=R2PLUS1D_18_MIDDLE)
