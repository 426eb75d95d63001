"""What the weights of all networks have in common: random ones, and the report on given ones."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from avlib.extractors.structure import naming_structure
from avlib.io.atomic import write_json
from avlib.io.hashes import weights_hash
from avlib.io.metadata import load_metadata
from avlib.io.renaming import without_weights

logger = logging.getLogger(__name__)

N = TypeVar("N", bound=nn.Module)
Network = TypeVar("Network")


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


def load_or_draw(
    checkpoint: Path | None, load: Callable[[Path], Network], draw: Callable[[], Network]
) -> Network:
    """Return the network of a checkpoint; without one, and with a warning, that of `draw`."""
    if checkpoint is not None:
        return load(checkpoint)
    logger.warning("random weights: these features are meaningless")
    return draw()


def allow_tf32(is_allowed: bool) -> None:
    """Let a GPU round factors of products to 10 bits, or not."""
    torch.backends.cuda.matmul.allow_tf32 = is_allowed
    torch.backends.cudnn.allow_tf32 = is_allowed


def build_network(build: Callable[[], N], checkpoint: Path) -> N:
    """Return the network that `build` makes, as `without_weights`.

    Raises:
        CheckpointError: if it cannot be made of the described structure.
    """
    with naming_structure(checkpoint):
        return without_weights(build)


def write_report(target: Path, checkpoint: Path, sizes: Mapping[str, object]) -> None:
    """Write path, hash and metadata of a checkpoint that fits, beside sizes of its network."""
    report = {"path": str(checkpoint), "sha256": weights_hash(checkpoint), **sizes}
    write_json(target, report | {"metadata": load_metadata(checkpoint)})
