"""The user's own events, from a CSV file."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from avlib.datasets.splits import SPLITS, short_hash, split_of
from avlib.errors import DataError
from avlib.io.text_tables import key_of, match_columns, nearest, number_of, read_text_table

REQUIRED = ("video_id", "start_s", "stop_s", "label")
CHOICES = {
    "split": SPLITS,
    "modality": ("audio", "visual", "audio_visual"),
}


def read_events(path: Path) -> pd.DataFrame:
    """Return the events of a CSV file as a table of kind EVENTS, in the file's order.

    Values are between commas, semicolons or tabs; blanks and case of the header do not count.
    The header names `video_id`, `start_s`, `stop_s`, `label` and, if wanted, `split` and
    `modality`, in any order. Classes are numbered in the order of their sorted names. The default
    modality is `audio_visual`. Without a column `split`, a hash of the video id puts a video into
    train (80 %), val (10 %) or test (10 %), so that further videos never move the others.

    Raises:
        DataError: naming the line, if the file is empty, has an unknown or missing column, an
            event that does not stop after it starts, a repeated row, or a video in two splits.
    """
    rows: dict[tuple[str | float, ...], int] = {}
    first_splits: dict[str, str] = {}
    for line, row in _rows(path):
        where = f"{path}: line {line}"
        key = (row["video_id"], row["split"], row["modality"], *_span(row, where), row["label"])
        if key in rows:
            raise DataError(f"{where} repeats line {rows[key]}; remove one of them")
        if first_splits.setdefault(row["video_id"], row["split"]) != row["split"]:
            raise DataError(
                f"{where}: {row['video_id']} is in the split {row['split']}, but in "
                f"{first_splits[row['video_id']]} before; a video belongs to one split"
            )
        rows[key] = line
    if not rows:
        raise DataError(f"{path}: holds no events, expected rows of {','.join(REQUIRED)}")
    return _table(list(rows))


def _table(rows: list[tuple[str | float, ...]]) -> pd.DataFrame:
    names = ["video_id", "split", "modality", "start_s", "stop_s", "label"]
    table = pd.DataFrame(rows, columns=names)
    # Named by content, so that a new row does not rename the rows after it.
    table.insert(0, "event_id", [short_hash(*map(str, row)) for row in rows])
    numbers = {label: number for number, label in enumerate(sorted(set(table["label"])))}
    table["class_id"] = table["label"].map(numbers)
    return table


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the values of each row, with defaults filled in."""
    table = read_text_table(path, (*REQUIRED, *CHOICES))
    places = _columns(table.columns, path)
    for line, values in zip(table.lines, table.rows, strict=True):
        row = {name: values[place] for name, place in places.items()}
        row.setdefault("split", split_of(row["video_id"]))
        row.setdefault("modality", "audio_visual")
        for name, choices in CHOICES.items():
            if row[name] not in choices:
                found = f"{name} is {row[name][:80]!r}"
                raise DataError(f"{path}: line {line}: {found}, expected one of {choices}")
        yield line, row


def _columns(header: Sequence[str], path: Path) -> dict[str, int]:
    """Return the places of the columns after checking that there are no others."""
    valid: dict[str, tuple[str, ...]] = {name: () for name in (*REQUIRED, *CHOICES)}
    keys = {key_of(name) for name in valid}
    if any(key_of(name) in keys for name in header):  # else it is no header
        for name in (name for name in header if key_of(name) not in keys):
            near = nearest([name], tuple(valid), 0.6)
            hint = f", did you mean {near[1]!r}?" if near else f"; there are {tuple(valid)}"
            raise DataError(f"{path}: unknown column {name[:80]!r}{hint}")
    return match_columns(header, valid, path, required=REQUIRED)


def _span(row: dict[str, str], where: str) -> tuple[float, float]:
    try:
        start_s, stop_s = (number_of(row[name], name) for name in ("start_s", "stop_s"))
    except DataError as error:
        found = f"{row['start_s'][:80]!r} to {row['stop_s'][:80]!r}"
        raise DataError(
            f"{where}: the event lasts from {found}, expected seconds ({error})"
        ) from None
    if not 0 <= start_s < stop_s < math.inf:
        raise DataError(f"{where}: the event lasts from {start_s} to {stop_s} s")
    if not (row["video_id"] and row["label"]):
        raise DataError(f"{where}: video_id and label must not be empty")
    return start_s, stop_s
