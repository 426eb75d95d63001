"""First weights and optimiser in the training of a narrow Omnivore."""

import math
import re

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from avlib.extractors.omnivore.network import Omnivore
from avlib.seeds import generator

DEVIATION = 0.02  # of the classifier and the tables of relative positions, as published


def initialise(model: Omnivore, seed: int) -> None:
    """Fill `model` with random first weights.

    Layers of the trunk are uniform within sqrt(6 / (fan-in + fan-out)), with which a narrow
    network learns sooner than with the published deviation of 0.02; biases are 0 and norms 1.
    """
    with torch.no_grad():
        for name, module in model.named_modules():
            for part, parameter in module.named_parameters(recurse=False):
                rng = generator(seed, "initial weights", _name_of_draws(name), part)
                if parameter.ndim == 1:
                    is_scale = isinstance(module, nn.LayerNorm) and part == "weight"
                    parameter.fill_(1.0 if is_scale else 0.0)
                elif name == "head" or part == "relative_position_bias_table":
                    values = DEVIATION * rng.standard_normal(tuple(parameter.shape))
                    parameter.copy_(torch.from_numpy(values))
                else:
                    fan_out, fan_in = parameter.shape[0], math.prod(parameter.shape[1:])
                    bound = math.sqrt(6 / (fan_in + fan_out))
                    values = rng.uniform(-bound, bound, tuple(parameter.shape))
                    parameter.copy_(torch.from_numpy(values))


def _name_of_draws(name: str) -> str:
    """Return the name that seeds the draws of a layer.

    It is the layer's in torchvision, by which trained networks were drawn at first: their bytes
    are still the same.
    """

    def features(match: re.Match[str]) -> str:
        return f"features.{2 * int(match[1]) + (match[2] == 'downsample')}"

    name = re.sub(r"layers\.(\d+)\.(blocks|downsample)", features, name)
    return name.replace(".mlp.fc1", ".mlp.0").replace(".mlp.fc2", ".mlp.3")


def build_optimizer(model: nn.Module, rate: float, weight_decay: float) -> Optimizer:
    """Return AdamW; biases, norms and tables of relative positions have no weight decay."""
    trained = list(model.named_parameters())
    decayed = [p for name, p in trained if p.ndim > 1 and not name.endswith("bias_table")]
    others = [p for name, p in trained if p.ndim == 1 or name.endswith("bias_table")]
    return AdamW(
        [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=rate,
    )
