"""Weights that the project trains: safetensors files whose bytes depend on their content alone."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from avlib.io.atomic import atomic_path


def save_weights(target: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write `weights` and `metadata` as a safetensors file.

    The library writes the metadata in an order that differs from run to run; here it is sorted.
    """
    content = save({name: tensor.contiguous() for name, tensor in weights.items()})
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length]) | {"__metadata__": dict(metadata)}
    text = json.dumps(header, sort_keys=True, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
    with atomic_path(target) as partial, partial.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.write(content[8 + length :])
