"""A parser of audio-visual events on the videos of two splits, as the training loop sees it."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.errors import ConfigError
from avlib.io.atomic import atomic_path
from avlib.prefetch import prefetched
from avlib.valor.network import BaselineParser, EventParser
from avlib.valor.objective import (
    EpochOrders,
    ParsingBatch,
    ask,
    build_optimizer,
    epoch_rate,
    loss_names,
    losses_of,
    train_step,
)
from avlib.valor.recipes import EventParsingRecipe
from avlib.valor.videos import ParsingVideos

# From probabilities of videos (N, K) and of segments (N, T, 2, K): the score by which epochs are
# compared, published as Type@AV of the segments of `val`, and what is to be logged.
Criterion = Callable[[NDArray[np.float32], NDArray[np.float32]], tuple[float, dict[str, Any]]]

EPOCH_FILE = "checkpoint_epoch_{}.pt"
LATER = 1e-10  # an epoch; far less than what two scores in percent differ by if they do


class EventParsing:
    """What `avlib.training.loop.fit` trains.

    Args:
        model: the network, on its device.
        recipe: how to train it.
        orders: of the videos, by epoch.
        training: videos to learn.
        validation: videos that decide which epoch is best.
        criterion: says how good the answers to these are.
        epochs_folder: for the weights of every epoch; None for none.

    Raises:
        ConfigError: if the network learns segment labels and `training` has none.
    """

    validate_every = 1

    def __init__(
        self,
        model: EventParser,
        recipe: EventParsingRecipe,
        *,
        orders: EpochOrders,
        training: ParsingVideos,
        validation: ParsingVideos,
        criterion: Criterion,
        epochs_folder: Path | None = None,
    ) -> None:
        self.model, self.recipe, self.orders = model, recipe, orders
        self.training, self.validation = training, validation
        self.criterion, self.epochs_folder = criterion, epochs_folder
        if not has_losses(model, training):
            raise ConfigError(
                f"recipe {recipe.name} learns the segment labels of teachers, and the videos have "
                "none; make them, or use recipe han"
            )
        self.device = next(model.parameters()).device
        self.optimizer = build_optimizer(model, recipe)
        self.epochs = recipe.epochs
        self.steps = math.ceil(len(training) / recipe.batch_size)

    def learning_rate(self, epoch: float) -> float:
        """Return the rate at a fractional epoch; it is the same for a whole epoch."""
        return epoch_rate(int(epoch) + 1, self.recipe)

    def batches(self, epoch: int, first_step: int) -> Iterator[ParsingBatch]:
        """Yield the batches of an epoch from `first_step` on; the last one may be smaller."""
        order, size = self.orders(epoch).tolist(), self.recipe.batch_size
        for step in range(first_step, self.steps):
            yield self.training.batch(order[step * size : (step + 1) * size])

    def train_step(self, batch: ParsingBatch) -> dict[str, float]:
        """Update the network once; return losses, weighted by the batch's size, and `grad_norm`."""
        self.model.train()
        values = train_step(
            self.model, self.optimizer, batch.to(self.device), grad_norm=self.recipe.grad_norm
        )
        weight = len(batch.labels) * self.steps / len(self.training)
        return {name: v if name == "grad_norm" else weight * v for name, v in values.items()}

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Return the criterion's score, and what it says besides, with losses if there are labels.

        Where the recipe prefers the later one of equally good epochs, that has a bit more.
        """
        if self.epochs_folder is not None:
            write_checkpoint(
                self.epochs_folder / EPOCH_FILE.format(epoch + 1), self.model.state_dict()
            )
        size = self.recipe.batch_size
        global_prob, frame_prob, losses = predict(self.model, self.validation, size, check)
        score, values = self.criterion(global_prob, frame_prob)
        return score + (LATER * epoch if self.recipe.keeps_later else 0.0), values | losses


@torch.inference_mode()
def predict(
    model: EventParser, videos: ParsingVideos, batch_size: int, check: Callable[[], None]
) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, float]]:
    """Return probabilities of videos (N, K) and segments (N, T, 2, K), and mean losses.

    There are no losses where the videos lack labels that the network learns.

    Args:
        model: on its device.
        videos: one or more.
        batch_size: videos at a time; it does not change the answers beyond rounding.
        check: called after every batch.
    """
    model.eval()
    device = next(model.parameters()).device
    whole, segments, names = [], [], loss_names()
    sums = dict.fromkeys(names if has_losses(model, videos) else [], 0.0)
    parts = (range(i, min(i + batch_size, len(videos))) for i in range(0, len(videos), batch_size))
    for on_cpu in prefetched(videos.batch(part) for part in parts):
        batch = on_cpu.to(device)
        output = ask(model, batch)
        whole.append(output.global_prob.cpu())
        segments.append(output.frame_prob.cpu())
        if sums:
            losses = torch.stack(losses_of(model, output, batch)).tolist()
            for name, loss in zip(names, losses, strict=True):
                sums[name] += loss * len(batch.labels) / len(videos)
        check()
    return torch.cat(whole).numpy(), torch.cat(segments).numpy(), sums


def has_losses(model: EventParser, videos: ParsingVideos) -> bool:
    """Say whether the videos have the labels that a network learns."""
    return isinstance(model, BaselineParser) or videos.segment_labels is not None


def write_checkpoint(target: Path, weights: dict[str, Tensor]) -> None:
    """Write weights as the published program does, a plain state dictionary.

    Equal weights are equal bytes, whatever the file is called.
    """
    weights = {name: tensor.detach().cpu() for name, tensor in weights.items()}
    with atomic_path(target) as partial, partial.open("wb") as file:
        torch.save(weights, file)


def remove_later_epochs(folder: Path, epochs: int) -> None:
    """Remove the weights of epochs after the last one, which are of an earlier, longer training."""
    kept = {EPOCH_FILE.format(epoch + 1) for epoch in range(epochs)}
    for path in folder.glob(EPOCH_FILE.format("*")):
        if path.name not in kept:
            path.unlink()
