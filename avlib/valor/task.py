"""The parser as a task of the training loop: batches, steps and validation on two splits."""

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
    ParserBatch,
    build_optimizer,
    epoch_rate,
    loss_names,
    parser_losses,
    run_parser,
    train_step,
)
from avlib.valor.recipes import ParserRecipe
from avlib.valor.videos import ParserVideos

# From probabilities of videos (N, K) and of segments (N, T, 2, K) to the score that selects the
# best epoch (published: Type@AV of segments of `val`) and what is logged.
ParserCriterion = Callable[[NDArray[np.float32], NDArray[np.float32]], tuple[float, dict[str, Any]]]

EPOCH_FILE = "checkpoint_epoch_{}.pt"
LATER = 1e-10  # per epoch; far below any difference between two scores in percent


class ParserTask:
    """A parser, as `avlib.training.loop.fit` trains it.

    Args:
        model: network, on its device.
        recipe: hyperparameters.
        orders: order of the training videos in each epoch.
        training: videos to train on.
        validation: videos that the epochs are compared on.
        criterion: score of the predictions for `validation`.
        epochs_folder: folder for the weights of every epoch; None: not kept.

    Raises:
        ConfigError: if the network needs pseudo labels and `training` has none.
    """

    validate_every = 1

    def __init__(
        self,
        model: EventParser,
        recipe: ParserRecipe,
        *,
        orders: EpochOrders,
        training: ParserVideos,
        validation: ParserVideos,
        criterion: ParserCriterion,
        epochs_folder: Path | None = None,
    ) -> None:
        self.title, self.seed = recipe.name, recipe.seed
        self.model, self.recipe, self.orders = model, recipe, orders
        self.training, self.validation = training, validation
        self.criterion, self.epochs_folder = criterion, epochs_folder
        if not has_losses(model, training):
            raise ConfigError(
                f"recipe {recipe.name} is trained on pseudo labels and the videos have none; "
                "make them, or use recipe han"
            )
        self.device = next(model.parameters()).device
        self.optimizer = build_optimizer(model, recipe)
        self.epochs = recipe.epochs
        self.steps = math.ceil(len(training) / recipe.batch_size)

    def learning_rate(self, epoch: float) -> float:
        """Return the learning rate at a fractional epoch; it is constant within an epoch."""
        return epoch_rate(int(epoch) + 1, self.recipe)

    def batches(self, epoch: int, first_step: int) -> Iterator[ParserBatch]:
        """Yield the batches of an epoch, starting at `first_step`; the last one may be smaller."""
        order, size = self.orders(epoch).tolist(), self.recipe.batch_size
        for step in range(first_step, self.steps):
            yield self.training.batch(order[step * size : (step + 1) * size])

    def train_step(self, batch: ParserBatch) -> dict[str, float]:
        """Update the network once; return losses, weighted by batch size, and `grad_norm`."""
        self.model.train()
        values = train_step(
            self.model, self.optimizer, batch.to(self.device), grad_norm=self.recipe.grad_norm
        )
        weight = len(batch.labels) * self.steps / len(self.training)
        return {name: v if name == "grad_norm" else weight * v for name, v in values.items()}

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Return the score of the criterion, and what it logs, with losses if there are labels.

        If the recipe prefers the later of equally good epochs, the score grows by LATER per epoch.
        """
        if self.epochs_folder is not None:
            write_checkpoint(
                self.epochs_folder / EPOCH_FILE.format(epoch + 1), self.model.state_dict()
            )
        size = self.recipe.batch_size
        global_prob, frame_prob, losses = predict_videos(self.model, self.validation, size, check)
        score, values = self.criterion(global_prob, frame_prob)
        return score + (LATER * epoch if self.recipe.keeps_later else 0.0), values | losses


@torch.inference_mode()
def predict_videos(
    model: EventParser, videos: ParserVideos, batch_size: int, check: Callable[[], None]
) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, float]]:
    """Return probabilities of videos (N, K) and segments (N, T, 2, K), and mean losses.

    There are no losses if the videos lack the labels that the network is trained on.

    Args:
        model: network, on its device.
        videos: one or more.
        batch_size: videos per batch; it does not change the output beyond rounding.
        check: called after every batch.
    """
    model.eval()
    device = next(model.parameters()).device
    whole, segments, names = [], [], loss_names()
    sums = dict.fromkeys(names if has_losses(model, videos) else [], 0.0)
    parts = (range(i, min(i + batch_size, len(videos))) for i in range(0, len(videos), batch_size))
    for on_cpu in prefetched(videos.batch(part) for part in parts):
        batch = on_cpu.to(device)
        output = run_parser(model, batch)
        whole.append(output.global_prob.cpu())
        segments.append(output.frame_prob.cpu())
        if sums:
            losses = torch.stack(parser_losses(model, output, batch)).tolist()
            for name, loss in zip(names, losses, strict=True):
                sums[name] += loss * len(batch.labels) / len(videos)
        check()
    return torch.cat(whole).numpy(), torch.cat(segments).numpy(), sums


def has_losses(model: EventParser, videos: ParserVideos) -> bool:
    """Return whether the videos have the labels that a network is trained on."""
    return isinstance(model, BaselineParser) or videos.segment_labels is not None


def write_checkpoint(target: Path, weights: dict[str, Tensor]) -> None:
    """Write weights as a plain state dictionary, as the published program does.

    Equal weights give equal bytes, whatever the name of the file.
    """
    weights = {name: tensor.detach().cpu() for name, tensor in weights.items()}
    with atomic_path(target) as partial, partial.open("wb") as file:
        torch.save(weights, file)


def remove_later_epochs(folder: Path, epochs: int) -> None:
    """Remove the weights of later epochs, left by an earlier and longer training."""
    kept = {EPOCH_FILE.format(epoch + 1) for epoch in range(epochs)}
    for path in folder.glob(EPOCH_FILE.format("*")):
        if path.name not in kept:
            path.unlink()
