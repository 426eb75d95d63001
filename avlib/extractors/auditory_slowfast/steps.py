"""Weights and steps in the training of Auditory SlowFast.

Source: Kazakos et al., "Slow-Fast Auditory Streams for Audio Recognition", ICASSP 2021.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Optimizer

from avlib.seeds import generator

WEIGHT_DECAY = 1e-4
MOMENTUM = 0.9


def initialise(model: nn.Module, seed: int) -> None:
    """Fill `model` with the published random initial weights.

    Convolutions are normal with variance 2 / fan-out, linear layers normal with deviation 0.01
    and no bias; the last batch norm of each residual block scales by 0, all others by 1.
    """
    for name, module in model.named_modules():
        rng = generator(seed, "initial weights", name)
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * math.prod(module.kernel_size)
            _fill_normal(module.weight, math.sqrt(2 / fan_out), rng)
        elif isinstance(module, nn.Linear):
            _fill_normal(module.weight, 0.01, rng)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 0.0 if name.endswith("c_bn") else 1.0)
            nn.init.zeros_(module.bias)


def _fill_normal(weight: Tensor, deviation: float, rng: np.random.Generator) -> None:
    with torch.no_grad():
        weight.copy_(torch.from_numpy(deviation * rng.standard_normal(tuple(weight.shape))))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return what is trained: batch norms without weight decay, then all others with it."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    norms = [p for name, p in trained if "bn" in name]
    others = [p for name, p in trained if "bn" not in name]
    return [
        {"params": norms, "weight_decay": 0.0},
        {"params": others, "weight_decay": weight_decay},
    ]


def build_optimizer(model: nn.Module, rate: float) -> Optimizer:
    """Return stochastic gradient descent with Nesterov momentum, as in all recipes."""
    groups = parameter_groups(model, WEIGHT_DECAY)
    return SGD(groups, lr=rate, momentum=MOMENTUM, nesterov=True)


def train_step(model: nn.Module, optimizer: Optimizer, log_mel: Tensor, labels: Tensor) -> float:
    """Take one step; return the loss, the mean of the cross-entropies of the heads.

    Shape:
        log_mel: (B, 1, T, F).
        labels: (B, heads), class numbers.
    """
    logits = model(log_mel)
    losses = [functional.cross_entropy(x, labels[:, i]) for i, x in enumerate(logits)]
    loss = torch.stack(losses).mean()
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()
