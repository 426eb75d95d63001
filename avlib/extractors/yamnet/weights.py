"""Weights of YAMNet: of the package, whose weights are on an 8-bit grid, and of a torch port."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.errors import CheckpointError
from avlib.extractors.weights import untrained, write_report
from avlib.extractors.yamnet.network import LAYERS, YamNet
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.io.onnx_files import read_tensors

WEIGHT_AND_BIAS = ("weight", "bias")
# Names of the package's ONNX graph: onnx::Conv_<n> is a weight, onnx::Conv_<n+1> its bias.
FIRST_NUMBER, NUMBER_STEP = 241, 3
CLASSIFIER = "classifier"
PORT_STEM = "layer1.fused.conv.weight"  # of w-hc/torch_audioset
BATCH_NORM_EPS = 1e-4


def convolutions() -> Iterator[str]:
    """Yield the names of the convolutions, in their order."""
    yield "layer1.conv"
    for number in range(2, 2 + len(LAYERS)):
        yield f"layer{number}.depthwise_conv"
        yield f"layer{number}.pointwise_conv"


def packaged_state(model: bytes, data: bytes, source: str) -> dict[str, NDArray[np.float32]]:
    """Return the weights of the package, batch norm folded in, by the network's names.

    Args:
        model: content of its `model.onnx`.
        data: content of its `model.data`.
        source: the files, as messages name them.

    Raises:
        CheckpointError: if they are damaged or hold another network.
    """
    published: dict[str, str] = {}
    for i, name in enumerate(convolutions()):
        number = FIRST_NUMBER + NUMBER_STEP * i
        published |= {f"{name}.weight": f"onnx::Conv_{number}"}
        published |= {f"{name}.bias": f"onnx::Conv_{number + 1}"}
    published |= {f"{CLASSIFIER}.{p}": f"model.{CLASSIFIER}.{p}" for p in WEIGHT_AND_BIAS}
    tensors = read_tensors(model, {"model.data": data}, list(published.values()), source)
    return {own: tensors[name] for own, name in published.items()}


def load_yamnet(checkpoint: Path) -> YamNet:
    """Return the network of a file that `make weights` wrote, or of the port's `yamnet.pth`.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    state = load_state_dict(checkpoint)
    if PORT_STEM in state:
        state = _folded(state, checkpoint)
    network = untrained_yamnet(0)
    fit_state_dict(network, state, checkpoint)
    return network


def untrained_yamnet(seed: int) -> YamNet:
    """Return the network with random weights, whose features are meaningless."""
    return untrained(YamNet, seed)


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is a YAMNet.

    Raises:
        CheckpointError: if it is not.
    """
    classes = len(load_yamnet(checkpoint).classifier.bias)
    write_report(target, checkpoint, {"classes": classes})


def _folded(state: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """Return the port's weights with its batch norms folded into the convolutions."""
    folded = {f"{CLASSIFIER}.{p}": state.get(f"{CLASSIFIER}.{p}") for p in WEIGHT_AND_BIAS}
    for name in convolutions():
        port = "layer1.fused" if name == "layer1.conv" else name
        parts = [f"{port}.conv.weight"]
        parts += [f"{port}.bn.{part}" for part in ("bias", "running_mean", "running_var")]
        if missing := [part for part in parts if part not in state]:
            raise CheckpointError(f"{source}: no {missing[0]}; not a whole yamnet.pth")
        weight, beta, mean, variance = (state[part].double() for part in parts)
        scale = torch.rsqrt(variance + BATCH_NORM_EPS)
        # The original has no such factor, and the port carries ones.
        scale = scale * state.get(f"{port}.bn.weight", torch.ones_like(scale)).double()
        folded[f"{name}.weight"] = (weight * scale[:, None, None, None]).float()
        folded[f"{name}.bias"] = (beta - mean * scale).float()
    return {name: tensor for name, tensor in folded.items() if tensor is not None}
