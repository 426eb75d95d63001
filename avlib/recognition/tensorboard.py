"""A training's log for TensorBoard, for those who ask for it."""

from pathlib import Path
from typing import Any

from avlib.errors import ConfigError


class TensorBoard:
    """Writes each epoch of a training to an event file.

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
                "tim.tensorboard: true, but the package is missing; pip install tensorboard, or "
                "set it to false"
            ) from error
        self._writer = SummaryWriter(str(folder))

    def __call__(self, entry: dict[str, Any]) -> None:
        """Write a line of the log."""
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
