"""Weights in a folder or in several files, and the `config.json` that lies beside them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avlib.errors import CheckpointError

# In a folder, the first of these is read; the package transformers writes the first four.
NAMES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
)
INDEX_SUFFIX = ".index.json"
PART = re.compile(r"(?P<stem>.+)-\d{5}-of-\d{5}(?P<suffix>\.[a-z]+)")
CONFIGS = ("config.json", "open_clip_config.json")
LARGEST_JSON = 1 << 26  # bytes


def weights_file(path: Path) -> Path:
    """Return the file that stands for weights: the file, or its index if it is a part of several.

    Args:
        path: a file, a part of weights in several files, or the folder of either.

    Raises:
        CheckpointError: if there is no such file, or a part has no index beside it.
    """
    if path.is_dir():
        found = next((path / name for name in NAMES if (path / name).is_file()), None)
        if found is None:
            raise CheckpointError(
                f"{path}: a folder without {', '.join(NAMES[:4])}; name the file of the weights"
            )
        return found
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    part = PART.fullmatch(path.name)
    if part is None:
        return path
    index = path.with_name(f"{part['stem']}{part['suffix']}{INDEX_SUFFIX}")
    if not index.is_file():
        raise CheckpointError(f"{path}: one part of several; {index.name} must lie beside it")
    return index


def is_index(path: Path) -> bool:
    """Return whether a file is the index of weights in several files, by its name."""
    return path.name.endswith(INDEX_SUFFIX)


def weight_map(index: Path) -> dict[str, Path]:
    """Return the file of each tensor that an index names, all of them in the index's folder.

    Raises:
        CheckpointError: if it is no index, or names files that are elsewhere or missing.
    """
    content = _read_object(index)
    names = content.get("weight_map")
    if not isinstance(names, Mapping) or not names:
        raise CheckpointError(f"{index}: not an index of weights, it has no weight_map")
    files: dict[str, Path] = {}
    for tensor, name in names.items():
        if not isinstance(name, str) or Path(name).name != name:
            raise CheckpointError(f"{index}: {name!r} is no file of this folder")
        files[tensor] = index.with_name(name)
    missing = sorted({path.name for path in files.values() if not path.is_file()})
    if missing:
        raise CheckpointError(f"{index}: {missing[0]} is missing; fetch all parts of the weights")
    return files


def all_files(path: Path) -> list[Path]:
    """Return every file that decides what weights are, the one that stands for them first.

    Raises:
        CheckpointError: as `weights_file` and `weight_map`.
    """
    first = weights_file(path)
    parts = sorted(set(weight_map(first).values())) if is_index(first) else []
    return [first, *parts, *(file for file in map(first.with_name, CONFIGS) if file.is_file())]


def read_config(path: Path, name: str = CONFIGS[0]) -> dict[str, Any] | None:
    """Return the configuration of a network that lies beside its weights; None without one.

    Raises:
        CheckpointError: if it is not readable.
    """
    config = weights_file(path).with_name(name)
    return _read_object(config) if config.is_file() else None


def _read_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        CheckpointError: if it is no such file.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise CheckpointError(f"{path}: too large for JSON that describes weights")
        content = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: not readable JSON ({reason})") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected an object, found a {type(content).__name__}")
    return content
