"""What the weights of all networks have in common: random ones, and the report on given ones."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from avlib.errors import CheckpointError
from avlib.io.atomic import write_json
from avlib.io.checkpoints import load_metadata, weights_hash
from avlib.io.renaming import without_weights

N = TypeVar("N", bound=nn.Module)


def untrained(build: Callable[[], N], seed: int) -> N:
    """Return a network with reproducible random weights, in evaluation mode.

    Args:
        build: makes the network and draws its weights from torch's global generator, whose state
            is the same before and after.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().eval()


def structure_error(checkpoint: Path, error: Exception) -> CheckpointError:
    """Return the error of weights whose structure is described, but is none that can be built."""
    reason = " ".join(str(error).split())[:200]
    what = reason if isinstance(error, ValueError) else f"{type(error).__name__}: {reason}"
    return CheckpointError(f"{checkpoint}: its configuration is of no network here ({what})")


def build_network(build: Callable[[], N], checkpoint: Path) -> N:
    """Return the network that `build` makes, as `without_weights`.

    Raises:
        CheckpointError: if it cannot be made of the described structure.
    """
    try:
        return without_weights(build)
    except Exception as error:  # whatever the package says of an activation or a size
        raise structure_error(checkpoint, error) from error


def write_report(target: Path, checkpoint: Path, sizes: Mapping[str, object]) -> None:
    """Write path, hash and metadata of a checkpoint that fits, beside sizes of its network."""
    report = {"path": str(checkpoint), "sha256": weights_hash(checkpoint), **sizes}
    write_json(target, report | {"metadata": load_metadata(checkpoint)})
