"""Random changes of clips that keep what they show: for training on few videos."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from avlib.extractors.frames import MEAN
from avlib.extractors.omnivore.recipes import ClipAugmentation

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # share of R, G and B in the luma of BT.601
PROPORTIONS = (3 / 4, 4 / 3)  # of the cut-outs, width to height
COVERED = (0.2, 0.5)  # side of the covered square as a share of the image's


def augment_clip(
    images: NDArray[np.uint8],
    crop: int,
    rng: np.random.Generator,
    augmentation: ClipAugmentation,
) -> NDArray[np.float32]:
    """Return a changed copy of a clip.

    Args:
        images: (T, H, W, 3) RGB.
        crop: width and height of the result.
        rng: source of all draws.
        augmentation: how much is changed.

    Returns:
        (T, crop, crop, 3) RGB, 0 to 255.
    """
    cut = _cut_out(images, rng, augmentation.area)
    clip = np.stack([_resize(image, crop) for image in cut]).astype(np.float32)
    if rng.random() < 0.5:
        clip = clip[:, :, ::-1]
    most = augmentation.colour
    clip = change_colours(clip, *rng.uniform(1 - most, 1 + most, 3).astype(np.float32))
    if rng.random() < augmentation.grey:
        clip = np.repeat((clip @ GREY)[..., None], 3, axis=-1)
    clip = np.clip(clip, 0, 255)
    if rng.random() < augmentation.covered:
        side = int(crop * rng.uniform(*COVERED))
        top, left = rng.integers(0, crop - side + 1, 2)
        clip[:, top : top + side, left : left + side] = 255 * np.array(MEAN, np.float32)
    return np.ascontiguousarray(clip)


def _cut_out(
    images: NDArray[np.uint8], rng: np.random.Generator, least_area: float
) -> NDArray[np.uint8]:
    """Return a random part of the images, of nearly any shape: (T, h, w, 3)."""
    height, width = images.shape[1:3]
    area = height * width * rng.uniform(least_area, 1)
    proportion = math.exp(rng.uniform(*np.log(PROPORTIONS)))
    h = int(np.clip(math.sqrt(area / proportion), 1, height))
    w = int(np.clip(math.sqrt(area * proportion), 1, width))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    return images[:, top : top + h, left : left + w]


def _resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    whole = np.ascontiguousarray(image)
    return cv2.resize(  # type: ignore[return-value]
        whole, (size, size), interpolation=cv2.INTER_LINEAR
    )


def change_colours(
    clip: NDArray[np.float32], brightness: float, contrast: float, saturation: float
) -> NDArray[np.float32]:
    """Scale brightness, then contrast, the distance from the mean, then saturation, that from grey.

    All three are linear in the colours and in their grey, which is therefore computed once.

    Args:
        clip: (T, H, W, 3) RGB.
        brightness: factor; 1 for no change, as the others.
        contrast: factor.
        saturation: factor.
    """
    clip = clip * brightness
    grey = (clip @ GREY)[..., None]
    kept = (1 - contrast) * grey.mean()
    return contrast * (saturation * clip + (1 - saturation) * grey) + kept
