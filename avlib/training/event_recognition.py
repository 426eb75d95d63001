"""Recognition of labelled events, whatever the network: the task of the loop and its training."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from avlib.evaluation.recognition import recognition_metrics
from avlib.io.atomic import write_json
from avlib.io.json_files import read_json
from avlib.io.weights import save_weights
from avlib.prefetch import prefetched
from avlib.training.events import LabelledEvents, validation_split
from avlib.training.loop import fit
from avlib.training.recipes import BaseRecipe
from avlib.training.schedules import learning_rate
from avlib.training.state import remove_states, state_key


class EventRecognition(ABC):
    """What `avlib.training.loop.fit` trains: a network, on the events of two splits.

    Args:
        model: maps inputs (B, ...) to logits (B, K), or to a tuple of them, one a head.
        optimizer: what updates it.
        recipe: how it is trained.
        splits: events by split, as of `split_events`: those of `train` train, and those of the
            validation split select the best weights.
        seed: of all draws.
    """

    title: str

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        recipe: BaseRecipe,
        *,
        splits: Mapping[str, LabelledEvents],
        seed: int,
    ) -> None:
        self.model, self.optimizer, self.schedule = model, optimizer, recipe.schedule
        self.heads, self.views, self.seed = recipe.heads, recipe.views, seed
        self.splits, self.validated_on = splits, validation_split(splits)
        self.training, self.validation = splits["train"], splits[self.validated_on]
        self.device = next(model.parameters()).device
        self.epochs, self.validate_every = recipe.schedule.epochs, recipe.validate_every
        n_items = len(self.training)
        turns = math.ceil(recipe.epoch_items / n_items) or 1
        self.eval_batch_size = recipe.batch_size
        self.batch_size = min(recipe.batch_size, turns * n_items)
        self.steps = turns * n_items // self.batch_size  # an incomplete batch is dropped

    def learning_rate(self, epoch: float) -> float:
        """Return the rate at a fractional epoch."""
        return learning_rate(epoch, self.schedule)

    def batches(self, epoch: int, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch from `first_step` on."""
        steps = range(first_step, self.steps)
        return self.training.crop_batches(
            self.seed, "train", epoch, batch_size=self.batch_size, steps=steps
        )

    @abstractmethod
    def train_step(self, batch: tuple[Tensor, Tensor]) -> float | Mapping[str, float]:
        """Update the network once and return the loss, or `loss` and others by their names."""

    def weights(self) -> dict[str, Tensor]:
        """Return the network's weights under the names that they are saved by."""
        return {name: tensor.cpu() for name, tensor in self.model.state_dict().items()}

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Return the accuracy on the validation events, and all that is to be logged.

        The logged `loss` is the cross-entropy of the predictions, the mean over the heads.
        Of equal accuracies, which a small split often has, the one with the higher mean
        probability of the true class is better: it adds less to the score than one event does.
        """
        labels = self.validation.labels
        probs = self.predict(self.validation, check)
        values = self._metrics(probs, self.validation)
        true_class = [np.take_along_axis(p, labels[:, [i]], axis=1) for i, p in enumerate(probs)]
        confidence = float(np.mean(true_class))
        loss = -float(np.mean(np.log(np.maximum(true_class, np.finfo(np.float64).tiny))))
        return values["top1"] + confidence / len(labels), overall(values) | {"loss": loss}

    def evaluate(self, events: LabelledEvents, check: Callable[[], None]) -> dict[str, Any]:
        """Return the metrics of a split; those of each head, and `top1` of all, if there are two.

        An event counts for `top1` when every head is right.
        """
        return self._metrics(self.predict(events, check), events)

    def _metrics(
        self, probs: tuple[NDArray[np.float64], ...], events: LabelledEvents
    ) -> dict[str, Any]:
        by_head = [recognition_metrics(p, events.labels[:, i]) for i, p in enumerate(probs)]
        if len(by_head) == 1:
            return by_head[0]
        right = [p.argmax(axis=1) == events.labels[:, i] for i, p in enumerate(probs)]
        joint = float(np.all(right, axis=0).mean())
        return {"top1": joint, **dict(zip(self.heads, by_head, strict=True))}

    def predict(
        self, events: LabelledEvents, check: Callable[[], None]
    ) -> tuple[NDArray[np.float64], ...]:
        """Return the probabilities of each head, averaged over the views: ((N, K), ...)."""
        return predict_events(
            self.model, events, views=self.views, batch_size=self.eval_batch_size, check=check
        )


@torch.inference_mode()
def predict_events(
    model: nn.Module,
    events: LabelledEvents,
    *,
    views: int,
    batch_size: int,
    check: Callable[[], None],
) -> tuple[NDArray[np.float64], ...]:
    """Return the probabilities of each head of a network, averaged over the views.

    Args:
        model: as of `EventRecognition`; left in evaluation mode.
        events: N of them.
        views: of each event, evenly spread over it.
        batch_size: inputs at a time.
        check: called after every batch; may raise.

    Returns:
        (N, K) for each head.
    """
    model.eval()
    device = next(model.parameters()).device
    sums: list[NDArray[np.float64]] = []
    n_views = np.zeros((len(events), 1))
    for indices, inputs in prefetched(events.view_batches(views, batch_size)):
        logits = model(inputs.to(device))
        logits = (logits,) if isinstance(logits, Tensor) else logits
        sums = sums or [np.zeros((len(events), x.shape[1])) for x in logits]
        for total, x in zip(sums, logits, strict=True):
            np.add.at(total, indices, x.softmax(dim=1).cpu().numpy())
        np.add.at(n_views, indices, 1)
        check()
    return tuple(total / n_views for total in sums)


def overall(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return metrics, of all heads, without the figures of single classes."""
    return {
        name: overall(value) if isinstance(value, dict) else value
        for name, value in metrics.items()
        if name != "per_class"
    }


@dataclass(frozen=True)
class Outputs:
    """Where a training writes.

    Attributes:
        state_directory: its state after every epoch; emptied at the end.
        model_path: safetensors file of the best weights.
        log_path: JSON lines, one an epoch.
        metrics_path: JSON file with the metrics of the best weights, and counts of events.
    """

    state_directory: Path
    model_path: Path
    log_path: Path
    metrics_path: Path


@dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """What a training on a study's events reads.

    Attributes:
        events: table of events.
        classes: JSON file with the names of the classes of each head.
        packs: audio or frames of the videos.
        rate: samples or frames per second of the packs.
        initial_weights: checkpoint to begin with; None: random weights.
    """

    events: Path
    classes: Path
    packs: Sequence[Path]
    rate: int
    initial_weights: Path | None = None


def read_classes(path: Path) -> dict[str, list[str]]:
    """Return the names of the classes of each head, by column; position = class number."""
    classes: dict[str, list[str]] = read_json(path)
    return classes


def train_on_events(
    task: EventRecognition,
    outputs: Outputs,
    *,
    settings: object,
    classes: Mapping[str, Sequence[str]],
    description: Mapping[str, Any],
) -> None:
    """Train, keep the weights that are best in validation, and describe them.

    Args:
        task: what is trained.
        outputs: files to write.
        settings: what decides the result beside seed, first weights, device and events; a
            training that was interrupted under other settings begins anew.
        classes: names of the classes of each head; metadata of the weights.
        description: more metadata, which is also in the metrics.

    Raises:
        ConfigError: if the loss is no longer finite.
    """
    splits, key = task.splits, _state_key(task, settings)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        progress = fit(task, directory=outputs.state_directory, key=key, log=outputs.log_path)
        task.model.load_state_dict(progress.best_model)
        scored = {s: splits[s] for s in (task.validated_on, "test") if len(splits[s])}
        results = {split: task.evaluate(part, lambda: None) for split, part in scored.items()}
    metadata = {"classes": json.dumps(classes, ensure_ascii=False)}
    metadata |= {name: str(value) for name, value in description.items()}
    save_weights(outputs.model_path, task.weights(), metadata)
    counts = {
        "events": {split: len(part) for split, part in splits.items()},
        "events_left_out": {split: part.n_left_out for split, part in splits.items()},
    }
    chosen = {"best_epoch": progress.best_epoch, "validated_on": task.validated_on}
    summary = {**description, "seed": task.seed, **chosen, "metrics": results, "counts": counts}
    write_json(outputs.metrics_path, summary)
    remove_states(outputs.state_directory)


def _state_key(task: EventRecognition, settings: object) -> str:
    """Return the key of everything that decides the result."""
    weights = task.model.state_dict()
    return state_key(
        [
            repr((settings, task.seed, task.device, *weights)).encode(),
            *(tensor.cpu().numpy().tobytes() for tensor in weights.values()),
            *(part for events in task.splits.values() for part in events.fingerprint()),
        ]
    )
