"""Clips for Omnivore: which frames of an interval, and how an image is prepared.

Source: Chalk et al., "TIM", CVPR 2024, and its published extraction code. The resize is OpenCV's
of 8 bits, whose rounding the published features hold.
"""

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from avlib.media.frames import Frame


def omnivore_frames(
    start_frame: ArrayLike, stop_frame: ArrayLike, *, num_frames: int
) -> NDArray[np.int64]:
    """Return the frames of each interval's clip: the middles of `num_frames` equal parts.

    The published loader takes frame numbers, which count from 0, for the numbers of files, which
    count from 1. So clips are taken one frame early and a first clip repeats the first frame; the
    weights' published features depend on it.

    Args:
        start_frame: (N,) first frame of each interval, counted from 0.
        stop_frame: (N,) last frame of each interval.
        num_frames: frames T of a clip.

    Returns:
        (N, T) frames counted from 0, at least 0; some may be beyond the end of the video.
    """
    start = np.asarray(start_frame, np.int64)[:, None]
    step = (np.asarray(stop_frame, np.int64)[:, None] - start - 1) / num_frames
    bounds = np.rint(step * np.arange(num_frames + 1)).astype(np.int64)  # (N, T + 1)
    middles = (bounds[:, :-1] + bounds[:, 1:]) // 2
    return np.maximum(start + middles - 1, 0)


def short_side_scale(image: Frame, crop: int) -> float:
    """Return the factor that makes the short side of an image as long as `crop`."""
    return crop / min(image.shape[:2])


def resize(image: Frame, scale: float) -> Frame:
    """Return an image (H, W, 3) of round(scale * H) x round(scale * W) pixels, bilinear."""
    return cv2.resize(  # type: ignore[return-value]
        image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR
    )


def centre_crop(image: Frame, crop: int) -> Frame:
    """Return the middle (crop, crop, 3) of an image; an odd rest is left at its end."""
    top, left = (math.ceil((size - crop) / 2) for size in image.shape[:2])
    return image[top : top + crop, left : left + crop]


def omnivore_image(image: Frame, crop: int) -> Frame:
    """Return what the network sees of an image, (crop, crop, 3)."""
    return centre_crop(resize(image, short_side_scale(image, crop)), crop)
