"""Stand-ins for the pandas and pyarrow names that table pickles use, see `pickle_parts`."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avlib.errors import UnsafePickleError
from avlib.io.pickle_parts import (
    BUILTIN_AND_NUMPY,
    Done,
    PickledPart,
    PickledSlice,
    PickledTypeName,
    resolve,
)

_ARROW_TEXT = {"string": pa.string(), "large_string": pa.large_string()}


class PickledIndex(PickledPart):
    """`pandas.core.indexes.base._new_Index`: a plain or a range index."""

    def __init__(self, _type: Any, state: dict[str, Any]) -> None:
        self.state = state

    def build(self, done: Done) -> Any:
        """Return the index."""
        state = resolve(self.state, done)
        if "data" in state:
            return pd.Index(state["data"], dtype=state["data"].dtype, name=state["name"])
        return pd.RangeIndex(state["start"], state["stop"], state["step"], name=state["name"])


class PickledBlock(PickledPart):
    """Columns of one type: values (columns, rows) or (rows,), and their places in the table."""

    def __init__(self, values: PickledPart, placement: PickledPart, _ndim: int = 2) -> None:
        self.values, self.placement = values, placement

    def columns(self, done: Done) -> dict[int, Any]:
        """Return the columns by their place."""
        if isinstance(self.placement, PickledSlice):
            places = self.placement.positions
        else:
            places = resolve(self.placement, done).tolist()
        columns = np.atleast_2d(resolve(self.values, done))
        return dict(zip(places, columns, strict=True))


class PickledBlockMaker(PickledPart):
    """`functools.partial(new_block, ndim=2)` of pandas 1.3, and a partial of nothing else."""

    def __init__(self, function: Any) -> None:
        if function is not PickledBlock:
            raise UnsafePickleError("asks for functools.partial of something that is no block")

    def __setstate__(self, state: Any) -> None:
        """Ignore the state: it repeats the function and fixes `ndim`, which is always 2."""

    def __call__(self, values: PickledPart, placement: PickledPart) -> PickledBlock:
        """Return the block."""
        return PickledBlock(values, placement)


class PickledBlockManager(PickledPart):
    """`pandas.core.internals.managers.BlockManager`: the blocks and both axes of a table."""

    def __init__(self, blocks: Any, axes: Any, _verify: bool = True) -> None:
        self.blocks, self.axes = blocks, axes

    def __setstate__(self, state: Any) -> None:
        layout = state[3]["0.14.1"]  # written since pandas 0.14.1, beside older forms
        self.axes = layout["axes"]
        self.blocks = [PickledBlock(b["values"], b["mgr_locs"]) for b in layout["blocks"]]


class PickledFrame(PickledPart):
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


class PickledArrowType(PickledPart):
    """`pyarrow.lib.type_for_alias(name)`."""

    def __init__(self, name: str) -> None:
        self.name = name


class PickledArrowBuffer(PickledPart):
    """`pyarrow.lib.py_buffer(content)`."""

    def __init__(self, content: bytes) -> None:
        self.content = content


class PickledArrowArray(PickledPart):
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


class PickledArrowChunks(PickledPart):
    """`pyarrow.lib.chunked_array(chunks, type)`."""

    def __init__(self, chunks: list[PickledPart], _type: PickledPart) -> None:
        self.chunks = chunks

    def build(self, done: Done) -> Any:
        """Return the chunks as one array of objects."""
        empty = np.empty(0, dtype=object)
        return np.concatenate([empty, *(resolve(chunk, done) for chunk in self.chunks)])


class PickledArrowText(PickledPart):
    """`pandas.arrays.ArrowStringArray`: the text columns of pandas 3."""

    def __setstate__(self, state: Any) -> None:
        self.values = state["_pa_array"]

    def build(self, done: Done) -> Any:
        """Return an array of objects."""
        return resolve(self.values, done)


class PickledTextDtype(PickledPart):
    """`pandas.StringDtype(storage, na_value)`; only named, text becomes objects."""

    def __init__(self, *_arguments: Any) -> None:
        pass


ALLOWED: dict[tuple[str, str], type[PickledPart]] = BUILTIN_AND_NUMPY | {
    ("functools", "partial"): PickledBlockMaker,
    ("pandas", "DataFrame"): PickledFrame,
    ("pandas.core.frame", "DataFrame"): PickledFrame,
    ("pandas.core.internals", "BlockManager"): PickledBlockManager,
    ("pandas.core.internals.managers", "BlockManager"): PickledBlockManager,
    ("pandas.core.internals.blocks", "new_block"): PickledBlock,
    ("pandas._libs.internals", "_unpickle_block"): PickledBlock,
    ("pandas.core.indexes.base", "_new_Index"): PickledIndex,
    ("pandas.indexes.base", "_new_Index"): PickledIndex,
    ("pandas", "Index"): PickledTypeName,
    ("pandas", "RangeIndex"): PickledTypeName,
    ("pandas.core.indexes.base", "Index"): PickledTypeName,
    ("pandas.core.indexes.range", "RangeIndex"): PickledTypeName,
    ("pandas.core.indexes.numeric", "Int64Index"): PickledTypeName,
    ("pandas.core.indexes.numeric", "UInt64Index"): PickledTypeName,
    ("pandas.core.indexes.numeric", "Float64Index"): PickledTypeName,
    ("pandas.indexes.base", "Index"): PickledTypeName,
    ("pandas.indexes.range", "RangeIndex"): PickledTypeName,
    ("pandas.indexes.numeric", "Int64Index"): PickledTypeName,
    ("pandas.arrays", "ArrowStringArray"): PickledArrowText,
    ("pandas.core.arrays.string_arrow", "ArrowStringArray"): PickledArrowText,
    ("pandas", "StringDtype"): PickledTextDtype,
    ("pandas.core.arrays.string_", "StringDtype"): PickledTextDtype,
    ("pyarrow.lib", "_restore_array"): PickledArrowArray,
    ("pyarrow.lib", "chunked_array"): PickledArrowChunks,
    ("pyarrow.lib", "type_for_alias"): PickledArrowType,
    ("pyarrow.lib", "py_buffer"): PickledArrowBuffer,
}
