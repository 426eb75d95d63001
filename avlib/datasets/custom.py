"""The user's own events, from a CSV file."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from avlib.datasets.ave import BACKGROUND
from avlib.datasets.splits import SPLITS, short_hash, stratified_splits
from avlib.errors import DataError
from avlib.io.text_tables import key_of, match_columns, nearest, number_of, read_text_table

REQUIRED = ("video_id", "start_s", "stop_s", "label")
CHOICES = {
    "split": SPLITS,
    "modality": ("audio", "visual", "audio_visual"),
}
LEAST_SHARE = 0.5  # of a second, or of the event, that makes the event the label of the second


def read_events(path: Path, seed: int = 0) -> pd.DataFrame:
    """Return the events of a CSV file as a table of kind EVENTS, in the file's order.

    Values are between commas, semicolons or tabs; blanks and case of the header do not count.
    The header names `video_id`, `start_s`, `stop_s`, `label` and, if wanted, `split` and
    `modality`, in any order. Classes are numbered in the order of `class_names`. The default
    modality is `audio_visual`. Without a column `split`, each video gets one by
    `stratified_splits`.

    Args:
        path: the file.
        seed: of the splits that it does not have.

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
    table = _table(list(rows))
    if (table["split"] == "").all():
        labels = table.groupby("video_id")["label"].agg(set).to_dict()
        table["split"] = table["video_id"].map(stratified_splits(labels, seed))
    return table


def class_names(labels: Iterable[str]) -> list[str]:
    """Return the classes by number: in the order of their names, and background last."""
    return [*sorted(set(labels) - {BACKGROUND}), BACKGROUND]


def _table(rows: list[tuple[str | float, ...]]) -> pd.DataFrame:
    names = ["video_id", "split", "modality", "start_s", "stop_s", "label"]
    table = pd.DataFrame(rows, columns=names)
    # Named by content, so that a new row does not rename the rows after it.
    table.insert(0, "event_id", [short_hash(*map(str, row)) for row in rows])
    numbers = {label: number for number, label in enumerate(class_names(table["label"]))}
    table["class_id"] = table["label"].map(numbers)
    return table


def whole_seconds(length_s: float) -> int:
    """Return how many seconds of a video are classified: to the nearest, and one at least."""
    return max(round(length_s), 1)


def seconds_of_events(
    events: pd.DataFrame, lengths: Mapping[str, float], classes: Sequence[str]
) -> pd.DataFrame:
    """Return the seconds of videos with their classes, a table of kind EVENTS.

    A second has the class of the event that it holds most of, if that is LEAST_SHARE of the second
    or of the event, and is background otherwise.

    Args:
        events: from `read_events`.
        lengths: seconds of each video that has features; others are passed over.
        classes: from `class_names`.

    Raises:
        DataError: naming the first event that begins after its video ends.
    """
    parts = []
    for video_id, rows in events.groupby("video_id", sort=False):
        if video_id not in lengths:
            continue
        length_s = lengths[str(video_id)]
        late = rows[rows["start_s"] >= max(length_s, 1.0)]
        if len(late):
            raise DataError(
                f"{video_id}: the event {late['label'].iloc[0]!r} begins at "
                f"{late['start_s'].iloc[0]:g} s, but the video lasts {length_s:.2f} s; are its "
                "times in frames or minutes?"
            )
        parts.append(_seconds(rows, whole_seconds(length_s), classes))
    return pd.concat(parts, ignore_index=True) if parts else events.iloc[:0]


def _seconds(rows: pd.DataFrame, n_seconds: int, classes: Sequence[str]) -> pd.DataFrame:
    """Return the seconds of one video, given its events."""
    second = np.arange(n_seconds, dtype=np.float64)[:, None]
    start_s, stop_s = (rows[name].to_numpy()[None] for name in ("start_s", "stop_s"))
    held = np.clip(np.minimum(stop_s, second + 1) - np.maximum(start_s, second), 0, None)
    counts = (held >= LEAST_SHARE) | ((held > 0) & (held >= LEAST_SHARE * (stop_s - start_s)))
    best = np.where(counts, held, 0).argmax(axis=1)
    numbers = np.where(counts.any(axis=1), rows["class_id"].to_numpy()[best], len(classes) - 1)
    video_id = rows["video_id"].iloc[0]
    name = short_hash(video_id)  # an id may contain anything
    return pd.DataFrame(
        {
            "event_id": [f"{name}_{k}" for k in range(n_seconds)],
            "video_id": video_id,
            "split": rows["split"].iloc[0],
            "modality": "audio_visual",
            "start_s": second[:, 0],
            "stop_s": second[:, 0] + 1,
            "label": [classes[number] for number in numbers],
            "class_id": numbers,
        }
    )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the values of each row, with defaults filled in."""
    table = read_text_table(path, (*REQUIRED, *CHOICES))
    places = _columns(table.columns, path)
    for line, values in zip(table.lines, table.rows, strict=True):
        row = {name: values[place] for name, place in places.items()}
        row.setdefault("modality", "audio_visual")
        for name, choices in CHOICES.items():
            if name in row and row[name] not in choices:
                found = f"{name} is {row[name][:80]!r}"
                raise DataError(f"{path}: line {line}: {found}, expected one of {choices}")
        yield line, {"split": ""} | row


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
