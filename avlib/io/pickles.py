"""Published pickles, in and out: tables and lists of ids, and nothing that executes."""

import io
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError, UnsafePickleError
from avlib.io.atomic import atomic_path
from avlib.io.pickle_parts import (
    Builder,
    PickledDtype,
    dispatch_with_checked_keys,
    is_unicode,
    shown,
)
from avlib.io.pickle_tables import ALLOWED, ALLOWED_VALUES
from avlib.io.text_tables import read_content


class _TableUnpickler(pickle._Unpickler):
    """Finds stand-ins for the names that tables contain; imports nothing.

    It is Python's own unpickler in Python: that in C sets aside memory for as many objects as a
    few bytes of the file announce.
    """

    dispatch: ClassVar[dict[int, Any]] = dispatch_with_checked_keys()
    _name_before = ""

    def find_class(self, module: str, name: str) -> Any:
        known = ALLOWED.get((module, name)) or ALLOWED_VALUES.get((module, name))
        before, self._name_before = self._name_before, f"{module}.{name}"
        if before.endswith(".getattr") and self._name_before != "zoneinfo.ZoneInfo":
            raise UnsafePickleError(f"asks for {before}")
        if known is None:
            raise UnsafePickleError(f"asks for {_printable(self._name_before)[:80]}")
        return known


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)


def _load(content: bytes, source: Path) -> Any:
    try:
        builder = Builder(len(content))
        return builder.build(_TableUnpickler(io.BytesIO(content), encoding="latin1").load())
    except UnsafePickleError as error:
        raise UnsafePickleError(
            f"{source}: the pickle {error}, which a table of numbers and text does not contain; "
            "nothing was executed. If you trust the file, convert it to CSV"
        ) from None
    except Exception as error:  # a damaged pickle can fail in any operation
        reason = " ".join(str(error).split())[:200]
        hint = "; a text is read under the suffix .csv" if content[:200].isascii() else ""
        raise DataError(
            f"{source}: not a readable table pickle ({type(error).__name__}: {reason}){hint}"
        ) from error


def read_table_pickle(path: Path) -> pd.DataFrame:
    """Return the table of a pandas pickle of any pandas version since 0.14.1.

    Columns hold numbers, text or lists of them; text columns have type object. A value of another
    type, such as a date, is kept as a mark that says what it is.

    Raises:
        UnsafePickleError: if the pickle names anything that such tables do not contain.
        DataError: if the file is damaged or holds no table.
    """
    table = _load(read_content(path), path)
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{path}: holds a {type(table).__name__}, expected a pandas DataFrame")
    return table


def write_table_pickle(table: pd.DataFrame, path: Path) -> None:
    """Write `table` as a pickle that pandas >= 1.4 with numpy >= 1.26 can read.

    Text is written as objects, since older pandas know no other. Equal tables give equal bytes:
    pickle refers back to a text that it has met before as the same object, so equal texts are
    made one object first.
    """
    same: dict[str, str] = {}
    index = _plain_index(table.index, same)
    columns = [_plain_values(table.iloc[:, i], same) for i in range(table.shape[1])]
    plain = pd.DataFrame({i: pd.Series(c, index, dtype=c.dtype) for i, c in enumerate(columns)})
    plain.columns = _plain_index(table.columns, same)
    with atomic_path(path) as partial:
        partial.write_bytes(pickle.dumps(plain, protocol=4))


def _plain_values(values: Any, same: dict[str, str]) -> NDArray[Any]:
    """Return numbers as they are, and text as objects, one object for each text."""
    if values.dtype != object and not isinstance(values.dtype, pd.StringDtype):
        return np.array(values)
    shared = (same.setdefault(v, v) if isinstance(v, str) else v for v in values)
    return np.fromiter(shared, dtype=object, count=len(values))


def _plain_index(index: pd.Index, same: dict[str, str]) -> pd.Index:
    name = same.setdefault(index.name, index.name) if index.name is not None else None
    values = _plain_values(index, same)
    return pd.Index(values, dtype=values.dtype, name=name)


def read_id_array(path: Path) -> list[str]:
    """Return the ids of a `metadata.npy`: a pickled array of objects, or an array of text.

    Raises:
        UnsafePickleError: if the pickle names anything that such arrays do not contain.
        DataError: if the file is damaged or holds anything but text.
    """
    content = read_content(path)
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(file)
        left = len(content) - file.tell()
        if not dtype.hasobject:
            if dtype.kind != "U" or len(shape) != 1 or shape[0] * dtype.itemsize != left:
                raise ValueError(f"{left} bytes for {shape} of {dtype}, expected a row of text")
            ids = PickledDtype.of(dtype).read(shape, file.read())
    except Exception as error:  # the header is a text in Python's syntax
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a readable .npy file ({reason})") from error
    if dtype.hasobject:
        ids = _load(file.read(), path)
    if not isinstance(ids, np.ndarray) or ids.ndim != 1 or ids.shape != shape:
        raise DataError(f"{path}: expected a one-dimensional array of ids")
    for row, item in enumerate(ids):
        if not (isinstance(item, str) and is_unicode(item)):
            raise DataError(f"{path}: row {row} holds {shown(item)}, expected an id as text")
    return [str(item) for item in ids]


def write_id_array(ids: Iterable[str], path: Path) -> None:
    """Write `ids` as a `.npy` array of objects, the form of the original `metadata.npy`."""
    same: dict[str, str] = {}
    array = np.array([same.setdefault(i, i) for i in ids], dtype=object)
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.lib.format.write_array(file, array, allow_pickle=True)


def read_array(path: Path) -> NDArray[Any]:
    """Return a pickled array of numbers or of text.

    Raises:
        UnsafePickleError: if the pickle names anything that arrays do not contain.
        DataError: if the file is damaged or holds no array.
    """
    array = _load(read_content(path), path)
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: holds a {type(array).__name__}, expected an array")
    return array


def read_array_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a pickled dictionary, of numbers or of text, by their names.

    Raises:
        UnsafePickleError: if the pickle names anything that such dictionaries do not contain.
        DataError: if the file is damaged or holds no dictionary of arrays.
    """
    arrays = _load(read_content(path), path)
    if not isinstance(arrays, dict):
        raise DataError(f"{path}: holds a {type(arrays).__name__}, expected a dictionary")
    for name, array in arrays.items():
        if not (isinstance(name, str) and isinstance(array, np.ndarray)):
            found = f"{shown(name)} is a {type(array).__name__}"
            raise DataError(f"{path}: {found}, expected an array")
    return arrays


def write_array_dict(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write arrays as a pickled dictionary that numpy >= 1.26 can read.

    Equal arrays give equal bytes, as in `write_table_pickle`.
    """
    same: dict[str, str] = {}
    plain = {
        same.setdefault(name, name): np.asarray(_plain_values(array, same), order="C")
        for name, array in arrays.items()
    }
    with atomic_path(path) as partial:
        partial.write_bytes(pickle.dumps(plain, protocol=4))
