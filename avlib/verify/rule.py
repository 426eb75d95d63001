"""Weights by rule: both sides of a comparison draw the same numbers from names.

The generator of a tensor is numpy's default generator seeded with [seed, crc32(name)]. So no
weights need to be shipped with golden cases; networks whose parameters carry the same names and
shapes get the same weights, and must then give the same outputs.
"""

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from avlib.io.renaming import Renaming

OWN_NAMES = Renaming({})
STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Fill:
    """Weights by rule.

    Attributes:
        seed: of the rule.
        gain: factor of every parameter of two or more dimensions.
        scale: further factors of parameters, by full published name.
    """

    seed: int
    gain: float = 1.0
    scale: Mapping[str, float] = field(default_factory=dict)


def rule_values(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float64]:
    """Return the rule's values for the tensor `name`, which has at least one dimension."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if name.endswith("running_mean"):
        return 0.1 * rng.standard_normal(shape)
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape)
    if len(shape) >= 2:
        fan_in = max(1, math.prod(shape) // shape[0])
        return rng.standard_normal(shape) / np.sqrt(fan_in)
    if name.endswith("bias"):
        return 0.1 * rng.standard_normal(shape)
    return rng.uniform(0.5, 1.5, shape)  # scales of norms


@torch.no_grad()
def fill_by_rule(model: nn.Module, fill: Fill, names: Renaming = OWN_NAMES) -> None:
    """Fill the trained parameters and the batch-norm statistics of `model` in place.

    Scalars, other buffers and parameters without gradient stay as they are.

    Raises:
        ValueError: if no parameter has the name of a factor.
    """
    kept = {name for name, _ in model.named_buffers() if not name.endswith(STATISTICS)}
    kept |= {name for name, p in model.named_parameters() if not p.requires_grad}
    shapes = names.published({n: t.to("meta") for n, t in model.state_dict().items()})
    drawn = {}
    for name, tensor in shapes.items():
        if (
            tensor.ndim
            and tensor.is_floating_point()
            and kept.isdisjoint(names.own({name: tensor}))
        ):
            values = torch.from_numpy(rule_values(name, tuple(tensor.shape), fill.seed)).float()
            if not name.endswith(STATISTICS):
                values *= (fill.gain if values.ndim > 1 else 1.0) * fill.scale.get(name, 1.0)
            drawn[name] = values
    if unknown := [n for n in fill.scale if n not in drawn or n.endswith(STATISTICS)]:
        raise ValueError(f"the network has no parameter {sorted(unknown)}")
    model.load_state_dict(names.own(drawn), strict=False)


def renaming(model: nn.Module, published_name: Callable[[str], str]) -> Renaming:
    """Return the published names of the tensors of `model`."""
    return Renaming({name: published_name(name) for name in model.state_dict()})
