"""Weights that the project trains: safetensors files whose bytes depend on their content alone.

What decides the outputs of a network beside its weights, such as its pooling or the windows that it
is for, is written twice: as metadata, which people can read, and as the tensor `avlib.settings`,
which survives whatever saves the tensors again.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from avlib.errors import CheckpointError
from avlib.io.atomic import atomic_path
from avlib.io.metadata import LARGEST_SETTINGS, SETTINGS, damaged_settings, parse_settings


def save_weights(target: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write `weights` and `metadata` as a safetensors file.

    The library writes the metadata in an order that differs from run to run; here it is sorted.
    """
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    if metadata:
        tensors[SETTINGS] = encode_settings(metadata)
    content = save(tensors)
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length]) | {"__metadata__": dict(metadata)}
    text = json.dumps(header, sort_keys=True, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
    with atomic_path(target) as partial, partial.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.write(content[8 + length :])


def encode_settings(metadata: Mapping[str, str]) -> Tensor:
    """Return text fields as a tensor (n_bytes,) of 8 bits."""
    text = json.dumps(dict(metadata), sort_keys=True).encode("ascii")
    return torch.frombuffer(bytearray(text), dtype=torch.uint8)


def decode_settings(tensor: Tensor, source: Path) -> dict[str, str]:
    """Return the text fields of a tensor, whatever its type has become.

    Raises:
        CheckpointError: if it does not hold them any more.
    """
    try:
        if tensor.ndim != 1 or tensor.numel() > LARGEST_SETTINGS:
            raise ValueError(f"of shape {list(tensor.shape)}")
        numbers = tensor.double()
        if not torch.equal(numbers, numbers.clamp(0, 127).round()):
            raise ValueError("not the bytes of text")
    except (ValueError, RuntimeError) as error:
        raise damaged_settings(source, error) from error
    return parse_settings(bytes(numbers.to(torch.uint8).tolist()), source)


def lost_settings(source: Path, lacking: str) -> CheckpointError:
    """Return the error of weights whose outputs depend on what the file does not say.

    Args:
        source: the file.
        lacking: what is not known.
    """
    return CheckpointError(
        f"{source}: not of a published network, and {lacking}, which trainings here write as the "
        f"tensor {SETTINGS}, is missing; give the file as it was written, or train again"
    )
