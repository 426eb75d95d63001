"""Which frames of a clip the network sees, and what it sees of each.

Source: Lin et al., "Egocentric Video-Language Pretraining", NeurIPS 2022, and its published code.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import functional as images

from avlib.errors import DataError
from avlib.extractors.frames import MEAN, STD

RATE = 30  # Hz at which the frames of clips are counted that only have times
FLATTEST = 32  # times that one side of a frame may be longer; a flatter one would fill the memory
RESIZED = 256 / 224  # short side of a frame before the crop, for each pixel of the network's input


def frame_indices(num_frames: int, start: int, end: int) -> list[int]:
    """Return the frames in the middle of equal parts of a clip, counted from 1.

    Frames repeat where the clip has fewer than parts; one may then be that before `start`, of
    number 0 perhaps. There are fewer than `num_frames` if `end` is below it.

    Args:
        num_frames: parts.
        start: first frame.
        end: last frame.
    """
    count = min(num_frames, end)
    if count < 1:
        return []
    borders = np.linspace(start, end, count + 1).astype(int)
    middles: list[int] = ((borders[:-1] + borders[1:] - 1) // 2).tolist()
    return middles


def timed_frames(start_s: float, stop_s: float) -> tuple[int, int]:
    """Return first and last frame of a clip at RATE, as the published code counts them."""
    return int(start_s * RATE), int(stop_s * RATE)


def seen(image: NDArray[np.uint8], size: int) -> Tensor:
    """Return what the network sees of a frame: (3, size, size), its middle, normalised.

    Args:
        image: (H, W, 3) RGB.
        size: pixels on either side.

    Raises:
        DataError: if one side of the frame is more than FLATTEST times the other.
    """
    height, width = image.shape[:2]
    if max(height, width) > FLATTEST * min(height, width):
        raise DataError(f"a frame of {width} x {height} pixels is too flat to be seen; crop it")
    short_side = round(size * RESIZED)
    # The colours of a pixel stay side by side in memory, which takes a third of the time.
    pixels = torch.from_numpy(image.astype(np.float32)).div_(255).permute(2, 0, 1)[None]
    # With antialiasing, the default of newer libraries, embeddings are others.
    small = images.resize(pixels, [short_side], antialias=False)
    square = images.resize(images.center_crop(small, [short_side]), [size], antialias=False)
    return images.normalize(square, list(MEAN), list(STD))[0].contiguous()


def filled(frames: Tensor, num_frames: int) -> Tensor:
    """Return frames (T, 3, H, W) with zeros after them: (num_frames, 3, H, W)."""
    missing = torch.zeros(num_frames - len(frames), *frames.shape[1:])
    return torch.cat((frames, missing))
