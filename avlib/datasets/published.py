"""Published annotation tables, pickled or as CSV, column by column and with checked values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.errors import DataError
from avlib.io.pickles import read_table_pickle

PICKLE_SUFFIXES = {".pkl", ".pickle"}


def read_published(
    path: Path,
    *,
    texts: Sequence[str] = (),
    numbers: Sequence[str] = (),
    optional: Sequence[str] = (),
    aliases: Sequence[str] = (),
) -> pd.DataFrame:
    """Return columns of a published table, `texts` as str and the others as float64.

    A pickle's index counts as a column, under its name, or under the first of `texts` if it has
    none. An absent optional column is NaN.

    Args:
        path: `.pkl` or `.pickle`; every other file is read as CSV with a header.
        texts: names of text columns.
        numbers: names of columns of numbers.
        optional: names of columns of numbers that may be absent.
        aliases: other names that the first of `texts` may have.

    Raises:
        UnsafePickleError: if a pickle would execute code.
        DataError: if the file cannot be read, a column is missing, or a value is empty or not a
            number; the message names the row, counted from 1 and without the header.
    """
    table = _read(path)
    if texts and texts[0] not in table.columns:
        if not isinstance(table.index, pd.RangeIndex):
            table = table.rename_axis(index=table.index.name or texts[0]).reset_index()
        table = table.rename(columns=dict.fromkeys(aliases, texts[0]))
    missing = [name for name in (*texts, *numbers) if name not in table.columns]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}; the columns are {list(table.columns)}")
    columns: dict[str, Any] = {name: _text(table[name], path) for name in texts}
    for name in (*numbers, *optional):
        columns[name] = _number(table[name], path) if name in table.columns else np.nan
    return pd.DataFrame(columns, index=range(len(table)))


def _read(path: Path) -> pd.DataFrame:
    if path.suffix.lower() in PICKLE_SUFFIXES:
        return read_table_pickle(path)
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path}: not a readable CSV table ({error})") from error


def _text(column: "pd.Series[Any]", path: Path) -> Any:
    """Return the texts as an array of objects."""
    values = column.to_numpy(dtype=object)
    for row, value in enumerate(values, start=1):
        if not isinstance(value, str) or not value:
            raise DataError(f"{path}: row {row}: {column.name} is {value!r}, expected a text")
    return values


def _number(column: "pd.Series[Any]", path: Path) -> Any:
    """Return the numbers as float64."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        row, value = wrong[0] + 1, column.iloc[wrong[0]]
        raise DataError(f"{path}: row {row}: {column.name} is {value!r}, expected a number")
    return values


def seconds(timestamps: "pd.Series[str]", path: Path) -> Any:
    """Return "HH:MM:SS.sss" as seconds, float64.

    Raises:
        DataError: if a timestamp has another form; the message names the row, counted from 1.
    """
    values = np.empty(len(timestamps))
    for row, text in enumerate(timestamps):
        try:
            hours, minutes, rest = text.split(":")
            values[row] = 3600 * float(hours) + 60 * float(minutes) + float(rest)
            if not np.isfinite(values[row]):
                raise ValueError(text)
        except ValueError:
            raise DataError(
                f"{path}: row {row + 1}: {timestamps.name} is {text!r}, expected HH:MM:SS.sss"
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
