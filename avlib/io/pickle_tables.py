"""Stand-ins for the pandas and pyarrow names that table pickles use, see `pickle_parts`."""

from pickle import UnpicklingError
from typing import Any

import numpy as np
import pandas as pd

from avlib.errors import UnsafePickleError
from avlib.io.pickle_arrays import COLUMNS, PickledMissing
from avlib.io.pickle_parts import (
    BUILTIN_AND_NUMPY,
    Builder,
    NotRead,
    PickledPart,
    PickledSlice,
    PickledTypeName,
)

_POINTER = 8  # bytes of a place in an array of objects


class PickledIndex(PickledPart):
    """`pandas.core.indexes.base._new_Index`: an index of values, a range, or one of levels."""

    def __init__(self, _type: Any, state: dict[str, Any]) -> None:
        self.state = state

    def build(self, builder: Builder) -> Any:
        """Return the index."""
        state = builder.build(self.state)
        if "levels" in state:
            return self._of_levels(state)
        name = _checked_name(state["name"])
        if "data" not in state:
            ends = (state["start"], state["stop"], state["step"])
            if not all(type(end) is int for end in ends):
                raise UnpicklingError("a range that is not of whole numbers")
            return pd.RangeIndex(*ends, name=name)
        data = state["data"]
        if isinstance(data, NotRead):
            return data
        values = np.asarray(data)
        if values.ndim != 1:
            raise UnpicklingError("an index that is no row of values")
        if values.dtype == object:  # pandas would compute hashes of them
            for value in values:
                _checked_name(value)
        return pd.Index(values, dtype=values.dtype, name=name)

    def _of_levels(self, state: dict[str, Any]) -> Any:
        levels, names = state["levels"], [_checked_name(name) for name in state["names"]]
        if any(isinstance(level, NotRead) for level in levels):
            return NotRead("an index of other values")
        codes = [np.asarray(numbers) for numbers in state["codes"]]
        columns = [
            pd.api.extensions.take(np.asarray(level), row.astype(np.intp), allow_fill=True)
            for level, row in zip(levels, codes, strict=True)
        ]
        return pd.MultiIndex.from_arrays(columns, names=names)


def _checked_name(name: Any) -> Any:
    """Return a name of a row or column.

    Raises:
        UnpicklingError: if it is neither text nor a number of moderate size nor None.
    """
    if not isinstance(name, str | int | float | np.generic | NotRead | None):
        raise UnpicklingError(f"a name that is a {type(name).__name__}")
    if isinstance(name, int) and abs(name) >= 2**64:
        raise UnpicklingError("a name that is a huge number")
    return name


class PickledBlock(PickledPart):
    """Columns of one type: values (columns, rows) or (rows,), and their places in the table."""

    def __init__(self, values: PickledPart, placement: PickledPart, _ndim: int = 2) -> None:
        self.values, self.placement = values, placement

    def columns(self, builder: Builder, n_columns: int) -> dict[int, Any]:
        """Return the columns of a table of so many by their place."""
        if isinstance(self.placement, PickledSlice):
            places = self.placement.positions
        else:
            places = builder.build(self.placement).tolist()
        if len(places) > n_columns:
            raise UnpicklingError(f"{len(places)} places in a table of {n_columns} columns")
        values = builder.build(self.values)
        if isinstance(values, NotRead):
            return dict.fromkeys(places, values)
        if isinstance(values, np.ndarray) and values.ndim == 2:
            return dict(zip(places, values, strict=True))
        return dict(zip(places, [values], strict=True))


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

    def build(self, builder: Builder) -> Any:
        """Return the table with columns of type object, as the published tables have."""
        if not isinstance(self.manager, PickledBlockManager):
            raise UnpicklingError("a table without columns")
        names, index = (builder.build(axis) for axis in self.manager.axes)
        if not isinstance(names, pd.Index):
            raise UnpicklingError("a table without names of columns")
        builder.take(_POINTER * len(names))
        columns: dict[int, Any] = {}
        for block in self.manager.blocks:
            columns.update(block.columns(builder, len(names)))
        if columns.keys() != set(range(len(names))):
            raise UnpicklingError(f"{len(names)} column names for other columns")
        if not isinstance(index, pd.Index):
            lengths = [len(c) for c in columns.values() if not isinstance(c, NotRead)]
            index = pd.RangeIndex(max(lengths, default=0))
        builder.take(_POINTER * len(index) * max(len(names), 1))
        return _frame(names, index, columns)


def _frame(names: pd.Index, index: pd.Index, columns: dict[int, Any]) -> pd.DataFrame:
    """Return a table of columns by place; those that are not read repeat what they are."""
    series = {}
    for place in range(len(names)):
        values = columns[place]
        if isinstance(values, NotRead):
            values = np.full(len(index), values, object)
        series[place] = pd.Series(values, index, dtype=values.dtype)
    frame = pd.DataFrame(series, index=index)
    frame.columns = names
    return frame


ALLOWED: dict[tuple[str, str], type[PickledPart]] = (
    BUILTIN_AND_NUMPY
    | COLUMNS
    | {
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
        ("pandas", "MultiIndex"): PickledTypeName,
        ("pandas", "CategoricalIndex"): PickledTypeName,
        ("pandas", "DatetimeIndex"): PickledTypeName,
        ("pandas", "TimedeltaIndex"): PickledTypeName,
        ("pandas", "PeriodIndex"): PickledTypeName,
        ("pandas", "IntervalIndex"): PickledTypeName,
        ("pandas.core.indexes.multi", "MultiIndex"): PickledTypeName,
        ("pandas.core.indexes.category", "CategoricalIndex"): PickledTypeName,
        ("pandas.core.indexes.datetimes", "DatetimeIndex"): PickledTypeName,
        ("pandas.core.indexes.timedeltas", "TimedeltaIndex"): PickledTypeName,
        ("pandas.core.indexes.period", "PeriodIndex"): PickledTypeName,
        ("pandas.core.indexes.interval", "IntervalIndex"): PickledTypeName,
    }
)
# Values that are named, not made.
ALLOWED_VALUES: dict[tuple[str, str], PickledPart] = {
    ("pandas", "NA"): PickledMissing(),
    ("pandas._libs.missing", "NA"): PickledMissing(),
}
