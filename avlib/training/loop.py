"""The training loop: steps, validation, best weights, log, resume."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from avlib.errors import ConfigError
from avlib.io.atomic import atomic_path
from avlib.prefetch import prefetched
from avlib.progress import progress
from avlib.seeds import generator
from avlib.training.state import Interruption, Progress, load_state, save_state
from avlib.training.team import ALONE, Team

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")


class Task(Protocol[Batch]):
    """What is trained, as the loop sees it."""

    title: str  # names the network in bars and logs
    seed: int  # of all random draws
    device: torch.device
    epochs: int
    steps: int  # an epoch
    validate_every: int  # epochs; the last one is always validated

    @property
    def model(self) -> nn.Module:
        """The network."""

    @property
    def optimizer(self) -> Optimizer:
        """What updates it."""

    def learning_rate(self, epoch: float) -> float:
        """Return the rate at a fractional epoch."""

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from `first_step` on, the same ones at each call."""

    def train_step(self, batch: Batch) -> float | Mapping[str, float]:
        """Update the model once and return the loss, or `loss` and its parts by their names."""

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Return the score that decides which weights are best, and what to log.

        `check` is called between two batches; an exception that it raises passes through.
        """


def fit(
    task: Task[Any],
    *,
    directory: Path,
    key: str,
    log: Path,
    patience: int | None = None,
    team: Team = ALONE,
    watch: Callable[[dict[str, Any]], None] | None = None,
) -> Progress:
    """Train from the newest state in `directory`, or from the start, to the last epoch.

    The state is saved after every epoch, and where SIGTERM or SIGINT ends the process (status
    143). An interrupted run ends in the bytes of an undisturbed one.

    Args:
        task: what is trained.
        directory: where states are kept.
        key: names the configuration and the data; states of another key are not resumed.
        log: JSON lines, one an epoch, as `_finish_epoch` makes them.
        patience: epochs without a better validation after which the training ends; None: never.
        team: the processes that train together; the first of them writes.
        watch: called with each new line of the log.

    Raises:
        ConfigError: if the loss is no longer finite.
    """
    state = load_state(directory, key, task.model, task.optimizer)
    save = partial(save_state, directory, key, task.model, task.optimizer, state)
    with Interruption(team.any, save if team.is_first else None) as interruption:
        for entry in _epochs(task, state, patience, interruption.check):
            if team.is_first:
                save()
                _write_log(log, state)
                if watch is not None:
                    watch(entry)
            interruption.check()
    if team.is_first:
        _write_log(log, state)  # also where all epochs were finished before
    return state


def _epochs(
    task: Task[Any], state: Progress, patience: int | None, check: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """Train, and yield what there is to log after each epoch."""
    while state.epoch < task.epochs:
        if patience is not None and state.epoch - state.best_epoch > patience:
            return
        _train_epoch(task, state, check)
        _finish_epoch(task, state, check)
        yield state.log[-1]


def _train_epoch(task: Task[Any], state: Progress, check: Callable[[], None]) -> None:
    """Take the steps of an epoch that are still missing.

    Random draws depend on the task's seed, the epoch and the step alone.
    """
    epoch = state.epoch
    batches = prefetched(task.batches(epoch, state.step))
    title = f"{task.title}, epoch {epoch + 1} of {task.epochs}"
    for batch in progress(batches, title, "steps", total=task.steps, done=state.step):
        rate = task.learning_rate(epoch + state.step / task.steps)
        for group in task.optimizer.param_groups:
            group["lr"] = rate
        step_seed = int(generator(task.seed, "step", epoch, state.step).integers(2**63))
        with torch.random.fork_rng([task.device] if task.device.type == "cuda" else []):
            torch.manual_seed(step_seed)
            found = task.train_step(batch)
        losses = found if isinstance(found, Mapping) else {"loss": found}
        if not math.isfinite(losses["loss"]):
            raise ConfigError(
                f"the loss is {losses['loss']} at epoch {epoch + 1}, step {state.step + 1}, "
                f"learning rate {rate:g}; lower the rate"
            )
        for name, loss in losses.items():
            state.loss_sums[name] = state.loss_sums.get(name, 0.0) + loss
        state.step += 1
        check()


def _finish_epoch(task: Task[Any], state: Progress, check: Callable[[], None]) -> None:
    """Validate if it is due, keep the weights if they are the best, and log the epoch.

    The log has epoch, learning_rate (at its first step), train_loss and its parts; where validated,
    `val`, and `kept`: whether its weights took the place of those kept before.
    """
    epoch = state.epoch
    entry: dict[str, Any] = {
        "epoch": epoch + 1,
        "learning_rate": task.learning_rate(float(epoch)),
    }
    entry |= {f"train_{name}": total / task.steps for name, total in state.loss_sums.items()}
    if (epoch + 1) % task.validate_every == 0 or epoch + 1 == task.epochs:
        score, entry["val"] = task.validate(epoch, check)
        entry["kept"] = state.best_score is None or score > state.best_score
        if entry["kept"]:
            state.best_score, state.best_epoch = score, epoch + 1
            weights = task.model.state_dict().items()
            state.best_model = {name: tensor.cpu().clone() for name, tensor in weights}
    logger.info("%s", json.dumps(entry))
    state.log.append(entry)
    state.epoch, state.step, state.loss_sums = epoch + 1, 0, {}


def _write_log(target: Path, state: Progress) -> None:
    with atomic_path(target) as partial:
        lines = [json.dumps(entry, allow_nan=False) + "\n" for entry in state.log]
        partial.write_text("".join(lines), encoding="utf-8")
