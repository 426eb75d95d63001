"""Convolutional networks without classifier, whose pooled activations are features.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (ResNet-152), and Tran
et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018
(R(2+1)D-18). Both are torchvision's; parameter names and shapes are those of its published files,
but for the classifier.
"""

from torch import nn
from torchvision.models import resnet152 as build_resnet152
from torchvision.models.video import r2plus1d_18 as build_r2plus1d_18

RESNET152_WIDTH = 2048
R2PLUS1D_18_WIDTH = 512


def resnet152() -> nn.Module:
    """Return ResNet-152 on pictures.

    Shape:
        images:  (B, 3, H, W), normalised RGB.
        returns: (B, RESNET152_WIDTH), not negative.
    """
    network: nn.Module = build_resnet152(weights=None)
    network.fc = nn.Identity()
    return network


def r2plus1d_18() -> nn.Module:
    """Return R(2+1)D-18 on clips.

    Shape:
        clips:   (B, 3, T, H, W), normalised RGB.
        returns: (B, R2PLUS1D_18_WIDTH), not negative.
    """
    network: nn.Module = build_r2plus1d_18(weights=None)
    network.fc = nn.Identity()
    return network
