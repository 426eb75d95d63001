"""Frames as ResNet-152 and R(2+1)D-18 take them for LLP.

Source: Tian et al. (LLP), ECCV 2020, with their published code: ResNet-152 sees the centre of a
frame, R(2+1)D-18 all of it, resized to a square.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as transforms

from avlib.extractors.frames import MEAN, STD, unit_range
from avlib.media.frames import Frame

RES152_SHORT_SIDE, RES152_SIZE = 256, 224
R2PLUS1D_SIZE = 112
R2PLUS1D_MEAN = (0.43216, 0.394666, 0.37645)
R2PLUS1D_STD = (0.22803, 0.22145, 0.216989)


def res152_input(images: Sequence[Frame]) -> Tensor:
    """Return the centres of frames for ResNet-152: (B, 3, RES152_SIZE, RES152_SIZE)."""
    return torch.stack([_res152_input(image) for image in images])


def _res152_input(image: Frame) -> Tensor:
    resized = transforms.resize(Image.fromarray(image), [RES152_SHORT_SIDE])
    middle = transforms.center_crop(resized, [RES152_SIZE, RES152_SIZE])
    return transforms.normalize(unit_range(np.asarray(middle)), MEAN, STD)


def r2plus1d_input(images: Sequence[Frame]) -> Tensor:
    """Return whole frames for R(2+1)D: (B, 3, R2PLUS1D_SIZE, R2PLUS1D_SIZE)."""
    return torch.stack([_r2plus1d_input(image) for image in images])


def _r2plus1d_input(image: Frame) -> Tensor:
    size = (R2PLUS1D_SIZE, R2PLUS1D_SIZE)
    square = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    return transforms.normalize(unit_range(np.asarray(square)), R2PLUS1D_MEAN, R2PLUS1D_STD)
