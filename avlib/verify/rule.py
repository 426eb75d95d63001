"""Weights by rule: both sides of a comparison draw the same numbers from names.

The generator of a tensor is numpy's default generator seeded with [seed, crc32(name)]. So no
weights need to be shipped with golden cases; networks whose parameters carry the same names and
shapes get the same weights, and must then give the same outputs.
"""

import math
import zlib
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray


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
def fill_by_rule(model: torch.nn.Module, seed: int, names: Callable[[str], str] = str) -> None:
    """Fill the trained parameters and the batch-norm statistics of `model` in place.

    Scalars, other buffers and parameters without gradient stay as they are.

    Args:
        model: network to fill.
        seed: of the rule.
        names: what the rule calls a tensor of the model.
    """
    tensors: list[tuple[str, torch.Tensor]] = [
        (name, p) for name, p in model.named_parameters() if p.requires_grad
    ]
    tensors += [
        (name, b)
        for name, b in model.named_buffers()
        if name.endswith(("running_mean", "running_var"))
    ]
    for name, tensor in tensors:
        if tensor.ndim and tensor.is_floating_point():
            values = rule_values(names(name.removeprefix("module.")), tuple(tensor.shape), seed)
            tensor.copy_(torch.from_numpy(values))
