"""First weights, optimiser, training step and loss of the soundtrack networks.

Source: the published soundtrack classifiers of Kinetics-600; AdamW is Loshchilov and Hutter,
"Decoupled Weight Decay Regularization", ICLR 2019.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, AdamW, Optimizer

from avlib.seeds import generator
from avlib.soundtracks.network import VGG
from avlib.soundtracks.recipes import SoundtrackRecipe


def initialise(model: nn.Module, seed: int) -> None:
    """Fill `model` with the published random first weights.

    Convolutions are normal with variance 2 / fan-out and have no bias; linear layers of a VGG
    network are normal with deviation 0.01 and no bias, those of others uniform within
    1 / sqrt(fan-in), their biases too. Norms scale by 1.
    """
    for name, module in model.named_modules():
        rng = generator(seed, "initial weights", name)
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * math.prod(module.kernel_size)
            _fill(module.weight, math.sqrt(2 / fan_out) * rng.standard_normal(module.weight.shape))
        elif isinstance(module, nn.Linear) and isinstance(model, VGG):
            _fill(module.weight, 0.01 * rng.standard_normal(module.weight.shape))
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            _fill(module.weight, rng.uniform(-bound, bound, module.weight.shape))
            _fill(module.bias, rng.uniform(-bound, bound, module.bias.shape))
            continue
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def _fill(parameter: Tensor, values: NDArray[np.float64]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))


def build_optimizer(model: nn.Module, recipe: SoundtrackRecipe) -> Optimizer:
    """Return the recipe's optimiser; biases and norms have no weight decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rate = recipe.schedule.base_rate
    if recipe.optimizer == "adamw":
        return AdamW(groups, lr=rate)
    return SGD(groups, lr=rate, momentum=recipe.momentum)


def train_step(
    model: nn.Module,
    optimizer: Optimizer,
    images: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    clips_together: int = 1,
) -> tuple[float, Tensor]:
    """Take one step; return the loss, and the logits (B, K) before it.

    Args:
        model: the network, in training mode.
        optimizer: of its parameters.
        images: (B, N_MELS, N_FRAMES), dB in [-80, 0].
        targets: class numbers (B,), or the share of each class (B, K).
        label_smoothing: share of a target that is spread over all classes.
        clips_together: as in `grouped_loss`.
    """
    logits = model(images)
    loss = grouped_loss(logits, targets, clips_together, label_smoothing=label_smoothing)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item(), logits.detach()


def grouped_loss(
    logits: Tensor, targets: Tensor, clips_together: int, *, label_smoothing: float
) -> Tensor:
    """Return the mean of the cross-entropies of clips and of the mean logits of each group.

    A soundtrack's score is the mean over its clips, so that a clip with little information should
    have small logits.

    Args:
        logits: (B, K), successive groups of `clips_together` clips of one soundtrack.
        targets: as in `train_step`, the same for all clips of a group.
        clips_together: clips a group; with 1 the loss is that of the clips.
        label_smoothing: as in `train_step`.
    """
    loss = functional.cross_entropy(logits, targets, label_smoothing=label_smoothing)
    if clips_together == 1:
        return loss
    means = logits.reshape(-1, clips_together, logits.shape[1]).mean(dim=1)
    of_means = functional.cross_entropy(
        means, targets[::clips_together], label_smoothing=label_smoothing
    )
    return (loss + of_means) / 2


def top_k_share(logits: Tensor, labels: Tensor, k: int) -> float:
    """Return the share of items (B, K) whose class (B,) is among the `k` highest logits."""
    highest = logits.topk(min(k, logits.shape[1])).indices  # (B, k)
    return (highest == labels[:, None]).any(dim=1).double().mean().item()
