"""The part of an array that a golden file holds."""

import re
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


def stored_part(array: NDArray[T], text: str) -> NDArray[T]:
    """Return what `text` says of an array, such as `output[:, :, ::32, 3:7]`.

    Raises:
        ValueError: if the text says something else.
    """
    found = re.fullmatch(r"\w+\[([-\d:, ]*)\]", text)
    if not found:
        raise ValueError(f"not the part of an array: {text!r}")
    axes = [axis.strip().split(":") for axis in found[1].split(",")]
    index = [
        int(axis[0]) if len(axis) == 1 else slice(*(int(n) if n else None for n in axis))
        for axis in axes
    ]
    return array[tuple(index)]
