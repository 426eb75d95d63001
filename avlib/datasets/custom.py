"""The user's own events, from a CSV file."""

import csv
import difflib
import io
import math
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from avlib.datasets.splits import SPLITS, short_hash, split_of
from avlib.errors import DataError

REQUIRED = ("video_id", "start_s", "stop_s", "label")
CHOICES = {
    "split": SPLITS,
    "modality": ("audio", "visual", "audio_visual"),
}


def read_events(path: Path) -> pd.DataFrame:
    """Return the events of a CSV file as a table of kind EVENTS, in the file's order.

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
    """Yield the line number and the fields of each row, with defaults filled in."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    _check_header(header, path)
    for fields in reader:
        if not fields:
            continue
        where = f"{path}: line {reader.line_num}"
        if len(fields) != len(header):
            raise DataError(f"{where} has {len(fields)} fields, the header has {len(header)}")
        row = dict(zip(header, (normalize("NFC", f.strip()) for f in fields), strict=True))
        row.setdefault("split", split_of(row["video_id"]))
        row.setdefault("modality", "audio_visual")
        for name, choices in CHOICES.items():
            if row[name] not in choices:
                raise DataError(f"{where}: {name} is {row[name]!r}, expected one of {choices}")
        yield reader.line_num, row


def _check_header(header: list[str], path: Path) -> None:
    valid = (*REQUIRED, *CHOICES)
    for name in header:
        if name not in valid:
            nearest = difflib.get_close_matches(name, valid, n=1)
            hint = f", did you mean {nearest[0]!r}?" if nearest else f"; there are {valid}"
            raise DataError(f"{path}: unknown column {name!r}{hint}")
        if header.count(name) > 1:
            raise DataError(f"{path}: column {name!r} occurs twice")
    for name in REQUIRED:
        if name not in header:
            raise DataError(f"{path}: no column {name!r}; the columns are {header}")


def _span(row: dict[str, str], where: str) -> tuple[float, float]:
    try:
        start_s, stop_s = float(row["start_s"]), float(row["stop_s"])
    except ValueError:
        found = f"{row['start_s']!r} to {row['stop_s']!r}"
        raise DataError(f"{where}: the event lasts from {found}, expected seconds") from None
    if not 0 <= start_s < stop_s < math.inf:
        raise DataError(f"{where}: the event lasts from {start_s} to {stop_s} s")
    if not (row["video_id"] and row["label"]):
        raise DataError(f"{where}: video_id and label must not be empty")
    return start_s, stop_s
