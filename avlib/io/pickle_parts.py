"""Stand-ins for the built-in and numpy names that table pickles use.

A pickle is a program that calls what it names. Here each permitted name leads to a small class
that only keeps what it is given, so nothing of numpy's, pandas' or pyarrow's own unpickling code
runs. `resolve` builds the real arrays and tables afterwards, with every length checked.
"""

import re
from pickle import UnpicklingError
from typing import Any

import numpy as np

from avlib.errors import UnsafePickleError

Done = dict[int, Any]  # id of a stand-in or container -> what was built from it

_DTYPE_CODE = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)|O8?|[SU]\d+")


def resolve(value: Any, done: Done) -> Any:
    """Return `value` with every stand-in replaced by the real object, inside containers too."""
    if not isinstance(value, PickledPart | list | tuple | dict):
        return value
    if id(value) not in done:
        done[id(value)] = _build(value, done)
    return done[id(value)]


def _build(value: Any, done: Done) -> Any:
    if isinstance(value, PickledPart):
        return value.build(done)
    if isinstance(value, dict):
        return {key: resolve(item, done) for key, item in value.items()}
    return type(value)(resolve(item, done) for item in value)


class PickledPart:
    """A named object of a pickle; subclasses keep its arguments and state.

    Every class has `__setstate__`: the BUILD operation on a class itself then fails for want of an
    argument, where it would otherwise change the attributes of the class.
    """

    def __setstate__(self, state: Any) -> None:
        raise UnpicklingError(f"{type(self).__name__} with a state")

    def build(self, done: Done) -> Any:
        """Return the real object."""
        raise UnpicklingError(f"{type(self).__name__} as a value")


class PickledTypeName(PickledPart):
    """A class that is only named, as an argument (`numpy.ndarray`, `pandas.Index`)."""


class PickledSlice(PickledPart):
    """`slice(start, stop, step)`: which columns a block holds."""

    def __init__(self, start: int, stop: int, step: int | None) -> None:
        self.positions = range(start, stop, 1 if step is None else step)


class PickledLatin1(PickledPart):
    """`_codecs.encode(text, "latin1")`: bytes in pickles of protocol 2."""

    def __new__(cls, text: str, encoding: str) -> bytes:  # type: ignore[misc]
        """Return the bytes themselves."""
        if encoding != "latin1":
            raise UnsafePickleError(f"asks for the codec {encoding!r}")
        return text.encode("latin1")


class PickledBuffer(PickledPart):
    """`bytearray(content)`: buffers in pickles of protocol 4."""

    def __new__(cls, content: bytes = b"") -> bytes:  # type: ignore[misc]
        """Return the bytes themselves."""
        if not isinstance(content, bytes):
            raise UnpicklingError("a bytearray that is not made of bytes")
        return content


class PickledNoBytes(PickledPart):
    """`bytes()`: the content of an empty array in pickles of protocol 2."""

    def __new__(cls) -> bytes:  # type: ignore[misc]
        """Return the bytes themselves."""
        return b""


class PickledDtype(PickledPart):
    """`numpy.dtype`: numbers, truth values, text and objects; nothing structured.

    A structured type could declare raw bytes to be objects, that is, memory addresses.
    """

    def __init__(self, code: str, _align: bool = False, _copy: bool = False) -> None:
        if not _DTYPE_CODE.fullmatch(code):
            raise UnsafePickleError(f"asks for the array type {code!r}")
        self.dtype = np.dtype("O" if code == "O8" else code)

    def __setstate__(self, state: Any) -> None:
        _version, byte_order, *structure = state[:5]
        if any(item is not None for item in structure):
            raise UnsafePickleError("asks for a structured array type")
        self.dtype = self.dtype.newbyteorder(byte_order)

    def read(self, shape: tuple[int, ...], data: Any, order: Any = "C") -> Any:
        """Return an array of this type, in the machine's byte order, from the bytes `data`.

        Raises:
            UnsafePickleError: if the type is that of objects: their bytes are memory addresses.
        """
        if self.dtype.hasobject:
            raise UnsafePickleError("asks for objects made of raw bytes")
        raw = data.encode("latin1") if isinstance(data, str) else data
        return np.ndarray(shape, self.dtype, raw, order=order).astype(self.dtype.newbyteorder("="))


class PickledArray(PickledPart):
    """`numpy.core.multiarray._reconstruct` and the state that follows it."""

    def __init__(self, _type: Any, _shape: Any, _code: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _version, self.shape, self.dtype, is_fortran, self.data = state
        self.order: Any = "F" if is_fortran else "C"

    def build(self, done: Done) -> Any:
        """Return the array."""
        if not self.dtype.dtype.hasobject:
            return self.dtype.read(self.shape, self.data, self.order)
        items = (resolve(item, done) for item in self.data)
        flat = np.fromiter(items, dtype=object, count=len(self.data))
        return flat.reshape(self.shape, order=self.order)


class PickledBufferArray(PickledArray):
    """`numpy.core.numeric._frombuffer`: arrays of numbers in pickles of protocol 5."""

    def __init__(self, data: Any, dtype: PickledDtype, shape: tuple[int, ...], order: str) -> None:
        self.data, self.dtype, self.shape, self.order = data, dtype, shape, order


class PickledScalar(PickledPart):
    """`numpy.core.multiarray.scalar`: one number."""

    def __init__(self, dtype: PickledDtype, data: Any) -> None:
        self.dtype, self.data = dtype, data

    def build(self, done: Done) -> Any:
        """Return the number as numpy has it."""
        return self.dtype.read((), self.data)[()]


BUILTIN_AND_NUMPY: dict[tuple[str, str], type[PickledPart]] = {
    ("builtins", "slice"): PickledSlice,
    ("__builtin__", "slice"): PickledSlice,
    ("builtins", "bytearray"): PickledBuffer,
    ("__builtin__", "bytearray"): PickledBuffer,
    ("__builtin__", "bytes"): PickledNoBytes,
    ("_codecs", "encode"): PickledLatin1,
    ("numpy", "ndarray"): PickledTypeName,
    ("numpy", "dtype"): PickledDtype,
    ("numpy.core.multiarray", "_reconstruct"): PickledArray,
    ("numpy._core.multiarray", "_reconstruct"): PickledArray,
    ("numpy.core.multiarray", "scalar"): PickledScalar,
    ("numpy._core.multiarray", "scalar"): PickledScalar,
    ("numpy.core.numeric", "_frombuffer"): PickledBufferArray,
    ("numpy._core.numeric", "_frombuffer"): PickledBufferArray,
}
