"""Published annotation tables, pickled or as text, column by column and with checked values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.pickle_parts import is_unicode, shown
from avlib.io.pickles import read_table_pickle
from avlib.io.text_tables import (
    key_of,
    match_columns,
    number_of,
    numbers_of,
    read_text_table,
)

_LARGEST = 2.0**1000  # of numbers; a pickle may have whole numbers that are no floats
_LARGEST_WHOLE = 2.0**53  # above it, floats skip whole numbers
_LISTED = re.compile(r"\[ *(?:[0-9]{1,9} *(?:, *[0-9]{1,9} *)*)?\]")
_LIST = re.compile("[0-9]+")
PICKLE_SUFFIXES = {".pkl", ".pickle"}


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """How columns are found that have other names in some files.

    Attributes:
        aliases: other names that the first column of text may have.
        places: of columns that published code reads by their place, counted from 0: in a text
            these may have any name, but none of them may stand elsewhere.
    """

    aliases: Sequence[str] = ()
    places: Mapping[str, int] = field(default_factory=dict)


BY_NAME = Lookup()


def read_published(
    path: Path,
    *,
    texts: Sequence[str] = (),
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
    lists: Sequence[str] = (),
    optional: Sequence[str] = (),
    lookup: Lookup = BY_NAME,
) -> pd.DataFrame:
    """Return columns of a published table: `texts` as str, `lists` as tuples, others as float64.

    A pickle's index counts as a column, under its name or the first of `texts`. Blanks, case and
    underscores of names are of no account; other columns are not read.

    Args:
        path: `.pkl`, `.pickle`, or a text with a header and with commas, semicolons or tabs.
        texts: names of text columns.
        numbers: names of columns of numbers.
        whole: names of columns of whole numbers.
        lists: names of columns of lists of whole numbers, in text as `[2, 5]`.
        optional: those that may be absent; they are NaN then, or "" if they are of `texts`.
        lookup: how columns are found.

    Raises:
        UnsafePickleError: if a pickle would execute code.
        DataError: if the file cannot be read, a column is missing or at another place, or a value
            is none of its column; the message names the row, counted from 1, and the line.
    """
    readers = dict.fromkeys(texts, _text) | dict.fromkeys(numbers, _number)
    readers |= dict.fromkeys(whole, _whole) | dict.fromkeys(lists, _list)
    wanted = {name: lookup.aliases if name in texts[:1] else () for name in readers}
    table, lines = _read(path, wanted)
    names = _at_places(list(table.columns), {} if _is_pickle(path) else lookup.places, path)
    found = match_columns(names, wanted, path, required=[n for n in wanted if n not in optional])
    columns: dict[str, Any] = {n: "" if n in texts else np.nan for n in wanted}
    for name, place in found.items():
        columns[name] = readers[name](table.iloc[:, place].rename(name), lines, path)
    return pd.DataFrame(columns, index=range(len(table)))


def _is_pickle(path: Path) -> bool:
    return path.suffix.lower() in PICKLE_SUFFIXES


def _read(path: Path, wanted: Mapping[str, Sequence[str]]) -> tuple[pd.DataFrame, Sequence[int]]:
    """Return a table whose index is no column, and the line of each row, none of a pickle."""
    if not _is_pickle(path):
        known = [n for name, others in wanted.items() for n in (name, *others)]
        text = read_text_table(path, known)
        table = pd.DataFrame(list(text.rows), columns=range(len(text.columns)), dtype=object)
        table.columns = pd.Index(text.columns, dtype=object)
        return table, text.lines
    table = read_table_pickle(path)
    columns = [(str(name), table.iloc[:, i]) for i, name in enumerate(table.columns)]
    if not isinstance(table.index, pd.RangeIndex):
        default = next(iter(wanted), "")
        names = {key_of(name) for name, _ in columns}
        for level in range(table.index.nlevels):
            values = table.index.get_level_values(level)
            name = str(values.name if values.name is not None else default)
            if key_of(name) not in names:
                columns.append((name, values.to_series(index=table.index)))
    plain = pd.DataFrame(  # with the types as they are: pandas would make some into text
        {i: pd.Series(v.array, dtype=v.dtype) for i, (_, v) in enumerate(columns)}
    )
    plain.columns = pd.Index([name for name, _ in columns], dtype=object)
    return plain, ()


def _at_places(columns: list[str], places: Mapping[str, int], path: Path) -> list[str]:
    """Return the names of columns, with the known ones at their places."""
    keys = [key_of(name) for name in columns]
    for name, place in places.items():
        if key_of(name) in keys and keys.index(key_of(name)) != place:
            found = keys.index(key_of(name)) + 1
            raise DataError(f"{path}: {name!r} is column {found}, expected as column {place + 1}")
        if place >= len(columns):
            raise DataError(
                f"{path}: has {len(columns)} columns, expected {name!r} as column {place + 1}"
            )
        columns[place] = name
    return columns


def _where(path: Path, row: int, lines: Sequence[int]) -> str:
    """Return the place of a row, which is counted from 0."""
    return f"{path}: line {lines[row]}, row {row + 1}" if lines else f"{path}: row {row + 1}"


def _text(column: "pd.Series[Any]", lines: Sequence[int], path: Path) -> Any:
    """Return the texts as an array of objects."""
    values = column.to_numpy(dtype=object)
    for row, value in enumerate(values):
        if not isinstance(value, str) or not value or not is_unicode(value):
            where = f"{_where(path, row, lines)}: {column.name}"
            raise DataError(f"{where} is {shown(value)}, expected a text")
    return values


def _list(column: "pd.Series[Any]", lines: Sequence[int], path: Path) -> Any:
    """Return lists of whole numbers as an array of tuples."""
    values = np.empty(len(column), dtype=object)
    for row, value in enumerate(column.to_numpy(dtype=object)):
        items = value
        if isinstance(value, str):
            items = [int(n) for n in _LIST.findall(value)] if _LISTED.fullmatch(value) else None
        if not isinstance(items, list | tuple) or not all(map(_is_whole, items)):
            where = f"{_where(path, row, lines)}: {column.name}"
            raise DataError(f"{where} is {shown(value)}, expected whole numbers as in [2, 5]")
        values[row] = tuple(map(int, items))
    return values


def _is_whole(item: Any) -> bool:
    is_number = isinstance(item, int | np.integer) and not isinstance(item, bool)
    return is_number and bool(0 <= item < _LARGEST_WHOLE)


def _number(column: "pd.Series[Any]", lines: Sequence[int], path: Path) -> Any:
    """Return the numbers as float64."""
    if lines or column.dtype == object:
        items = column.to_numpy(dtype=object).tolist()
        found = numbers_of(items) if all(isinstance(item, str) for item in items) else None
        if found is not None:
            return found
        return np.array([_one_number(v, column.name, n, lines, path) for n, v in enumerate(items)])
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        where = f"{_where(path, int(wrong[0]), lines)}: {column.name}"
        raise DataError(f"{where} is {shown(column.iloc[wrong[0]])}, expected a number")
    return values


def _one_number(value: Any, name: Any, row: int, lines: Sequence[int], path: Path) -> float:
    where = f"{_where(path, row, lines)}: {name}"
    if isinstance(value, str):
        return number_of(value, where)
    if _is_number(value):
        return float(value)
    raise DataError(f"{where} is {shown(value)}, expected a number")


def _whole(column: "pd.Series[Any]", lines: Sequence[int], path: Path) -> Any:
    """Return whole numbers as float64."""
    values: NDArray[np.float64] = _number(column, lines, path)
    wrong = np.flatnonzero((values % 1 != 0) | (np.abs(values) >= _LARGEST_WHOLE))
    if len(wrong):
        where = f"{_where(path, int(wrong[0]), lines)}: {column.name}"
        raise DataError(f"{where} is {shown(column.iloc[wrong[0]])}, expected a whole number")
    return values


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float | np.integer | np.floating)
    return is_number and bool(abs(value) < _LARGEST)  # of NaN it is false


def seconds(timestamps: "pd.Series[str]", path: Path) -> Any:
    """Return "HH:MM:SS.sss" as seconds, float64.

    Raises:
        DataError: if a timestamp has another form; the message names the row, counted from 1.
    """
    parts = [text.split(":") for text in timestamps]
    if all(len(part) == 3 for part in parts):  # at once, which is much faster
        numbers = numbers_of([number for part in parts for number in part])
        if numbers is not None:
            hour, minute, second = numbers.reshape(-1, 3).T
            return 3600 * hour + 60 * minute + second
    values = np.empty(len(parts))
    for row, text in enumerate(timestamps):
        try:
            hours, minutes, rest = (number_of(part, "") for part in parts[row])
            values[row] = 3600 * hours + 60 * minutes + rest
        except (ValueError, DataError):
            raise DataError(
                f"{path}: row {row + 1}: {timestamps.name} is {text[:80]!r}, expected HH:MM:SS.sss"
            ) from None
    return values


def check_spans(events: pd.DataFrame, path: Path) -> None:
    """Check that events have distinct ids and stop after they start, at or after time 0.

    Raises:
        DataError: naming the first row that does not, counted from 1.
    """
    wrong = ~((events["start_s"] >= 0) & (events["stop_s"] > events["start_s"]))
    if wrong.any():
        row = int(np.argmax(wrong))
        start_s, stop_s = events["start_s"].iloc[row], events["stop_s"].iloc[row]
        raise DataError(f"{path}: row {row + 1}: the event lasts from {start_s} to {stop_s} s")
    repeated = events["event_id"].duplicated()
    if repeated.any():
        row = int(np.argmax(repeated))
        raise DataError(f"{path}: row {row + 1}: second event {events['event_id'].iloc[row]!r}")
