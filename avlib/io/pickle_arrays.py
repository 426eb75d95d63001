"""Stand-ins for the column types of pandas in table pickles, see `pickle_parts`.

Text, categories and nullable numbers are read. Dates, times, periods, spans and the like, which
no published table needs, are passed over: an error only where such a value is needed.
"""

from pickle import UnpicklingError
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import UnsafePickleError
from avlib.io.pickle_arrow import (
    PickledArrowArray,
    PickledArrowBuffer,
    PickledArrowChunks,
    PickledArrowColumn,
    PickledArrowType,
    nullable,
)
from avlib.io.pickle_parts import (
    Builder,
    NotRead,
    PickledArray,
    PickledNotRead,
    PickledPart,
    not_read,
)


class PickledMissing(PickledPart):
    """`pandas.NA` and `pandas.NaT`."""

    def __init__(self, *_arguments: Any) -> None:
        pass

    def build(self, builder: Builder) -> Any:
        """Return NaN."""
        return np.nan


class PickledColumnType(PickledNotRead):
    """A type of columns that is only named (`pandas.StringDtype`); the values say what it is."""


class PickledCategories(PickledPart):
    """`pandas.CategoricalDtype`: the values that a column of categories may have."""

    def __init__(self, categories: Any = None, _ordered: Any = None) -> None:
        self.categories = categories

    def __setstate__(self, state: Any) -> None:
        self.categories = state["categories"]


class PickledColumn(PickledPart):
    """A column of text, categories or nullable numbers, with its state of any pandas version."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 1:
            (state,) = state
        parts = list(state.values()) if isinstance(state, dict) else list(state)
        self.state: dict[Any, Any] = state if isinstance(state, dict) else {}
        self.arrays = [part for part in parts if isinstance(part, PickledArray)]
        self.categories = [part for part in parts if isinstance(part, PickledCategories)]

    def only_array(self, builder: Builder) -> NDArray[Any]:
        """Return the one array of the state.

        Raises:
            UnpicklingError: if it has none or several.
        """
        if len(self.arrays) != 1:
            raise UnpicklingError(f"{type(self).__name__} of {len(self.arrays)} arrays")
        array: NDArray[Any] = builder.build(self.arrays[0])
        return array


class PickledText(PickledColumn):
    """`pandas.arrays.StringArray`: text as objects."""

    def build(self, builder: Builder) -> Any:
        """Return an array of objects; missing text is NaN."""
        texts = self.only_array(builder)
        if texts.dtype != object:
            raise UnpicklingError("a column of text that is not made of objects")
        return texts


class PickledCategorical(PickledColumn):
    """`pandas.Categorical`: numbers of categories."""

    def build(self, builder: Builder) -> Any:
        """Return the values; missing ones are NaN."""
        codes = self.only_array(builder)
        if len(self.categories) != 1 or codes.dtype.kind not in "iu" or codes.ndim > 2:
            raise UnpicklingError("a column of categories without them, or without numbers")
        index = builder.build(self.categories[0].categories)
        if not isinstance(index, pd.Index):
            return NotRead("a category of another type")
        values = np.asarray(index)
        builder.take(codes.size * max(values.itemsize, 8))
        taken = pd.api.extensions.take(values, codes.reshape(-1).astype(np.intp), allow_fill=True)
        return np.asarray(taken).reshape(codes.shape)


class PickledMasked(PickledColumn):
    """`pandas.arrays.IntegerArray`, `FloatingArray` and `BooleanArray`: values and a mask."""

    def build(self, builder: Builder) -> Any:
        """Return the column as pandas has it."""
        values, mask = (builder.build(self.state.get(name)) for name in ("_data", "_mask"))
        if not all(isinstance(array, np.ndarray) and array.ndim == 1 for array in (values, mask)):
            raise UnpicklingError("a column of nullable numbers without values and mask")
        return nullable(values, mask)


class PickledBacked(PickledPart):
    """`pandas._libs.arrays.__pyx_unpickle_NDArrayBacked(type, ...)`: makes a column of the type."""

    def __new__(cls, kind: Any, *_arguments: Any) -> Any:
        """Return the stand-in of the column itself."""
        if kind in (PickledText, PickledCategorical):
            return kind()
        if isinstance(kind, type) and issubclass(kind, PickledNotRead):
            return kind()
        raise UnpicklingError("a column of an unknown type")


class PickledZoneMaker(PickledPart):
    """`getattr(zoneinfo.ZoneInfo, "_unpickle")`, and `getattr` of nothing else."""

    def __new__(cls, owner: Any, name: str) -> Any:
        """Return what makes time zones, which are passed over."""
        if owner is not ZONE or name != "_unpickle":
            raise UnsafePickleError("asks for builtins.getattr")
        return ZONE


ZONE = not_read("a time zone")


def _names(part: type[PickledPart], *names: str) -> dict[tuple[str, str], type[PickledPart]]:
    """Return a stand-in for each name `module.name`."""
    return {(name.rpartition(".")[0], name.rpartition(".")[2]): part for name in names}


def _columns(part: type[PickledPart], name: str, module: str) -> dict[Any, type[PickledPart]]:
    """Return the stand-in of a type of columns, under its places in pandas 3 and before."""
    return _names(part, f"pandas.arrays.{name}", f"pandas.core.arrays.{module}.{name}")


_DATES, _OTHER = not_read("a date or time"), not_read("a value of another type")
_TYPES = [
    *("StringDtype", "BooleanDtype", "ArrowDtype", "Float32Dtype", "Float64Dtype"),
    *(f"{sign}{bits}Dtype" for sign in ("Int", "UInt") for bits in (8, 16, 32, 64)),
    *("DatetimeTZDtype", "PeriodDtype", "IntervalDtype", "SparseDtype"),
]
_TYPE_HOMES = (
    *("pandas", "pandas.core.dtypes.dtypes", "pandas.core.arrays.string_"),
    *("pandas.core.arrays.integer", "pandas.core.arrays.floating", "pandas.core.arrays.boolean"),
    *("pandas.core.arrays.sparse.dtype", "pandas.core.arrays.arrow.dtype"),
)
_ARROW = "timestamp duration time32 time64 decimal128 list_ large_list struct field dictionary"
_SIMPLE = ("set", "frozenset", "complex")
_STEPS = "Day Hour Minute Second Milli Micro Nano Week MonthEnd MonthBegin QuarterEnd YearEnd"
COLUMNS: dict[tuple[str, str], type[PickledPart]] = {
    **_columns(PickledText, "StringArray", "string_"),
    **_columns(PickledCategorical, "Categorical", "categorical"),
    ("pandas", "Categorical"): PickledCategorical,
    **_columns(PickledMasked, "IntegerArray", "integer"),
    **_columns(PickledMasked, "FloatingArray", "floating"),
    **_columns(PickledMasked, "BooleanArray", "boolean"),
    **_columns(PickledArrowColumn, "ArrowStringArray", "string_arrow"),
    **_columns(PickledArrowColumn, "ArrowExtensionArray", "arrow.array"),
    **_columns(_DATES, "DatetimeArray", "datetimes"),
    **_columns(_DATES, "TimedeltaArray", "timedeltas"),
    **_columns(_DATES, "PeriodArray", "period"),
    **_columns(_OTHER, "IntervalArray", "interval"),
    **_columns(_OTHER, "SparseArray", "sparse.array"),
    **_names(PickledCategories, "pandas.CategoricalDtype"),
    **_names(PickledCategories, "pandas.core.dtypes.dtypes.CategoricalDtype"),
    **_names(PickledColumnType, *(f"{home}.{name}" for home in _TYPE_HOMES for name in _TYPES)),
    **_names(PickledBacked, "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked"),
    **_names(PickledMissing, "pandas._libs.tslibs.nattype._nat_unpickle"),
    **_names(PickledMissing, "pandas._libs.tslibs.nattype.__nat_unpickle"),
    **_names(PickledArrowArray, "pyarrow.lib._restore_array"),
    **_names(PickledArrowChunks, "pyarrow.lib.chunked_array"),
    **_names(PickledArrowType, "pyarrow.lib.type_for_alias"),
    **_names(PickledArrowBuffer, "pyarrow.lib.py_buffer"),
    **_names(_OTHER, *(f"pyarrow.lib.{name}" for name in _ARROW.split())),
    **_names(PickledZoneMaker, "builtins.getattr", "__builtin__.getattr"),
    **_names(ZONE, "zoneinfo.ZoneInfo", "pytz._p", "pytz._UTC", "datetime.timezone"),
    **_names(_DATES, *(f"datetime.{n}" for n in ("date", "time", "datetime", "timedelta"))),
    **_names(_DATES, *(f"pandas._libs.tslibs.offsets.{name}" for name in _STEPS.split())),
    **_names(_DATES, "pandas._libs.tslibs.timestamps._unpickle_timestamp"),
    **_names(_DATES, "pandas._libs.tslibs.timedeltas._timedelta_unpickle"),
    **_names(_DATES, "pandas.Period", "pandas._libs.tslibs.period.Period"),
    **_names(_DATES, "pandas.core.indexes.datetimes._new_DatetimeIndex"),
    **_names(_DATES, "pandas.core.indexes.timedeltas._new_TimedeltaIndex"),
    **_names(_DATES, "pandas.core.indexes.period._new_PeriodIndex"),
    **_names(_OTHER, "pandas.core.indexes.interval._new_IntervalIndex"),
    **_names(_OTHER, "pandas._libs.interval.__pyx_unpickle_IntervalMixin"),
    **_names(_OTHER, "pandas.Interval", "pandas._libs.interval.Interval"),
    **_names(_OTHER, "pandas._libs.sparse.IntIndex", "pandas._libs.sparse.BlockIndex"),
    **_names(_OTHER, "decimal.Decimal", "fractions.Fraction", "uuid.UUID"),
    **_names(_OTHER, *(f"{b}.{n}" for b in ("builtins", "__builtin__") for n in _SIMPLE)),
}
