"""The whole state of a training on disk, so that an interrupted run ends in the same bytes."""

import hashlib
import logging
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from avlib.io.atomic import atomic_path

logger = logging.getLogger(__name__)

STATES_KEPT = 2  # the newest, and the one before it should the newest be damaged
INTERRUPTED = 143  # 128 + SIGTERM, the exit status of a process ended by a signal


@dataclass
class Progress:
    """How far a training has come.

    Args:
        epoch: number of finished epochs.
        step: number of finished steps of the epoch under way.
        loss_sums: sums of the losses of these steps, by name.
        best_score: highest validation score so far; None before the first validation.
        best_epoch: number of the first epoch that had it, from 1.
        best_model: weights and buffers of the network that had it.
        log: one entry a finished epoch.
    """

    epoch: int = 0
    step: int = 0
    loss_sums: dict[str, float] = field(default_factory=dict)
    best_score: float | None = None
    best_epoch: int = 0
    best_model: dict[str, Tensor] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)


def state_key(parts: Iterable[bytes]) -> str:
    """Return a name for everything that a training depends on: other parts, other name."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:16]


def save_state(
    directory: Path, key: str, model: nn.Module, optimizer: Optimizer, progress: Progress
) -> None:
    """Write the state as one file, whole or not at all.

    All but the newest states of this key are removed; so are those of any other key.
    """
    content = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": vars(progress),
    }
    target = directory / f"{key}-{progress.epoch:06d}-{progress.step:09d}.pt"
    with atomic_path(target) as partial:
        torch.save(content, partial)
    _remove_all_but(directory, _states(directory, key)[:STATES_KEPT])


def load_state(directory: Path, key: str, model: nn.Module, optimizer: Optimizer) -> Progress:
    """Restore the newest readable state of this key, or leave all as it is where there is none.

    Returns:
        How far the training has come: nowhere, if no state was found.
    """
    for path in _states(directory, key):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file can fail in any operation
            logger.warning("%s is damaged and not used (%s)", path, error)
            continue
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        progress = Progress(**content["progress"])
        logger.info("resume at epoch %d, step %d", progress.epoch, progress.step)
        return progress
    return Progress()


def remove_states(directory: Path) -> None:
    """Delete the states in `directory`, and the folder if nothing else is in it."""
    _remove_all_but(directory, [])
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def _remove_all_but(directory: Path, kept: list[Path]) -> None:
    """Delete other states, and what a killed process left of one."""
    for path in [*directory.glob("*.pt"), *directory.glob(".*.part")]:
        if path not in kept:
            path.unlink()


def _states(directory: Path, key: str) -> list[Path]:
    """Return the files of `key`, newest first."""
    return sorted(directory.glob(f"{key}-*.pt"), reverse=True)


class Interruption:
    """Turns the first SIGTERM or SIGINT into a wish that `check` grants between two steps.

    The same signal a second time acts as if this class were not there.

    Args:
        agree: says whether this or any other process of the training wishes to end; all of them
            call `check` at the same places.
        save: called where `check` ends the process.
    """

    def __init__(
        self, agree: Callable[[bool], bool] = bool, save: Callable[[], None] | None = None
    ) -> None:
        self.is_requested = False
        self._agree, self._save = agree, save
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is SystemExit and self._save is not None:
            self._save()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """End the process with status 143 if a signal has come.

        Raises:
            SystemExit: with that status.
        """
        if self._agree(self.is_requested):
            raise SystemExit(INTERRUPTED)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.is_requested = True
        signal.signal(number, self._previous[signal.Signals(number)])
        logger.warning("%s: stop after this step", signal.Signals(number).name)
