"""Stand-ins for the built-in and numpy names that table pickles use.

A pickle is a program that calls what it names. Here each permitted name leads to a small class
that only keeps what it is given, so nothing of numpy's, pandas' or pyarrow's own unpickling code
runs. A `Builder` builds the real arrays and tables afterwards, with every length checked.
"""

import math
import pickle
import re
from collections.abc import Callable
from functools import partial
from pickle import UnpicklingError
from typing import Any

import numpy as np

from avlib.errors import UnsafePickleError

_DTYPE_CODE = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)|O8?|[SU]\d{1,9}|[mM]8")
_POINTER = np.dtype("O").itemsize
_HUGE = 2**64  # of whole numbers; Python refuses to write very long ones
_LAST_CHARACTER = 0x10FFFF
# Bytes built for each byte of a file: a text of one letter has 50, as an object of Python.
_GROWTH = 64
_SPARE = 2**20


# Operations that add keys to dictionaries and sets, and where on the stack these are.
_KEYS: dict[bytes, slice] = {
    pickle.SETITEM: slice(-2, -1),
    pickle.SETITEMS: slice(None, None, 2),
    pickle.DICT: slice(None, None, 2),
    pickle.ADDITEMS: slice(None),
    pickle.FROZENSET: slice(None),
}


def dispatch_with_checked_keys() -> dict[int, Any]:
    """Return the operations of Python's own unpickler, with keys that are scalars.

    The hash of tuples in tuples, which a few bytes make, takes years.
    """
    dispatch: dict[int, Any] = dict(pickle._Unpickler.dispatch)
    for code, place in _KEYS.items():
        dispatch[code[0]] = partial(_load_checked, dispatch[code[0]], place)
    return dispatch


def _load_checked(load: Callable[[Any], None], place: slice, unpickler: Any) -> None:
    for key in unpickler.stack[place]:
        if not isinstance(key, str | int | float | bytes | None):
            raise UnpicklingError(f"a key that is a {type(key).__name__}")
    load(unpickler)


class Builder:
    """Builds the objects that stand-ins stand for, each once.

    What is built is bounded by the size of the file, since a pickle can refer to one text or
    array as often as it likes.
    """

    def __init__(self, size: int) -> None:
        self._left = _GROWTH * size + _SPARE
        self._done: dict[int, Any] = {}  # by id of a stand-in or container

    def build(self, value: Any) -> Any:
        """Return `value` with every stand-in replaced by the real object, in containers too."""
        if not isinstance(value, PickledPart | list | tuple | dict):
            return value
        if id(value) not in self._done:
            self._done[id(value)] = self._built(value)
        return self._done[id(value)]

    def _built(self, value: Any) -> Any:
        if isinstance(value, PickledPart):
            return value.build(self)
        if isinstance(value, dict):
            return {key: self.build(item) for key, item in value.items()}
        return type(value)(self.build(item) for item in value)

    def take(self, size: int) -> None:
        """Count bytes that are about to be built.

        Raises:
            UnpicklingError: if the file has already grown more than table pickles do.
        """
        self._left -= size
        if self._left < 0:
            raise UnpicklingError("holds more than its size accounts for")


class NotRead:
    """A value of a type that is passed over, such as a date; an error where it is needed."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"<{self.kind}, which is not read>"


def shown(value: Any) -> str:
    """Return a short text for a value in a message; of containers and huge numbers the type."""
    value = value.item() if isinstance(value, np.number | np.str_ | np.bool_) else value
    is_short = isinstance(value, str | float | bool | NotRead | None)
    if is_short or (isinstance(value, int) and abs(value) < _HUGE):
        return repr(value)[:80]
    return f"a {type(value).__name__}"


def is_unicode(text: str) -> bool:
    """Say whether a text can be written: pickles can hold halves of characters."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


class PickledPart:
    """A named object of a pickle; subclasses keep its arguments and state.

    Every class has `__setstate__`: the BUILD operation on a class itself then fails for want of an
    argument, where it would otherwise change the attributes of the class.
    """

    def __setstate__(self, state: Any) -> None:
        raise UnpicklingError(f"{type(self).__name__} with a state")

    def build(self, builder: Builder) -> Any:
        """Return the real object."""
        raise UnpicklingError(f"{type(self).__name__} as a value")


class PickledTypeName(PickledPart):
    """A class that is only named, as an argument (`numpy.ndarray`, `pandas.Index`)."""


class PickledNotRead(PickledPart):
    """An object of a type that is passed over; what it is made of is never used."""

    kind = ""

    def __new__(cls, *_arguments: Any, **_named: Any) -> "PickledNotRead":
        """Return an object that keeps nothing."""
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Keep nothing."""

    def build(self, builder: Builder) -> Any:
        """Return a value that only names its type."""
        return NotRead(self.kind)


def not_read(kind: str) -> type[PickledNotRead]:
    """Return a class of stand-ins for a type that is passed over."""
    return type("PickledNotRead", (PickledNotRead,), {"kind": kind})


class PickledSlice(PickledPart):
    """`slice(start, stop, step)`: which columns a block holds."""

    def __init__(self, start: int, stop: int, step: int | None) -> None:
        self.positions = range(start, stop, 1 if step is None else step)


class PickledLatin1(PickledPart):
    """`_codecs.encode(text, "latin1")`: bytes in pickles of protocol 2."""

    def __init__(self, text: str, encoding: str) -> None:
        if encoding not in ("latin1", "latin-1"):
            raise UnsafePickleError(f"asks for the codec {str(encoding)[:40]!r}")
        self.text = text

    def build(self, builder: Builder) -> Any:
        """Return the bytes."""
        builder.take(len(self.text))
        return self.text.encode("latin1")


class PickledBuffer(PickledPart):
    """`bytearray(content)`: buffers in pickles of protocol 4, `bytearray(text, codec)` of 2."""

    def __init__(self, content: Any = b"", encoding: str = "latin-1") -> None:
        self.content = PickledLatin1(content, encoding) if isinstance(content, str) else content

    def build(self, builder: Builder) -> Any:
        """Return the bytes."""
        content = builder.build(self.content)
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
            raise UnsafePickleError(f"asks for the array type {code[:40]!r}")
        self.dtype = np.dtype("O" if code == "O8" else f"{code}[ns]" if code[0] in "mM" else code)

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> "PickledDtype":
        """Return the stand-in of a type of text."""
        part = cls(f"U{dtype.itemsize // 4}")
        part.dtype = dtype
        return part

    def __setstate__(self, state: Any) -> None:
        _version, byte_order, *structure = state[:5]
        if any(item is not None for item in structure):
            raise UnsafePickleError("asks for a structured array type")
        if byte_order not in ("<", ">", "=", "|"):
            raise UnpicklingError(f"an array type of the byte order {str(byte_order)[:40]!r}")
        self.dtype = self.dtype.newbyteorder(byte_order)

    def read(self, shape: tuple[int, ...], data: Any, order: Any = "C") -> Any:
        """Return an array of this type, in the machine's byte order, from the bytes `data`.

        Dates and times become values that are not read.

        Raises:
            UnsafePickleError: if the type is that of objects: their bytes are memory addresses.
            UnpicklingError: if the bytes are not as many as the shape needs.
        """
        if self.dtype.hasobject:
            raise UnsafePickleError("asks for objects made of raw bytes")
        raw = data.encode("latin1") if isinstance(data, str) else data
        count, width = _count(shape), self.dtype.itemsize
        if len(raw) != count * width or (count > 1 and width == 0):
            raise UnpicklingError(f"an array of {len(raw)} bytes, expected {count} of {width}")
        values = np.ndarray(shape, self.dtype, bytes(raw), order=order)
        if self.dtype.kind in "mM":
            return np.full(shape, NotRead(self.dtype.name), object)
        native = values.astype(self.dtype.newbyteorder("="))
        if self.dtype.kind == "U" and native.size and width:
            codes = np.ascontiguousarray(native).reshape(-1).view(np.uint32)
            if codes.max() > _LAST_CHARACTER:
                raise UnpicklingError("a text with numbers that are no characters")
        return native


def _count(shape: Any) -> int:
    """Return the number of values of an array.

    Raises:
        UnpicklingError: if it is no shape.
    """
    if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
        raise UnpicklingError(f"an array of the shape {type(shape).__name__}")
    return math.prod(shape)


class PickledArray(PickledPart):
    """`numpy.core.multiarray._reconstruct` and the state that follows it."""

    def __init__(self, _type: Any, _shape: Any, _code: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _version, self.shape, self.dtype, is_fortran, self.data = state
        self.order: Any = "F" if is_fortran else "C"

    def build(self, builder: Builder) -> Any:
        """Return the array."""
        if not isinstance(self.dtype, PickledDtype) or self.order not in ("C", "F"):
            raise UnpicklingError("an array without a type or an order")
        if not self.dtype.dtype.hasobject:
            data = builder.build(self.data)
            builder.take(len(data))
            return self.dtype.read(self.shape, data, self.order)
        if not isinstance(self.data, list) or len(self.data) != _count(self.shape):
            raise UnpicklingError("an array of objects with fewer or more than its shape has")
        builder.take(_POINTER * len(self.data))
        items = (builder.build(item) for item in self.data)
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

    def build(self, builder: Builder) -> Any:
        """Return the number as numpy has it."""
        if not isinstance(self.dtype, PickledDtype):
            raise UnpicklingError("a number without a type")
        data = builder.build(self.data)
        if not self.dtype.dtype.hasobject:
            builder.take(len(data))
        return self.dtype.read((), data)[()]


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
