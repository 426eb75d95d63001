"""Recognition of labelled sound by Auditory SlowFast, as the training loop sees it."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.prefetch import prefetched
from avlib.training.auditory_slowfast import build_optimizer, train_step
from avlib.training.batch_norm import train_mode, update_precise_statistics
from avlib.training.recipes import Recipe
from avlib.training.schedules import learning_rate
from avlib.training.sound_events import SoundEvents

Metrics = Callable[[NDArray[np.float64], NDArray[np.int64]], dict[str, Any]]


class SoundRecognition:
    """What `avlib.training.loop.fit` trains: the network, on the events of two splits."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        *,
        training: SoundEvents,
        validation: SoundEvents,
        seed: int,
        metrics: Metrics,
    ) -> None:
        self.model, self.recipe, self.seed, self.metrics = model, recipe, seed, metrics
        self.training, self.validation = training, validation
        self.device = next(model.parameters()).device
        self.optimizer = build_optimizer(model, recipe.schedule.base_rate)
        self.epochs, self.validate_every = recipe.schedule.epochs, recipe.validate_every
        turns = math.ceil(recipe.epoch_items / len(training)) or 1
        self.batch_size = min(recipe.batch_size, turns * len(training))
        self.steps = turns * len(training) // self.batch_size  # an incomplete batch is dropped

    def learning_rate(self, epoch: float) -> float:
        """Return the rate at a fractional epoch."""
        return learning_rate(epoch, self.recipe.schedule)

    def batches(self, epoch: int, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch from `first_step` on."""
        steps = range(first_step, self.steps)
        return self.training.crop_batches(
            self.seed, "train", epoch, batch_size=self.batch_size, steps=steps
        )

    def train_step(self, batch: tuple[Tensor, Tensor]) -> float:
        """Update the network once and return the loss."""
        train_mode(self.model)
        log_mel, labels = (x.to(self.device) for x in batch)
        return train_step(self.model, self.optimizer, log_mel, labels)

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Make the statistics of the batch norms precise, and evaluate.

        Statistics matter in evaluation only, so other epochs do without.
        """
        train_mode(self.model)
        update_precise_statistics(self.model, self._precise_batches(epoch, check))
        values = self.evaluate(self.validation, check)
        return values["top1"], _overall(values)

    def _precise_batches(self, epoch: int, check: Callable[[], None]) -> Iterator[Tensor]:
        steps = range(min(self.steps, self.recipe.precise_batches))
        for log_mel, _ in prefetched(
            self.training.crop_batches(
                self.seed, "precise", epoch, batch_size=self.batch_size, steps=steps
            )
        ):
            yield log_mel.to(self.device)
            check()

    def evaluate(self, events: SoundEvents, check: Callable[[], None]) -> dict[str, Any]:
        """Return the metrics of a split; those of each head, and `top1` of all, if there are two.

        An event counts for `top1` when every head is right.
        """
        probs = self.predict(events, check)
        by_head = [self.metrics(p, events.labels[:, i]) for i, p in enumerate(probs)]
        if len(by_head) == 1:
            return by_head[0]
        right = [p.argmax(axis=1) == events.labels[:, i] for i, p in enumerate(probs)]
        joint = float(np.all(right, axis=0).mean())
        return {"top1": joint, **dict(zip(self.recipe.heads, by_head, strict=True))}

    @torch.inference_mode()
    def predict(
        self, events: SoundEvents, check: Callable[[], None]
    ) -> tuple[NDArray[np.float64], ...]:
        """Return the probabilities of each head, averaged over the views: ((N, K), ...)."""
        self.model.eval()
        sums: list[NDArray[np.float64]] = []
        n_views = np.zeros((len(events), 1))
        for indices, log_mel in prefetched(
            events.view_batches(self.recipe.views, self.recipe.batch_size)
        ):
            logits = self.model(log_mel.to(self.device))
            sums = sums or [np.zeros((len(events), x.shape[1])) for x in logits]
            for total, x in zip(sums, logits, strict=True):
                np.add.at(total, indices, x.softmax(dim=1).cpu().numpy())
            np.add.at(n_views, indices, 1)
            check()
        return tuple(total / n_views for total in sums)


def _overall(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return metrics, of all heads, without the figures of single classes."""
    return {
        name: _overall(value) if isinstance(value, dict) else value
        for name, value in metrics.items()
        if name != "per_class"
    }
