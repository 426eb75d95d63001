"""Pictures of LLP: which frames of a video, and what each network is shown of them.

Source: Lai et al. (VALOR), NeurIPS 2023, and Tian et al., "Unified Multisensory Perception:
Weakly-Supervised Audio-Visual Video Parsing" (LLP), ECCV 2020, with their published code. Two of
the networks see the picture squashed to a square, the third its middle.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from avlib.media.frames import Picture

CLIP_SIZE = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
RES152_SHORT_SIDE, RES152_SIZE = 256, 224
RES152_MEAN, RES152_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
R2PLUS1D_SIZE = 112
R2PLUS1D_MEAN = (0.43216, 0.394666, 0.37645)
R2PLUS1D_STD = (0.22803, 0.22145, 0.216989)


def spread_indices(n_frames: int, count: int) -> NDArray[np.int64]:
    """Return `count` frames from the first to the last of `n_frames`, counted from 0.

    Frames repeat where there are fewer, and are left out where there are more. Halves are rounded
    to the even number.

    Raises:
        ValueError: if there is no frame.
    """
    if n_frames < 1:
        raise ValueError(f"expected one frame or more, got {n_frames}")
    return np.rint(np.linspace(0, n_frames - 1, count)).astype(np.int64)


def clip_input(pictures: Sequence[Picture], *, antialias: bool = False) -> Tensor:
    """Return pictures of any size as the visual teacher sees them: (B, 3, CLIP_SIZE, CLIP_SIZE).

    This is not CLIP's own preprocessing.

    Args:
        pictures: (H, W, 3) each, RGB of 8 bits.
        antialias: whether a picture is smoothed before it shrinks; the published features were
            made without, and differ much.
    """
    return torch.stack([_clip_input(picture, antialias) for picture in pictures])


def _clip_input(picture: Picture, antialias: bool) -> Tensor:
    size = [CLIP_SIZE, CLIP_SIZE]
    square = transforms.resize(
        _unit_range(picture), size, InterpolationMode.BILINEAR, antialias=antialias
    )
    return transforms.normalize(square, CLIP_MEAN, CLIP_STD)


def res152_input(pictures: Sequence[Picture]) -> Tensor:
    """Return the middles of pictures for ResNet-152: (B, 3, RES152_SIZE, RES152_SIZE)."""
    return torch.stack([_res152_input(picture) for picture in pictures])


def _res152_input(picture: Picture) -> Tensor:
    resized = transforms.resize(Image.fromarray(picture), [RES152_SHORT_SIDE])
    middle = transforms.center_crop(resized, [RES152_SIZE, RES152_SIZE])
    return transforms.normalize(_unit_range(np.asarray(middle)), RES152_MEAN, RES152_STD)


def r2plus1d_input(pictures: Sequence[Picture]) -> Tensor:
    """Return squashed pictures for R(2+1)D: (B, 3, R2PLUS1D_SIZE, R2PLUS1D_SIZE)."""
    return torch.stack([_r2plus1d_input(picture) for picture in pictures])


def _r2plus1d_input(picture: Picture) -> Tensor:
    size = (R2PLUS1D_SIZE, R2PLUS1D_SIZE)
    square = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
    return transforms.normalize(_unit_range(np.asarray(square)), R2PLUS1D_MEAN, R2PLUS1D_STD)


def _unit_range(picture: NDArray[np.uint8]) -> Tensor:
    """Return a picture as (3, H, W) in [0, 1]."""
    channels_first = picture.transpose(2, 0, 1).copy()  # in order, and ours to write to
    return torch.from_numpy(channels_first).float().div(255)
