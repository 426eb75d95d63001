"""How the weights of a network came to be: one record for every network of every paper."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Named in the configuration; trained on the study's own train split; part of an installed package;
# random.
Origin = Literal["given", "trained", "packaged", "untrained"]


@dataclass(frozen=True)
class Weights:
    """Where the weights of a network come from.

    Attributes:
        network: its name below `model/` in the study's results.
        origin: how they were made.
        path: the file of weights that are given; None for all others.
    """

    network: str
    origin: Origin
    path: Path | None = None


def configured_weights(network: str, value: Path | str | None) -> Weights:
    """Return what a key of `checkpoints` says: a path, `untrained`, or None for trained weights."""
    if isinstance(value, Path):
        return Weights(network, "given", value)
    return Weights(network, "trained" if value is None else "untrained")
