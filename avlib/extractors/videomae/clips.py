"""Clips for VideoMAE: which frames of an interval, and how an image is prepared.

Source: Chalk et al., "TIM", CVPR 2024, and its published extraction code. Plain images are
resized by OpenCV, augmented ones by Pillow, which filters when it shrinks; the published features
hold both.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor, nn

from avlib.extractors.frames import normalise
from avlib.extractors.rand_augment import VIDEOMAE, Operation, augment
from avlib.extractors.videomae.network import CLIP_FRAMES, IMAGE_SIZE, VideoMAE
from avlib.media.frames import Frame
from avlib.seeds import generator


def videomae_frames(start_frame: ArrayLike, stop_frame: ArrayLike) -> NDArray[np.int64]:
    """Return the frames of each interval's clip: the middles of CLIP_FRAMES equal parts.

    The parts have whole numbers of frames, what is left over is not seen; an interval of fewer
    frames than parts is its first frame, repeated.

    Args:
        start_frame: (N,) first frame of each interval, counted from 0.
        stop_frame: (N,) frame after its last.

    Returns:
        (N, CLIP_FRAMES) frames counted from 0; some may be beyond the end of the video.
    """
    start = np.asarray(start_frame, np.int64)[:, None]
    length = (np.asarray(stop_frame, np.int64)[:, None] - start) // CLIP_FRAMES
    return np.asarray(start + np.arange(CLIP_FRAMES) * length + length // 2)


def plain_square(image: Frame) -> Frame:
    """Return the centre (IMAGE_SIZE, IMAGE_SIZE, 3) of an image whose short side is as long."""
    height, width = image.shape[:2]
    if min(height, width) != IMAGE_SIZE:
        image = np.asarray(cv2.resize(image, _scaled(width, height)), np.uint8)
    return _centre(image)


def augmented_square(image: Frame, operations: Sequence[Operation]) -> Frame:
    """Return the same of an image after augmentation."""
    augmented = augment(Image.fromarray(image), operations, VIDEOMAE.fill)
    if min(augmented.size) != IMAGE_SIZE:
        augmented = augmented.resize(_scaled(*augmented.size), Image.Resampling.BILINEAR)
    return _centre(np.asarray(augmented))


def _scaled(width: int, height: int) -> tuple[int, int]:
    """Return width and height when the short side is IMAGE_SIZE; the long one is cut to pixels."""
    if width < height:
        return IMAGE_SIZE, int(IMAGE_SIZE * height / width)
    return int(IMAGE_SIZE * width / height), IMAGE_SIZE


def _centre(image: Frame) -> Frame:
    """Return the middle of an image; half a pixel is rounded to even."""
    top, left = (round((size - IMAGE_SIZE) / 2) for size in image.shape[:2])
    return image[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]


class VideoMAEClips:
    """The network ready for extraction, and the front end before it.

    Args:
        network: its features are taken, not its scores.
        seed: of the augmented views.
    """

    def __init__(self, network: VideoMAE, *, seed: int) -> None:
        self.channels = network.sizes.width
        self.network: nn.Module = network
        self._videomae, self._seed = network, seed

    def frames(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the frames of each interval, counted from 0: (N, CLIP_FRAMES)."""
        return videomae_frames(rows["start_frame"].to_numpy(), rows["stop_frame"].to_numpy())

    def image(self, image: Frame) -> Frame:
        """Return what the network sees of an image without augmentation."""
        return plain_square(image)

    def augmented(
        self, images: Sequence[Frame], item: tuple[str, int], before: tuple[str, int]
    ) -> Iterator[Frame]:
        """Yield what the network sees of the images of an augmented view.

        Args:
            images: the clip's, in the video's own size.
            item: interval and view.
            before: those of the augmented clip before, which decide nothing here.
        """
        names, levels = (generator(self._seed, *item, part) for part in ("operations", "levels"))
        operations = VIDEOMAE.draw(names, levels)
        done: dict[int, Frame] = {}  # a clip may hold an image several times
        for image in images:
            if id(image) not in done:
                done[id(image)] = augmented_square(image, operations)
            yield done[id(image)]

    def features(self, clips: Tensor) -> Tensor:
        """Return the features (B, C) of clips (B, T, IMAGE_SIZE, IMAGE_SIZE, 3) of 8 bits."""
        return self._videomae.features(normalise(clips).to(next(self.network.parameters()).dtype))
