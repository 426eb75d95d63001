"""Weights and inputs by rule: both sides of a comparison draw the same numbers from names.

The generator of a tensor is numpy's default generator seeded with [seed, crc32(name)]. So no
weights need to be shipped with golden cases; networks whose parameters carry the same names and
shapes get the same weights, and must then give the same outputs.
"""

import math
import re
import zlib
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

DESCRIBED_INPUT = re.compile(
    r"(?:(?P<factor>[\d.]+) \* )?"
    r"rule_input\('(?P<name>[^']*)', \((?P<shape>[\d, ]+)\), "
    r"(?P<seed>\d+)(?:, (?P<scale>[\d.]+))?\)"
)


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


def rule_input(
    name: str, shape: tuple[int, ...], seed: int, scale: float = 1.0
) -> NDArray[np.float32]:
    """Return the input tensor of that name: standard normal times `scale`."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def described_input(text: str) -> NDArray[np.float32]:
    """Return what `text` describes, such as `3 * rule_input('name', (5, 128), 0)`.

    Raises:
        ValueError: if it describes something else.
    """
    found = DESCRIBED_INPUT.fullmatch(text)
    if not found:
        raise ValueError(f"not the description of an input: {text!r}")
    shape = tuple(int(size) for size in re.findall(r"\d+", found["shape"]))
    drawn = rule_input(found["name"], shape, int(found["seed"]), float(found["scale"] or 1))
    return drawn * np.float32(found["factor"] or 1)


def rule_wave(kind: str, n: int, sample_rate: int, name: str, seed: int) -> NDArray[np.float32]:
    """Return a recording (n,) of a kind, whose noise is that of the name.

    Raises:
        ValueError: if the kind is unknown.
    """
    t = np.arange(n, dtype=np.float64) / sample_rate
    noise = rule_input(name, (n,), seed).astype(np.float64)
    click = np.where(np.arange(n) == n // 3, 0.9, 0.0)
    low, high = (a * np.sin(2 * np.pi * f * t) for a, f in ((0.4, 440.0), (0.2, 3000.0)))
    kinds = {
        "noise": 0.1 * noise,
        "tone": low + high + 1e-3 * noise,
        "chirp": 0.5 * np.sin(2 * np.pi * (100.0 * t + 900.0 * t * t)) + 5e-3 * noise,
        "decay": np.exp(-6.0 * t) * 0.3 * noise,
        "silence": np.zeros(n),
        "click": click,
    }
    if kind not in kinds:
        raise ValueError(f"unknown kind of recording {kind!r}")
    return kinds[kind].astype(np.float32)


def rule_frames(n: int, height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Return the frames of a moving pattern: (n, height, width, 3)."""
    i, y, x, c = np.ogrid[:n, :height, :width, :3]
    pattern = 3 * x + 5 * y + 7 * i + 61 * c + (x * y) // 16 + 13 * seed
    return (pattern % 256).astype(np.uint8)
