"""Checkpoints of VGG-19: Keras' files, and those with torchvision's names."""

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.errors import CheckpointError
from avlib.extractors.vgg19.network import PUBLISHED_WIDTH, VGG19
from avlib.extractors.weights import untrained
from avlib.io.checkpoints import fit_state_dict, load_state_dict

KERAS_SUFFIXES = {".h5", ".hdf5"}
FIRST_CONVOLUTION = "features.0.weight"


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
    """Return the published network with random weights, whose features are meaningless."""
    return untrained(lambda: VGG19(width=PUBLISHED_WIDTH), seed)


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
