"""A training's log for TensorBoard, for those who ask for it."""

import shutil
from pathlib import Path
from typing import Any

from avlib.errors import ConfigError


class TensorBoard:
    """Writes each epoch of a training to an event file.

    A training that begins with its first epoch removes the files of earlier ones, which
    TensorBoard would draw into the same curve.

    Args:
        folder: where TensorBoard looks for them.

    Raises:
        ConfigError: if the package is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "tim.tensorboard: true, but the package is missing; run make env, or set it to "
                "false"
            ) from error
        self._folder, self._open = folder, SummaryWriter
        self._writer: SummaryWriter | None = None

    def __call__(self, entry: dict[str, Any]) -> None:
        """Write a line of the log."""
        if self._writer is None:
            if entry["epoch"] == 1:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._writer = self._open(str(self._folder))
        for name, value in _numbers("", entry):
            self._writer.add_scalar(name, value, entry["epoch"])
        self._writer.flush()


def _numbers(prefix: str, values: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the numbers of nested dictionaries with names like `val/audio/top1`."""
    found: list[tuple[str, float]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _numbers(f"{prefix}{name}/", value)
        elif isinstance(value, (int, float)):
            found.append((prefix + name, value))
    return found
