"""VGG-19 features of AVE: the last pooled maps, averaged over the sampled frames of a second.

Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018, whose
weights are those of Keras, originally of Caffe; torchvision's own are another training run, which
expects other input.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.errors import CheckpointError, DataError
from avlib.extractors.vgg19.network import IMAGE_SIZE, MAP_SIZE, PUBLISHED_WIDTH, VGG19, WIDEST
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash, fit_state_dict, load_metadata, load_state_dict
from avlib.media.frames import Frame, Picture

SECONDS = 10
FRAMES_PER_SECOND = 16
BGR_MEANS = (103.939, 116.779, 123.68)
BATCH_FRAMES = 16
KERAS_SUFFIXES = {".h5", ".hdf5"}
FIRST_CONVOLUTION = "features.0.weight"


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


def network_input(pictures: Iterable[Picture]) -> Tensor:
    """Return pictures of any size as Keras' VGG-19 expects them: (B, 3, IMAGE_SIZE, IMAGE_SIZE)."""
    size = (IMAGE_SIZE, IMAGE_SIZE)
    images = np.stack([cv2.resize(picture, size)[..., ::-1] for picture in pictures])  # BGR
    shifted = torch.from_numpy(images.astype(np.float32)) - torch.tensor(BGR_MEANS)
    return shifted.permute(0, 3, 1, 2)


@torch.inference_mode()
def second_maps(
    network: VGG19, frames: Iterable[Frame], indices: NDArray[np.int64]
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
    network: VGG19, frames: Iterable[Frame], distinct: list[int]
) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    """Yield the numbers and the maps (B, MAP_SIZE, MAP_SIZE, C) of the wanted frames."""
    wanted = set(distinct)
    chosen = (pair for pair in enumerate(frames) if pair[0] in wanted)
    parameter = next(network.parameters())
    for first in range(0, len(distinct), BATCH_FRAMES):
        numbers = distinct[first : first + BATCH_FRAMES]
        pictures = [frame() for _, (_, frame) in zip(numbers, chosen, strict=False)]
        if len(pictures) < len(numbers):
            raise DataError(f"the video ends before its frame {numbers[len(pictures)]}")
        x = network_input(pictures).to(parameter.device, parameter.dtype)
        yield numbers, network(x).permute(0, 2, 3, 1).float().cpu().numpy()


def load_vgg19(checkpoint: Path) -> VGG19:
    """Return the network of a Keras `.h5` file or of a file with torchvision's names.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    is_keras = checkpoint.suffix.lower() in KERAS_SUFFIXES
    given = read_keras_weights(checkpoint) if is_keras else load_state_dict(checkpoint)
    state = {name: value for name, value in given.items() if name.startswith("features.")}
    if FIRST_CONVOLUTION not in state:
        raise CheckpointError(f"{checkpoint}: no {FIRST_CONVOLUTION}; not a VGG-19 file")
    network = VGG19(width=len(state[FIRST_CONVOLUTION]))
    fit_state_dict(network, state, checkpoint)
    return network.eval()


def untrained_vgg19(seed: int) -> VGG19:
    """Return the published network with random weights, whose features carry nothing learned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VGG19(width=PUBLISHED_WIDTH).eval()


def check_vgg19(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is a VGG-19 network.

    Raises:
        CheckpointError: if it is not.
    """
    size = {"channels": channels(load_vgg19(checkpoint))}
    report = {"path": str(checkpoint), "sha256": file_hash(checkpoint)} | size
    write_json(target, report | {"metadata": load_metadata(checkpoint)})


def read_keras_weights(path: Path) -> dict[str, Tensor]:
    """Return the convolutions `block<b>_conv<c>` of a Keras file under torchvision's names.

    Raises:
        CheckpointError: if the file cannot be read, or a layer is absent or has other arrays.
    """
    layers: dict[tuple[int, int], list[NDArray[Any]]] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        found = re.search(r"(?:^|/)block(\d+)_conv(\d+)/", name)
        if found and isinstance(item, h5py.Dataset):
            layers.setdefault((int(found[1]), int(found[2])), []).append(np.asarray(item))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except OSError as error:
        raise CheckpointError(f"{path}: not a readable HDF5 file ({error})") from error
    state: dict[str, Tensor] = {}
    modules = VGG19(width=8).features.named_children()
    convolutions = [name for name, module in modules if isinstance(module, nn.Conv2d)]
    if len(layers) != len(convolutions):
        raise CheckpointError(f"{path}: {len(layers)} layers block<b>_conv<c>, VGG-19 has 16")
    for number, (block, layer) in zip(convolutions, sorted(layers), strict=True):
        kernels, biases = ([a for a in layers[block, layer] if a.ndim == n] for n in (4, 1))
        if len(kernels) != 1 or len(biases) != 1:
            raise CheckpointError(f"{path}: block{block}_conv{layer} has no one kernel and bias")
        kernel = np.ascontiguousarray(kernels[0].transpose(3, 2, 0, 1), np.float32)  # out, in, H, W
        state[f"features.{number}.weight"] = torch.from_numpy(kernel)
        state[f"features.{number}.bias"] = torch.from_numpy(biases[0].astype(np.float32))
    return state
