"""Checkpoints of torchvision's ResNet-152 and R(2+1)D-18, with or without their classifier."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from torch import nn

from avlib.errors import CheckpointError
from avlib.extractors.resnet.network import STAGES, R2Plus1d, ResNet, r2plus1d_18, resnet152
from avlib.extractors.weights import untrained
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.io.renaming import count_blocks

CLASSIFIERS = ("fc.", "last_linear.")  # of torchvision, and of the package pretrainedmodels
COUNTER = "num_batches_tracked"  # of normalisations; files from before 2018 hold none

N = TypeVar("N", bound=nn.Module)


def load_resnet152(checkpoint: Path) -> ResNet:
    """Return the network of a checkpoint, at the file's own sizes.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    return _load(ResNet, {"width": "bn1.weight"}, checkpoint)


def load_r2plus1d_18(checkpoint: Path) -> R2Plus1d:
    """Return the network of a checkpoint, at the file's own sizes.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    norms = {"width": "stem.4.weight", "middle": "stem.1.weight"}
    return _load(R2Plus1d, norms, checkpoint)


def untrained_resnet152(seed: int) -> ResNet:
    """Return the published network with random weights, whose features are meaningless."""
    return untrained(resnet152, seed)


def untrained_r2plus1d_18(seed: int) -> R2Plus1d:
    """Return the published network with random weights, whose features are meaningless."""
    return untrained(r2plus1d_18, seed)


def _load(network_class: type[N], norms: Mapping[str, str], checkpoint: Path) -> N:
    """Return the network of a file.

    Args:
        network_class: takes `blocks` and the sizes.
        norms: tensor that has as many values as there are channels, for each size.
        checkpoint: the file.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    state = {
        name: tensor
        for name, tensor in load_state_dict(checkpoint).items()
        if not name.startswith(CLASSIFIERS)
    }
    blocks = [count_blocks(state, f"layer{stage}.") for stage in range(1, STAGES + 1)]
    missing = [f"layer{stage}" for stage, count in enumerate(blocks, start=1) if not count]
    missing += [name for name in norms.values() if name not in state]
    if missing:
        raise CheckpointError(
            f"{checkpoint}: no {missing[0]}; not a file of torchvision's {network_class.__name__}"
        )
    sizes = {size: state[name].numel() for size, name in norms.items()}
    network = untrained(lambda: network_class(blocks=blocks, **sizes), 0)
    counters = {n: t for n, t in network.state_dict().items() if n.endswith(COUNTER)}
    fit_state_dict(network, counters | state, checkpoint)
    return network
