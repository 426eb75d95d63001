"""The labelled events of a study, and what is checked of every annotation file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.datasets.tables import EVENTS
from avlib.datasets.timed_tables import UNKNOWN
from avlib.errors import DataError

Sources = Mapping[tuple[str, str], Path]  # (split, modality) -> file
Classes = Mapping[str, Sequence[str]]

CLASS_COLUMNS = ("verb_class", "noun_class", "action_class", "class_id")


@dataclass(frozen=True)
class AnnotatedEvents:
    """The labelled events of a study.

    Attributes:
        table: of kind EVENTS.
        classes: names by number, for each column of class numbers that the dataset has.
        video_splits: each (video_id, split) once.
        segments: of kind EVENTS, a row for each second that is to be classified; None if the data
            set is not annotated by the second.
        durations: length of each video in seconds, in the order that windows are to have; of other
            videos, too. None if the annotations do not say it.
    """

    table: pd.DataFrame
    classes: Classes
    video_splits: Sequence[tuple[str, str]]
    segments: pd.DataFrame | None = None
    durations: Mapping[str, float] | None = None


def joined_events(
    tables: Mapping[tuple[str, str], pd.DataFrame],
    sources: Sources,
    classes: Classes,
    durations: Mapping[str, float] | None = None,
) -> AnnotatedEvents:
    """Return the events of one table for each split and modality.

    Args:
        tables: rows with EVENTS' columns that they have, in the order of their files.
        sources: the files, for messages.
        classes: names by number for each column of classes.
        durations: length of each video in seconds, None if unknown.

    Raises:
        DataError: if a video is in two splits, naming file and row.
    """
    splits: dict[str, tuple[str, Path]] = {}
    for key, table in tables.items():
        _check_split(table, key[0], sources[key], splits)
    pairs = [(video_id, split) for video_id, (split, _) in splits.items()]
    joined = pd.concat(tables.values(), ignore_index=True)
    table = joined.reindex(columns=[column.name for column in EVENTS.columns])
    return AnnotatedEvents(table, classes, pairs, durations=durations)


def _check_split(
    table: pd.DataFrame, split: str, source: Path, splits: dict[str, tuple[str, Path]]
) -> None:
    """Add the videos of a table to those of all splits, in which each belongs to one."""
    for row, video_id in table["video_id"].reset_index(drop=True).drop_duplicates().items():
        other, first = splits.setdefault(video_id, (split, source))
        if other != split:
            place = _place(table, row, source)
            raise DataError(
                f"{place}: {video_id} is in the split {split}, but {first} has it in {other}; "
                "splits overlap"
            )


def check_events(
    events: pd.DataFrame,
    source: Path,
    *,
    classes: Mapping[str, int],
    durations: Mapping[str, float] | None = None,
    required: Sequence[str] = (),
) -> None:
    """Check the events of one annotation file.

    Args:
        events: rows of `source`, in its order.
        source: the file, for messages.
        classes: number of classes by column; the columns of other classes must be empty.
        durations: length of each video in seconds, None if unknown.
        required: columns of classes that no row may lack.

    Raises:
        DataError: if there are no events, or naming the first row, counted from 1, whose id was
            there before, whose video is unknown, that starts before 0, stops before it starts, or
            begins after its video ends, or whose class is missing or out of range.
    """
    if events.empty:
        raise DataError(f"{source}: holds no events; leave the file out, or give the whole one")
    lengths = pd.Series(math.inf, events.index)
    if durations is not None:
        lengths = events["video_id"].map(durations).astype("float64")
    _check_times(events, source, lengths)
    _check_classes(events, source, classes, required)


def _check_times(events: pd.DataFrame, source: Path, lengths: "pd.Series[float]") -> None:
    """Check ids and times; `lengths` are those of each event's video, NaN where there is none."""
    problems = {
        "its video is not in the table of videos": lengths.isna(),
        "the id occurs twice": events["event_id"].duplicated(),
        "the event starts before its video": events["start_s"] < 0,
        "the event stops before it starts": events["stop_s"] < events["start_s"],
        "the event is outside its video; are the times in frames?": (
            events["start_s"] >= np.ceil(lengths)  # the end of the last window of the video
        ),
    }
    for problem, is_wrong in problems.items():
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            found = _shown(events.iloc[row], lengths.iloc[row])
            raise DataError(f"{_place(events, row, source)}: {problem} ({found})")


def _check_classes(
    events: pd.DataFrame, source: Path, classes: Mapping[str, int], required: Sequence[str]
) -> None:
    """Check that class numbers are in range, and there where they are required."""
    for column in (c for c in CLASS_COLUMNS if c in events):
        numbers, count = events[column].fillna(UNKNOWN), classes.get(column, 0)
        is_wrong = ~numbers.between(0 if column in required else UNKNOWN, count - 1)
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            expected = f"expected 0 to {count - 1}" if count else "but there are no such classes"
            place = _place(events, row, source)
            raise DataError(f"{place}: {column} is {numbers.iloc[row]}, {expected}")


def _place(events: pd.DataFrame, row: int, source: Path) -> str:
    """Return the file and the place of a row in it, which of JSON is the segment."""
    if source.suffix.lower() == ".json":
        return f"{source}: segment {events['event_id'].iloc[row]}"
    return f"{source}: row {row + 1}"


def _shown(row: "pd.Series[Any]", length_s: float) -> str:
    found = f"{row['event_id']} of {row['video_id']}, {row['start_s']} to {row['stop_s']} s"
    return f"{found}, the video has {length_s} s" if math.isfinite(length_s) else found


def names_by_use(tables: Sequence[pd.DataFrame], column: str, text: str, count: int) -> list[str]:
    """Return the text that each class has most often, its number where it has none.

    Args:
        tables: events.
        column: of their classes, empty where unknown.
        text: column of their texts, "" where there is none.
        count: number of classes.
    """
    first: dict[int, str] = {}
    if tables:
        pairs = pd.concat([table[[column, text]] for table in tables]).dropna()
        uses = pairs[pairs[text] != ""].value_counts().reset_index(name="uses")
        uses = uses.sort_values([column, "uses", text], ascending=[True, False, True])
        first = uses.drop_duplicates(column).set_index(column)[text].to_dict()
    return [first.get(number, str(number)) for number in range(count)]


def labels_of(numbers: "pd.Series[Any]", names: Sequence[str]) -> list[str]:
    """Return the name of each class, "" where it is unknown."""
    known = dict(enumerate(names))
    return [known.get(number, "") for number in numbers.fillna(UNKNOWN)]
