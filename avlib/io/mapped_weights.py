"""Weights as numpy arrays that are read from the disk where they are used, without torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from avlib.errors import CheckpointError
from avlib.io.file_kinds import wrong_kind
from avlib.io.torn import REPLACE

LENGTH_BYTES = 8  # at the head of a file, of the JSON that follows
FLOAT32 = "F32"


def mapped_weights(
    path: Path, shapes: Mapping[str, tuple[int, ...]], unused: tuple[str, ...] = ()
) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of a safetensors file by name, views of the file.

    Args:
        path: the file, with 32-bit floats.
        shapes: of all arrays by name.
        unused: prefixes of names that may be there besides.

    Raises:
        CheckpointError: if the file cannot be read, or holds other arrays.
    """
    try:
        if kind := wrong_kind(path):
            raise CheckpointError(f"{path}: no safetensors file, but {kind}; {REPLACE}")
        with safe_open(path, "np"):  # which checks head and length of the file
            pass
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            head: dict[str, Any] = json.loads(file.read(length))
        content = np.memmap(path, np.uint8, "r", LENGTH_BYTES + length)
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error
    found = {name: own for name, own in head.items() if name != "__metadata__"}
    _check(path, {n: own for n, own in found.items() if not n.startswith(unused)}, shapes)
    return {name: _view(content, found[name]) for name in shapes}


def _check(path: Path, found: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    expected = {name: (FLOAT32, list(shape)) for name, shape in shapes.items()}
    given = {name: (own["dtype"], own["shape"]) for name, own in found.items()}
    for name in sorted(expected.keys() | given.keys()):
        if given.get(name) != expected.get(name):
            raise CheckpointError(
                f"{path} does not fit: {name} is {_described(given.get(name))}, expected "
                f"{_described(expected.get(name))}; {REPLACE}"
            )


def _described(array: tuple[str, list[int]] | None) -> str:
    return "absent" if array is None else f"{array[0]} {array[1]}"


def _view(content: NDArray[np.uint8], own: Mapping[str, Any]) -> NDArray[np.float32]:
    first, last = own["data_offsets"]
    return content[first:last].view("<f4").reshape(own["shape"]).view(np.ndarray)
