"""Weights in ONNX files: float tensors by name, from the wire format of protocol buffers.

Source: `onnx.proto` (ModelProto 7 is the graph, GraphProto 5 an initialiser, TensorProto as named
below) and the wire format of protocol buffers. Nodes are not read: whoever asks knows the network.
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avlib.errors import CheckpointError

GRAPH, INITIALISER = 7, 5
DIMS, DATA_TYPE, NAME, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 1, 2, 8, 9, 13, 14  # TensorProto
KEY, VALUE = 1, 2  # StringStringEntryProto
FLOAT32, EXTERNAL = 1, 1
VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5  # wire types
FLOAT_BYTES = 4
VARINT_BITS = 64


class Field(NamedTuple):
    """A field of a message: its number, and an integer or the bytes of text or a message."""

    number: int
    value: int | memoryview


def read_tensors(
    model: bytes, external: Mapping[str, bytes], names: Iterator[str] | list[str], source: str
) -> dict[str, NDArray[np.float32]]:
    """Return float tensors of an ONNX file.

    Args:
        model: content of the file.
        external: content of the files beside it that hold tensors, by name.
        names: of the tensors.
        source: the file, as messages name it.

    Raises:
        CheckpointError: if the file is damaged, lacks a tensor, or one lies elsewhere, reaches
            beyond its file or has not as many bytes as its shape says.
    """
    try:
        found = {name: tensor for name, tensor in _initialisers(memoryview(model))}
    except (ValueError, IndexError) as error:
        raise CheckpointError(f"{source}: not a readable ONNX file ({error})") from error
    tensors = {}
    for name in names:
        if name not in found:
            raise CheckpointError(f"{source}: has no float tensor {name}")
        shape = found[name].shape
        content = found[name].content(external, f"{source}: tensor {name}")
        if len(content) != FLOAT_BYTES * math.prod(shape):
            raise CheckpointError(
                f"{source}: tensor {name}: {len(content)} bytes, expected "
                f"{FLOAT_BYTES * math.prod(shape)} of the shape {list(shape)}"
            )
        tensors[name] = np.frombuffer(content, "<f4").astype(np.float32).reshape(shape)
    return tensors


class _Tensor(NamedTuple):
    shape: tuple[int, ...]
    raw: memoryview
    place: Mapping[str, str] | None  # of a tensor in another file

    def content(self, external: Mapping[str, bytes], what: str) -> memoryview:
        if self.place is None:
            return self.raw
        location = self.place.get("location", "")
        if location not in external:
            raise CheckpointError(f"{what}: lies in {location!r}, expected {sorted(external)}")
        file = memoryview(external[location])
        numbers = [self.place.get("offset", "0"), self.place.get("length", "")]
        if not all(number.isdecimal() and number.isascii() for number in numbers):
            raise CheckpointError(f"{what}: offset and length {numbers} are no numbers")
        first, length = map(int, numbers)
        if first + length > len(file):
            raise CheckpointError(
                f"{what}: ends at byte {first + length}, {location} has {len(file)}"
            )
        return file[first : first + length]


def _initialisers(model: memoryview) -> Iterator[tuple[str, _Tensor]]:
    """Yield name and place of every float tensor of a model."""
    for part in _messages(model, GRAPH):
        for message in _messages(part, INITIALISER):
            tensor = _tensor(message)
            if tensor is not None:
                yield tensor


def _tensor(message: memoryview) -> tuple[str, _Tensor] | None:
    shape: list[int] = []
    place: dict[str, str] = {}
    name, raw, data_type, location = "", memoryview(b""), 0, 0
    for number, value in _fields(message):
        if number == DIMS:
            shape += [value] if isinstance(value, int) else _varints(value)
        elif number == EXTERNAL_DATA and isinstance(value, memoryview):
            entry = dict(_fields(value))
            place[_text(entry.get(KEY))] = _text(entry.get(VALUE))
        elif number == NAME:
            name = _text(value)
        elif number == RAW_DATA and isinstance(value, memoryview):
            raw = value
        elif number == DATA_TYPE and isinstance(value, int):
            data_type = value
        elif number == DATA_LOCATION and isinstance(value, int):
            location = value
    if data_type != FLOAT32:
        return None
    return name, _Tensor(tuple(shape), raw, place if location == EXTERNAL else None)


def _text(value: int | memoryview | None) -> str:
    if not isinstance(value, memoryview):
        raise ValueError("a text is missing")
    return bytes(value).decode("utf-8")


def _messages(message: memoryview, number: int) -> Iterator[memoryview]:
    for field in _fields(message):
        if field.number == number and isinstance(field.value, memoryview):
            yield field.value


def _fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of a message; those of a fixed size are passed over."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value, at = _varint(message, at)
            yield Field(number, value)
        elif wire_type == DELIMITED:
            length, at = _varint(message, at)
            at += length
            _check_end(message, at)
            yield Field(number, message[at - length : at])
        elif wire_type in (FIXED64, FIXED32):
            at += 8 if wire_type == FIXED64 else 4
            _check_end(message, at)
        else:
            raise ValueError(f"unknown wire type {wire_type}")


def _varints(packed: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(packed):
        number, at = _varint(packed, at)
        numbers.append(number)
    return numbers


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the number at a place, and the place behind it."""
    number = 0
    for shift in range(0, VARINT_BITS, 7):
        _check_end(message, at + 1)
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
    raise ValueError("a number is too long")


def _check_end(message: memoryview, end: int) -> None:
    if end > len(message):
        raise ValueError("it ends too early")
