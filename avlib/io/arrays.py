"""Named arrays in one `.npz` file, without pickles."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlib.io.atomic import atomic_path
from avlib.io.torn import torn


def write_arrays(arrays: Mapping[str, NDArray[Any]], target: Path) -> None:
    """Write arrays of numbers or text; equal arrays are equal bytes."""
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with atomic_path(target) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **plain)


def read_arrays(source: Path) -> dict[str, NDArray[Any]]:
    """Return all arrays of a file by name.

    Raises:
        DataError: if the file cannot be read, or holds objects.
    """
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # a damaged file can fail in any operation
        raise torn(source, ".npz file", error) from error
