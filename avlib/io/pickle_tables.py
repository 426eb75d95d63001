"""Stand-ins for the pandas and pyarrow names that table pickles use, see `pickle_parts`."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avlib.errors import UnsafePickleError
from avlib.io.pickle_parts import BUILTIN_AND_NUMPY, Done, Part, Slice, TypeName, resolve

_ARROW_TEXT = {"string": pa.string(), "large_string": pa.large_string()}


class Index(Part):
    """`pandas.core.indexes.base._new_Index`: a plain or a range index."""

    def __init__(self, _type: Any, state: dict[str, Any]) -> None:
        self.state = state

    def build(self, done: Done) -> Any:
        """Return the index."""
        state = resolve(self.state, done)
        if "data" in state:
            return pd.Index(state["data"], dtype=state["data"].dtype, name=state["name"])
        return pd.RangeIndex(state["start"], state["stop"], state["step"], name=state["name"])


class Block(Part):
    """Columns of one type: values (columns, rows) or (rows,), and their places in the table."""

    def __init__(self, values: Part, placement: Part, _ndim: int = 2) -> None:
        self.values, self.placement = values, placement

    def columns(self, done: Done) -> dict[int, Any]:
        """Return the columns by their place."""
        if isinstance(self.placement, Slice):
            places = self.placement.positions
        else:
            places = resolve(self.placement, done).tolist()
        columns = np.atleast_2d(resolve(self.values, done))
        return dict(zip(places, columns, strict=True))


class BlockMaker(Part):
    """`functools.partial(new_block, ndim=2)` of pandas 1.3, and a partial of nothing else."""

    def __init__(self, function: Any) -> None:
        if function is not Block:
            raise UnsafePickleError("asks for functools.partial of something that is no block")

    def __setstate__(self, state: Any) -> None:
        """Ignore the state: it repeats the function and fixes `ndim`, which is always 2."""

    def __call__(self, values: Part, placement: Part) -> Block:
        """Return the block."""
        return Block(values, placement)


class BlockManager(Part):
    """`pandas.core.internals.managers.BlockManager`: the blocks and both axes of a table."""

    def __init__(self, blocks: Any, axes: Any, _verify: bool = True) -> None:
        self.blocks, self.axes = blocks, axes

    def __setstate__(self, state: Any) -> None:
        layout = state[3]["0.14.1"]  # written since pandas 0.14.1, beside older forms
        self.axes = layout["axes"]
        self.blocks = [Block(b["values"], b["mgr_locs"]) for b in layout["blocks"]]


class Frame(Part):
    """`pandas.DataFrame`."""

    def __setstate__(self, state: Any) -> None:
        self.manager = state["_mgr"] if "_mgr" in state else state["_data"]

    def build(self, done: Done) -> Any:
        """Return the table; text columns have type object, as the published tables have."""
        names, index = (resolve(axis, done) for axis in self.manager.axes)
        columns: dict[int, Any] = {}
        for block in self.manager.blocks:
            columns.update(block.columns(done))
        if sorted(columns) != list(range(len(names))):
            raise ValueError(f"{len(names)} column names for the columns {sorted(columns)}")
        series = {
            i: pd.Series(columns[i], index, dtype=columns[i].dtype) for i in range(len(names))
        }
        frame = pd.DataFrame(series, index=index)
        frame.columns = names
        return frame


class ArrowType(Part):
    """`pyarrow.lib.type_for_alias(name)`."""

    def __init__(self, name: str) -> None:
        self.name = name


class ArrowBuffer(Part):
    """`pyarrow.lib.py_buffer(content)`."""

    def __init__(self, content: bytes) -> None:
        self.content = content


class ArrowArray(Part):
    """`pyarrow.lib._restore_array` of a text array."""

    def __init__(self, content: tuple[Any, ...]) -> None:
        self.content = content

    def build(self, done: Done) -> Any:
        """Return an array of objects; missing text is NaN, as in pandas."""
        kind, length, _nulls, offset, buffers, _children, _dictionary = self.content
        memory = [None if b is None else pa.py_buffer(b.content) for b in buffers]
        array = pa.Array.from_buffers(_ARROW_TEXT[kind.name], length, memory, offset=offset)
        array.validate(full=True)
        texts = array.to_pylist()
        return np.array([np.nan if text is None else text for text in texts], dtype=object)


class ArrowChunks(Part):
    """`pyarrow.lib.chunked_array(chunks, type)`."""

    def __init__(self, chunks: list[Part], _type: Part) -> None:
        self.chunks = chunks

    def build(self, done: Done) -> Any:
        """Return the chunks as one array of objects."""
        empty = np.empty(0, dtype=object)
        return np.concatenate([empty, *(resolve(chunk, done) for chunk in self.chunks)])


class ArrowText(Part):
    """`pandas.arrays.ArrowStringArray`: the text columns of pandas 3."""

    def __setstate__(self, state: Any) -> None:
        self.values = state["_pa_array"]

    def build(self, done: Done) -> Any:
        """Return an array of objects."""
        return resolve(self.values, done)


class TextDtype(Part):
    """`pandas.StringDtype(storage, na_value)`; only named, text becomes objects."""

    def __init__(self, *_arguments: Any) -> None:
        pass


ALLOWED: dict[tuple[str, str], type[Part]] = BUILTIN_AND_NUMPY | {
    ("functools", "partial"): BlockMaker,
    ("pandas", "DataFrame"): Frame,
    ("pandas.core.frame", "DataFrame"): Frame,
    ("pandas.core.internals", "BlockManager"): BlockManager,
    ("pandas.core.internals.managers", "BlockManager"): BlockManager,
    ("pandas.core.internals.blocks", "new_block"): Block,
    ("pandas._libs.internals", "_unpickle_block"): Block,
    ("pandas.core.indexes.base", "_new_Index"): Index,
    ("pandas.indexes.base", "_new_Index"): Index,
    ("pandas", "Index"): TypeName,
    ("pandas", "RangeIndex"): TypeName,
    ("pandas.core.indexes.base", "Index"): TypeName,
    ("pandas.core.indexes.range", "RangeIndex"): TypeName,
    ("pandas.core.indexes.numeric", "Int64Index"): TypeName,
    ("pandas.core.indexes.numeric", "UInt64Index"): TypeName,
    ("pandas.core.indexes.numeric", "Float64Index"): TypeName,
    ("pandas.indexes.base", "Index"): TypeName,
    ("pandas.indexes.range", "RangeIndex"): TypeName,
    ("pandas.indexes.numeric", "Int64Index"): TypeName,
    ("pandas.arrays", "ArrowStringArray"): ArrowText,
    ("pandas.core.arrays.string_arrow", "ArrowStringArray"): ArrowText,
    ("pandas", "StringDtype"): TextDtype,
    ("pandas.core.arrays.string_", "StringDtype"): TextDtype,
    ("pyarrow.lib", "_restore_array"): ArrowArray,
    ("pyarrow.lib", "chunked_array"): ArrowChunks,
    ("pyarrow.lib", "type_for_alias"): ArrowType,
    ("pyarrow.lib", "py_buffer"): ArrowBuffer,
}
