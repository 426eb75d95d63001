"""The reader of ONNX files against files that are written here by the wire format's own rules."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlib.errors import CheckpointError
from avlib.io.onnx_files import read_tensors

VALUES = np.arange(6, dtype="<f4").reshape(2, 3)


def varint(number: int) -> bytes:
    low = number & 0x7F
    return bytes([low]) if number < 0x80 else bytes([low | 0x80]) + varint(number >> 7)


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def entry(key: str, value: str) -> bytes:
    return field(13, field(1, key) + field(2, value))


def tensor(name: str, shape=(2, 3), data_type=1, packed=False) -> bytes:
    dims = b"".join(map(varint, shape))
    dims = field(1, dims) if packed else b"".join(field(1, n) for n in shape)
    return dims + field(2, data_type) + field(8, name)


def inside(name: str, values=VALUES, **changes) -> bytes:
    return tensor(name, **changes) + field(9, values.tobytes())


def beside(name: str, location="model.data", offset="0", length="24") -> bytes:
    place = entry("location", location) + entry("offset", offset) + entry("length", length)
    return tensor(name) + place + field(14, 1)


def model(*tensors: bytes) -> bytes:
    skipped = varint(3 << 3 | 1) + bytes(8) + varint(4 << 3 | 5) + bytes(4)  # of a fixed size
    node = field(1, field(4, "Conv"))
    graph = skipped + node + b"".join(field(5, t) for t in tensors)
    return field(1, 11) + field(2, "a producer") + field(7, graph)


def read(*tensors: bytes, names=("w",), data=bytes(24)):
    return read_tensors(model(*tensors), {"model.data": data}, list(names), "zip: model.onnx")


@pytest.mark.parametrize("packed", [False, True])
def test_tensors_of_the_file_are_read_by_name(packed):
    others = [inside("v", VALUES + 1), tensor("n", data_type=7) + field(9, bytes(48))]
    found = read(*others, inside("w", packed=packed), names=["w", "v"])
    assert list(found) == ["w", "v"]
    np.testing.assert_array_equal(found["w"], VALUES)
    np.testing.assert_array_equal(found["v"], VALUES + 1)
    assert found["w"].dtype == np.float32


@given(st.integers(0, 300))
def test_tensors_beside_the_file_are_read_at_their_offset(offset):
    data = bytes(offset) + VALUES.tobytes()
    np.testing.assert_array_equal(read(beside("w", offset=str(offset)), data=data)["w"], VALUES)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (beside("w", location="../secret"), "lies in '../secret', expected"),
        (beside("w", offset="8"), "ends at byte 32, model.data has 24"),
        (beside("w", length="20"), "20 bytes, expected 24 of the shape"),
        (beside("w", length="-4"), "are no numbers"),
        (inside("w", VALUES[:1]), "12 bytes, expected 24"),
        (inside("another"), "has no float tensor w"),
        (inside("w", data_type=10), "has no float tensor w"),
    ],
)
def test_a_tensor_that_is_not_as_it_says_is_refused_by_name(wrong, message):
    with pytest.raises(CheckpointError, match=r"^zip: model.onnx: .*w") as error:
        read(wrong)
    assert message in str(error.value)


@given(st.binary(max_size=80))
def test_anything_else_is_refused(content):
    with pytest.raises(CheckpointError, match=r"model\.onnx: "):
        read_tensors(content, {}, ["w"], "model.onnx")


@given(st.data())
def test_a_damaged_file_gives_an_error_of_ours_or_a_tensor_of_the_right_kind(data):
    content = bytearray(model(inside("v"), beside("w")))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    try:
        found = read_tensors(bytes(content), {"model.data": bytes(24)}, ["v", "w"], "model.onnx")
    except CheckpointError:
        return
    assert all(array.dtype == np.float32 for array in found.values())
