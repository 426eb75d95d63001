"""Stage make_events: annotation files of any known format to events, classes and splits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from avlib.datasets import ave, custom, epic_kitchens, epic_sounds, vggsound
from avlib.datasets.tables import EVENTS
from avlib.errors import ConfigError, DataError
from avlib.io.atomic import write_json
from avlib.io.tables import write_table


@dataclass(frozen=True)
class AnnotatedEvents:
    """The labelled events of a study.

    Attributes:
        table: of kind EVENTS.
        classes: names by number, for each column of class numbers that the dataset has.
        video_splits: each (video_id, split) once.
        segments: of kind EVENTS, a row for each second that is to be classified; None if the data
            set is not annotated by the second.
    """

    table: pd.DataFrame
    classes: Mapping[str, Sequence[str]]
    video_splits: Sequence[tuple[str, str]]
    segments: pd.DataFrame | None = None


def read_events(dataset: str, files: Mapping[str, Path]) -> AnnotatedEvents:
    """Return the events of annotation files.

    Args:
        dataset: name of the format, a key of READERS.
        files: `annotations` (ave, csv), and a file for each split (all but csv).

    Raises:
        ConfigError: if the files that the format needs are not given.
        DataError: if a file is wrong; the message names its row.
    """
    return READERS[dataset](files)


def _read_ave(files: Mapping[str, Path]) -> AnnotatedEvents:
    annotations = ave.read_annotations(files["annotations"])
    lists = {split: path for split, path in files.items() if split != "annotations"}
    return by_the_second(annotations, ave.read_splits(lists, annotations))


def by_the_second(annotations: Sequence[ave.Annotation], splits: ave.Splits) -> AnnotatedEvents:
    """Return the events and segments of a data set of ten-second videos, such as AVE.

    Args:
        annotations: all of them; the order of their labels decides the class numbers.
        splits: the annotations of each split.
    """
    names = ave.class_names(annotations)
    return AnnotatedEvents(
        ave.events(splits, names),
        {"class_id": names},
        ave.video_splits(splits),
        ave.segments(splits, names),
    )


def _read_csv(files: Mapping[str, Path]) -> AnnotatedEvents:
    if "annotations" not in files:
        raise ConfigError("annotation_format csv needs annotations, a CSV file of events")
    table = custom.read_events(files["annotations"])
    return _in_one_split_each(table, {"class_id": sorted(set(table["label"]))}, files)


def _read_published(
    files: Mapping[str, Path],
    *,
    name: str,
    read_split: Callable[[Path, str], pd.DataFrame],
    class_counts: Mapping[str, int],
) -> AnnotatedEvents:
    """Return the events of one published table a split.

    Args:
        files: the tables by split.
        name: of the format, for messages.
        read_split: returns the events of a table.
        class_counts: number of classes of each column; a table need not hold the last ones.
    """
    lists = {split: path for split, path in files.items() if split != "annotations"}
    if not lists:
        raise ConfigError(f"annotation_format {name} needs splits, a table for each")
    tables = {split: read_split(path, split) for split, path in lists.items()}
    for split, part in tables.items():
        for column, count in class_counts.items():
            is_outside = ~part[column].between(0, count - 1)
            if is_outside.any():
                row = int(is_outside.to_numpy().argmax())
                found = f"row {row + 1}: {column} is {part[column].iloc[row]}"
                raise DataError(f"{lists[split]}: {found}, expected 0 to {count - 1}")
    table = pd.concat(tables.values(), ignore_index=True)
    classes = {column: list(map(str, range(count))) for column, count in class_counts.items()}
    return _in_one_split_each(table, classes, files)


def _in_one_split_each(
    table: pd.DataFrame, classes: Mapping[str, Sequence[str]], files: Mapping[str, Path]
) -> AnnotatedEvents:
    """Return events after checking that no video is in two splits."""
    pairs = table[["video_id", "split"]].drop_duplicates()
    repeated = pairs[pairs["video_id"].duplicated()]
    if len(repeated):
        video_id, split = repeated.iloc[0]
        raise DataError(f"{files[split]}: {video_id} is in another split, too; splits overlap")
    return AnnotatedEvents(table, classes, list(pairs.itertuples(index=False, name=None)))


READERS: Mapping[str, Callable[[Mapping[str, Path]], AnnotatedEvents]] = {
    "ave": _read_ave,
    "csv": _read_csv,
    "vggsound": partial(
        _read_published,
        name="vggsound",
        read_split=vggsound.read_events,
        class_counts={"class_id": 309},
    ),
    "epic_sounds": partial(
        _read_published,
        name="epic_sounds",
        read_split=epic_sounds.read_events,
        class_counts={"class_id": 44},
    ),
    "epic_kitchens": partial(
        _read_published,
        name="epic_kitchens",
        read_split=epic_kitchens.read_events,
        class_counts={"verb_class": 97, "noun_class": 300},
    ),
}


def make_events(
    dataset: str, files: Mapping[str, Path], events_target: Path, classes_target: Path
) -> None:
    """Write the events of a study as a table, and the names of its classes as JSON."""
    events = read_events(dataset, files)
    columns = [column.name for column in EVENTS.columns]
    write_table(events.table.reindex(columns=columns), events_target, EVENTS)
    write_json(classes_target, events.classes)
