"""Frames as CLIP takes them for LLP.

Source: Lai et al. (VALOR), NeurIPS 2023, with their published code. This is not CLIP's own
preprocessing: the whole frame is resized to a square.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from avlib.extractors.frames import unit_range
from avlib.media.frames import Frame

CLIP_SIZE = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def clip_input(
    images: Sequence[Frame], *, size: int = CLIP_SIZE, antialias: bool = False
) -> Tensor:
    """Return frames of any size as CLIP takes them: (B, 3, size, size).

    Args:
        images: (H, W, 3) each, RGB of 8 bits.
        size: pixels of the network's images on either side.
        antialias: whether a frame is smoothed before it shrinks; the published features were made
            without, and differ much.
    """
    return torch.stack([_clip_input(image, size, antialias) for image in images])


def _clip_input(image: Frame, size: int, antialias: bool) -> Tensor:
    square = transforms.resize(
        unit_range(image), [size, size], InterpolationMode.BILINEAR, antialias=antialias
    )
    return transforms.normalize(square, CLIP_MEAN, CLIP_STD)
