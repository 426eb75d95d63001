"""The training loop: steps, validation, best weights, log, resume."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from avlib.errors import ConfigError
from avlib.io.atomic import atomic_path
from avlib.seeds import generator
from avlib.training.state import Interruption, Progress, load_state, save_state

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Batch = TypeVar("Batch")


class Task(Protocol[Batch]):
    """What is trained, as the loop sees it."""

    model: nn.Module
    optimizer: Optimizer
    device: torch.device
    epochs: int
    steps: int  # an epoch
    validate_every: int  # epochs; the last one is always validated

    def learning_rate(self, epoch: float) -> float:
        """Return the rate at a fractional epoch."""

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from `first_step` on, the same ones whenever asked."""

    def train_step(self, batch: Batch) -> float:
        """Update the model once and return the loss."""

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Return the score that decides which weights are best, and what to log.

        `check` is called between two batches; an exception that it raises passes through.
        """


def fit(task: Task[Any], *, seed: int, directory: Path, key: str, log: Path) -> Progress:
    """Train from the newest state in `directory`, or from the start, to the last epoch.

    The state is saved after every epoch, and where SIGTERM or SIGINT ends the process (status
    143). Random draws depend on the seed, the epoch and the step alone, so that an interrupted
    run ends in the bytes of an undisturbed one.

    Args:
        task: what is trained.
        seed: of all random draws.
        directory: where states are kept.
        key: names the configuration and the data; states of another key are not resumed.
        log: JSON lines, one an epoch: epoch, learning_rate (at its first step), train_loss, and
            `val` where validated.

    Raises:
        ConfigError: if the loss is no longer finite.
    """
    progress = load_state(directory, key, task.model, task.optimizer)
    with Interruption() as interruption:
        try:
            while progress.epoch < task.epochs:
                _train_epoch(task, progress, seed, interruption.check)
                _finish_epoch(task, progress, interruption.check)
                save_state(directory, key, task.model, task.optimizer, progress)
                _write_log(log, progress)
                interruption.check()
            _write_log(log, progress)  # also where all epochs were finished before
        except SystemExit:
            save_state(directory, key, task.model, task.optimizer, progress)
            raise
    return progress


def _train_epoch(task: Task[Any], progress: Progress, seed: int, check: Callable[[], None]) -> None:
    """Take the steps of an epoch that are still missing."""
    epoch = progress.epoch
    report = ProgressLog(f"epoch {epoch + 1}, steps", task.steps, progress.step)
    for batch in prefetched(task.batches(epoch, progress.step)):
        rate = task.learning_rate(epoch + progress.step / task.steps)
        for group in task.optimizer.param_groups:
            group["lr"] = rate
        step_seed = int(generator(seed, "step", epoch, progress.step).integers(2**63))
        with torch.random.fork_rng([task.device] if task.device.type == "cuda" else []):
            torch.manual_seed(step_seed)
            loss = task.train_step(batch)
        if not math.isfinite(loss):
            raise ConfigError(
                f"the loss is {loss} at epoch {epoch + 1}, step {progress.step + 1}, learning "
                f"rate {rate:g}; lower the rate"
            )
        progress.loss_sum += loss
        progress.step += 1
        report.advance()
        check()


def _finish_epoch(task: Task[Any], progress: Progress, check: Callable[[], None]) -> None:
    """Validate if it is time, keep the weights if they are the best, and log the epoch."""
    epoch = progress.epoch
    entry: dict[str, Any] = {
        "epoch": epoch + 1,
        "learning_rate": task.learning_rate(float(epoch)),
        "train_loss": progress.loss_sum / task.steps,
    }
    if (epoch + 1) % task.validate_every == 0 or epoch + 1 == task.epochs:
        score, entry["val"] = task.validate(epoch, check)
        if progress.best_score is None or score > progress.best_score:
            progress.best_score = score
            weights = task.model.state_dict().items()
            progress.best_model = {name: tensor.cpu().clone() for name, tensor in weights}
    logger.info("%s", json.dumps(entry))
    progress.log.append(entry)
    progress.epoch, progress.step, progress.loss_sum = epoch + 1, 0, 0.0


def _write_log(target: Path, progress: Progress) -> None:
    with atomic_path(target) as partial:
        lines = [json.dumps(entry, allow_nan=False) + "\n" for entry in progress.log]
        partial.write_text("".join(lines), encoding="utf-8")


def prefetched(items: Iterator[Item]) -> Iterator[Item]:
    """Yield `items` in order, while a thread prepares the next one."""
    end = object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        upcoming = thread.submit(next, items, end)
        while (item := upcoming.result()) is not end:
            upcoming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]


class ProgressLog:
    """Logs about every 30 seconds how much is done, how fast, and how long the rest takes."""

    every_s = 30.0

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        self.what, self.total, self.done, self.first = what, total, done, done
        self.started = self.reported = time.monotonic()

    def advance(self) -> None:
        """Count one more."""
        self.done += 1
        now = time.monotonic()
        if now - self.reported >= self.every_s:
            self.reported = now
            rate = (self.done - self.first) / (now - self.started)
            left = (self.total - self.done) / rate
            logger.info(
                "%s: %d of %d, %.1f/s, %.0f s left", self.what, self.done, self.total, rate, left
            )
