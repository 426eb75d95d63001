"""The device that networks run on."""

import torch

from avlib.errors import ConfigError

MIXED_PRECISION = {"cuda": torch.float16, "cpu": torch.bfloat16}  # the fast type of each


def precision(device: torch.device, *, is_mixed: bool) -> torch.dtype:
    """Return the type of autocast operations; float32 unless precision is mixed."""
    return MIXED_PRECISION[device.type] if is_mixed else torch.float32


def resolve_device(name: str) -> torch.device:
    """Return the device of a configured name; `auto` is the GPU where there is one.

    Raises:
        ConfigError: if the GPU is configured and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda, but no GPU is usable here; set device: cpu or auto")
    return torch.device(name)
