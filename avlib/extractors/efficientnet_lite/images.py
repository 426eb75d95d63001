"""What EfficientNet-Lite0 sees of a picture, and the names of the classes that it scores.

Source: tensorflow/tpu, efficientnet_lite_builder.py: the centre of the picture, and pixels that are
scaled to about [-1, 1]. The original resizes without antialiasing; here Pillow does, in 8 bits.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avlib.extractors.efficientnet_lite.network import IMAGE_SIZE

CROP_SHARE = 7, 8  # of the short side, as a fraction: 224 of 256
MEAN, SCALE = 127.0, 128.0

Pixels = NDArray[np.uint8]


class Crop(NamedTuple):
    """A square of a picture: its first row and column, and its side."""

    top: int
    left: int
    side: int


def centre_crop(height: int, width: int) -> Crop:
    """Return the square of a picture that the network sees, one pixel at least."""
    side = max(1, CROP_SHARE[0] * min(height, width) // CROP_SHARE[1])
    return Crop((height - side + 1) // 2, (width - side + 1) // 2, side)


def resized(image: Pixels) -> Pixels:
    """Return the centre of a picture (H, W, 3), RGB, as (IMAGE_SIZE, IMAGE_SIZE, 3).

    It is cut out first: what is beyond it does not count.
    """
    top, left, side = centre_crop(*image.shape[:2])
    square = Image.fromarray(image[top : top + side, left : left + side])
    return np.asarray(square.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC), np.uint8)


def normalised(pixels: Pixels) -> NDArray[np.float32]:
    """Return pixels (..., H, W, 3) as the network takes them: (..., 3, H, W).

    The channels stay the last in memory, as the network is fastest with.
    """
    return np.moveaxis((pixels.astype(np.float32) - np.float32(MEAN)) / np.float32(SCALE), -1, -3)


def preprocess(image: Pixels) -> NDArray[np.float32]:
    """Return what the network sees of a picture (H, W, 3): (3, IMAGE_SIZE, IMAGE_SIZE)."""
    return normalised(resized(image))


@cache
def classes() -> list[str]:
    """Return the names of ImageNet's classes, in the order of the outputs."""
    from torchvision.models import EfficientNet_B0_Weights  # takes seconds

    return list(EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])
