"""Stand-ins for the pyarrow names that table pickles use: columns in Arrow's layout.

They are read from their bytes here, so that no code of pyarrow sees lengths out of a file.
"""

from collections.abc import Sequence
from itertools import pairwise
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.io.pickle_parts import Builder, NotRead, PickledPart

_ARROW_TEXT = {"string": "<i4", "large_string": "<i8"}  # type of the places where texts begin
_ARROW_NUMBERS = {
    **{
        f"{sign}int{bits}": f"<{sign[:1] or 'i'}{bits // 8}"
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
    "halffloat": "<f2",
    "float": "<f4",
    "double": "<f8",
}
_TEXT_BYTES = 64  # of a short text as an object of Python, with its place in an array


def nullable(values: NDArray[Any], mask: NDArray[Any]) -> Any:
    """Return numbers that may be missing as pandas has them."""
    if mask.dtype != bool or values.shape != mask.shape or values.dtype.kind not in "iufb":
        raise UnpicklingError("nullable numbers whose mask does not fit")
    if values.dtype.kind == "b":
        return pd.arrays.BooleanArray(values, mask)
    if values.dtype.kind == "f":
        return np.where(mask, np.nan, values)
    return pd.arrays.IntegerArray(values, mask)


class PickledArrowType(PickledPart):
    """`pyarrow.lib.type_for_alias(name)`."""

    def __init__(self, name: str) -> None:
        self.name = name


class PickledArrowBuffer(PickledPart):
    """`pyarrow.lib.py_buffer(content)`."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def build(self, builder: Builder) -> Any:
        """Return the bytes."""
        return builder.build(self.content)


class PickledArrowArray(PickledPart):
    """`pyarrow.lib._restore_array`: text, numbers or truth values in Arrow's layout.

    Source: "Arrow Columnar Format": a map of the valid values, one bit each, lowest first, unless
    all are valid; of text the places where each begins, and the bytes; of numbers these.
    """

    def __init__(self, content: tuple[Any, ...]) -> None:
        self.content = content

    def build(self, builder: Builder) -> Any:
        """Return the values and whether they are missing, or a value that is not read."""
        kind, length, _nulls, offset, parts, *_ = self.content
        if not (type(length) is int and type(offset) is int and length >= 0 and offset >= 0):
            raise UnpicklingError("an Arrow array of a negative length")
        name = kind.name if isinstance(kind, PickledArrowType) else ""
        if name not in (*_ARROW_TEXT, *_ARROW_NUMBERS, "bool"):
            return NotRead(f"Arrow {name[:40]}")
        buffers = [None if part is None else builder.build(part) for part in parts]
        rows = slice(offset, offset + length)
        if name in _ARROW_TEXT:
            builder.take(_TEXT_BYTES * min(length, len(buffers[1] or b"")))
            values = _arrow_text(_ARROW_TEXT[name], rows, *buffers[1:])
        elif name == "bool":
            values = _bits(buffers[1], rows)
        else:
            values = _numbers(_ARROW_NUMBERS[name], buffers[1], rows)
        missing = np.zeros(length, bool) if buffers[0] is None else ~_bits(buffers[0], rows)
        if len(values) != length or len(missing) != length:
            raise UnpicklingError(f"an Arrow array of {len(values)} values, expected {length}")
        return values, missing


def _numbers(code: str, content: bytes | None, rows: slice) -> NDArray[Any]:
    """Return some of the numbers in a buffer, whose end may be padded."""
    whole = len(content or b"") // np.dtype(code).itemsize
    return np.frombuffer(content or b"", code, count=whole)[rows]


def _bits(content: bytes | None, rows: slice) -> NDArray[np.bool_]:
    first, last = rows.start // 8, -(-rows.stop // 8)
    bits = np.unpackbits(np.frombuffer((content or b"")[first:last], np.uint8), bitorder="little")
    return bits[rows.start - 8 * first : rows.stop - 8 * first].astype(bool)


def _arrow_text(
    code: str, rows: slice, places: bytes | None, content: bytes | None
) -> NDArray[Any]:
    if rows.stop == rows.start:
        return np.empty(0, object)
    starts = _numbers(code, places, slice(rows.start, rows.stop + 1)).astype(np.int64)
    raw = content or b""
    if len(starts) and (starts[0] < 0 or (np.diff(starts) < 0).any() or starts[-1] > len(raw)):
        raise UnpicklingError("an Arrow array with texts outside its bytes")
    texts = (raw[a:b].decode() for a, b in pairwise(starts.tolist()))
    return np.fromiter(texts, dtype=object, count=max(len(starts) - 1, 0))


class PickledArrowChunks(PickledPart):
    """`pyarrow.lib.chunked_array(chunks, type)`."""

    def __init__(self, chunks: Sequence[PickledPart], _type: Any = None) -> None:
        self.chunks = chunks

    def build(self, builder: Builder) -> Any:
        """Return the chunks as one array; missing text is NaN."""
        parts = [builder.build(chunk) for chunk in self.chunks]
        unread = [part for part in parts if not isinstance(part, tuple)]
        if unread or not parts:
            return unread[0] if unread else np.empty(0, dtype=object)
        values, missing = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        if values.dtype == object:
            return np.where(missing, np.nan, values)
        return nullable(values, missing) if missing.any() else values


class PickledArrowColumn(PickledPart):
    """`pandas.arrays.ArrowStringArray` and `ArrowExtensionArray`: columns that Arrow holds."""

    def __setstate__(self, state: Any) -> None:
        values = state["_pa_array"] if "_pa_array" in state else state["_data"]
        is_whole = isinstance(values, PickledArrowArray)
        self.values = PickledArrowChunks([values]) if is_whole else values

    def build(self, builder: Builder) -> Any:
        """Return an array, of objects if they are text."""
        values = builder.build(self.values)
        if not isinstance(values, NotRead | np.ndarray | pd.api.extensions.ExtensionArray):
            raise UnpicklingError("a column of Arrow without an array")
        return values
