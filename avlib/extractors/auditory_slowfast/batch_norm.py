"""Batch normalisation in the training of Auditory SlowFast: frozen layers, precise statistics.

Source: Kazakos et al., ICASSP 2021, whose fine-tuned networks keep the batch norms of their
initial weights except the first three.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# The layers that see the new recordings first stay trainable when the others are frozen.
FIRST_LAYERS = ("s1.pathway0_stem.bn", "s1.pathway1_stem.bn", "s1_fuse.bn")


def batch_norms(model: nn.Module) -> dict[str, nn.BatchNorm2d]:
    """Return every batch norm of `model` by its dotted name."""
    return {n: m for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}


def freeze_batch_norm(model: nn.Module) -> None:
    """Take the weights and biases of all batch norms but the first three out of the training."""
    for name, norm in batch_norms(model).items():
        norm.requires_grad_(name in FIRST_LAYERS)


def train_mode(model: nn.Module) -> None:
    """Put `model` in training mode, and its frozen batch norms in evaluation mode.

    A frozen layer normalises by its running statistics and leaves them as they are.
    """
    model.train()
    for norm in batch_norms(model).values():
        norm.train(norm.weight.requires_grad)


@torch.no_grad()
def update_precise_statistics(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace running statistics by those of whole batches, all seen with the present weights.

    With n the values a channel of a layer has in a batch, m their mean and v their unbiased
    variance, over all batches: mean = sum(n m) / sum(n) and
    variance = sum(n (m^2 + v (n - 1) / n)) / sum(n) - mean^2 (as fvcore 0.1.5 computes it).
    Only layers in training mode change; their batch counters do not, and after an exception
    nothing has changed.

    Args:
        model: network in the mode it is trained in.
        batches: inputs of the network, at least one.
    """
    norms = [norm for norm in batch_norms(model).values() if norm.training]
    with _batch_statistics(norms) as totals:
        for batch in batches:
            model(batch)
    for norm, (n, mean_sum, square_sum) in totals.items():
        mean = mean_sum / n
        norm.get_buffer("running_mean").copy_(mean)
        norm.get_buffer("running_var").copy_(square_sum / n - mean**2)


@contextmanager
def _batch_statistics(norms: list[nn.BatchNorm2d]) -> Iterator[dict[nn.BatchNorm2d, Tensor]]:
    """Sum n, n m and n (m^2 + v (n - 1) / n) of every batch that passes: (3, C) for each layer."""
    totals = {
        n: torch.zeros(3, n.num_features, dtype=torch.float64, device=n.weight.device)
        for n in norms
    }

    def accumulate(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        n = inputs[0].numel() // inputs[0].shape[1]
        mean, variance = (norm.get_buffer(k).double() for k in ("running_mean", "running_var"))
        totals[norm] += n * torch.stack(
            [torch.ones_like(mean), mean, mean**2 + variance * (n - 1) / n]
        )

    before = [
        (norm, norm.momentum, {k: b.clone() for k, b in norm.named_buffers()}) for norm in norms
    ]
    hooks = [norm.register_forward_hook(accumulate) for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 1.0  # the running statistics are then those of the last batch
        yield totals
    finally:
        for hook in hooks:
            hook.remove()
        for norm, momentum, buffers in before:
            norm.momentum = momentum
            for name, values in buffers.items():
                norm.get_buffer(name).copy_(values)
