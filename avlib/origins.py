"""How the weights of a network came to be: one record for every network of every paper."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avlib.packages import WEIGHTS

# Named in the configuration; trained on the study's own train split; written by `make weights` from
# a package; random; none, where features are computed without any.
Origin = Literal["given", "trained", "packaged", "untrained", "none"]


@dataclass(frozen=True)
class Weights:
    """Where the weights of a network come from.

    Attributes:
        network: its name below `model/` in the study's results.
        origin: how they were made.
        path: the file of weights that are given or packaged; None for all others.
    """

    network: str
    origin: Origin
    path: Path | None = None


def configured_weights(
    network: str, value: Path | str | None, package: str | None = None
) -> Weights:
    """Return what a key of `checkpoints` says.

    Args:
        network: its name.
        value: a path, `untrained`, or None for packaged weights, or where there are none, trained.
        package: file below WEIGHTS that holds packaged weights of the network.
    """
    if isinstance(value, Path):
        return Weights(network, "given", value)
    if value is not None:
        return Weights(network, "untrained")
    if package is not None:
        return Weights(network, "packaged", WEIGHTS / package)
    return Weights(network, "trained")
