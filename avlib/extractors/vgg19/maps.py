"""VGG-19 features of AVE: the last pooled maps, averaged over the sampled frames of a second.

Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018, whose
weights are those of Keras, originally of Caffe; torchvision's own are another training run, which
expects other input.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.errors import DataError
from avlib.extractors.vgg19.network import IMAGE_SIZE, MAP_SIZE, VGG19, WIDEST
from avlib.media.frames import Frame, LazyFrame

SECONDS = 10
FRAMES_PER_SECOND = 16
BGR_MEANS = (103.939, 116.779, 123.68)
BATCH_FRAMES = 16


def sampled_frames(
    n_frames: int, seconds: int = SECONDS, per_second: int = FRAMES_PER_SECOND
) -> NDArray[np.int64]:
    """Return the frames of each part of a video: (seconds, per_second), counted from 0.

    A second is the `seconds`-th part of the video, however long that is; frames repeat where it
    has less than `per_second` of them.
    """
    step = n_frames // seconds
    return np.array(
        [
            [int(second * step + k / per_second * step) for k in range(per_second)]
            for second in range(seconds)
        ]
    )


def network_input(images: Iterable[Frame]) -> Tensor:
    """Return images of any size as Keras' VGG-19 expects them: (B, 3, IMAGE_SIZE, IMAGE_SIZE)."""
    size = (IMAGE_SIZE, IMAGE_SIZE)
    images = np.stack([cv2.resize(image, size)[..., ::-1] for image in images])  # BGR
    shifted = torch.from_numpy(images.astype(np.float32)) - torch.tensor(BGR_MEANS)
    return shifted.permute(0, 3, 1, 2)


@torch.inference_mode()
def second_maps(
    network: VGG19, frames: Iterable[LazyFrame], indices: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the mean map of the sampled frames of each second.

    The network sees every distinct frame once.

    Args:
        network: on the device and in the precision that it runs in.
        frames: all frames of the video in order.
        indices: (seconds, per_second) from `sampled_frames`.

    Returns:
        (seconds, MAP_SIZE, MAP_SIZE, C) float32.

    Raises:
        DataError: if the video ends before its last sampled frame.
    """
    counts = [Counter(row) for row in indices.tolist()]
    distinct = sorted(set(indices.ravel().tolist()))
    sums = np.zeros((len(indices), MAP_SIZE, MAP_SIZE, channels(network)))
    for numbers, maps in _maps(network, frames, distinct):
        for number, frame_map in zip(numbers, maps, strict=True):
            for second, count in enumerate(counts):
                if number in count:
                    sums[second] += count[number] * frame_map
    return (sums / indices.shape[1]).astype(np.float32)


def channels(network: VGG19) -> int:
    """Return the number of channels of a pooled map: 512 when published."""
    return int(WIDEST * network.features[0].out_channels)


def _maps(
    network: VGG19, frames: Iterable[LazyFrame], distinct: list[int]
) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    """Yield the numbers and the maps (B, MAP_SIZE, MAP_SIZE, C) of the wanted frames."""
    wanted = set(distinct)
    chosen = (pair for pair in enumerate(frames) if pair[0] in wanted)
    parameter = next(network.parameters())
    for first in range(0, len(distinct), BATCH_FRAMES):
        numbers = distinct[first : first + BATCH_FRAMES]
        images = [frame() for _, (_, frame) in zip(numbers, chosen, strict=False)]
        if len(images) < len(numbers):
            raise DataError(f"the video ends before its frame {numbers[len(images)]}")
        x = network_input(images).to(parameter.device, parameter.dtype)
        yield numbers, network(x).permute(0, 2, 3, 1).float().cpu().numpy()
