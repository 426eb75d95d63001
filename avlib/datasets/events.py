"""Stage make_events: annotation files of any known format to events, classes and splits."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from avlib.datasets import (
    ave,
    custom,
    epic,
    epic_kitchens,
    epic_sounds,
    perception,
    vggsound,
)
from avlib.datasets.annotated import AnnotatedEvents, check_events, joined_events
from avlib.datasets.tables import EVENTS
from avlib.errors import ConfigError
from avlib.io.atomic import write_json
from avlib.io.tables import write_table


def read_events(dataset: str, files: Mapping[str, Path], seed: int = 0) -> AnnotatedEvents:
    """Return the events of annotation files.

    Args:
        dataset: name of the format, a key of READERS.
        files: `annotations` (ave, csv), and a file for each split (all but csv); for epic and
            perception as their readers say.
        seed: of splits that a CSV of one's own events does not have.

    Raises:
        ConfigError: if the files that the format needs are not given.
        DataError: if a file is wrong; the message names its row.
    """
    return _read_csv(files, seed) if dataset == "csv" else READERS[dataset](files)


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
    names, pairs = ave.class_names(annotations), ave.video_splits(splits)
    return AnnotatedEvents(
        ave.events(splits, names),
        {"class_id": names},
        pairs,
        ave.segments(splits, names),
        dict.fromkeys(sorted({video_id for video_id, _ in pairs}), float(ave.VIDEO_SECONDS)),
    )


def _read_csv(files: Mapping[str, Path], seed: int = 0) -> AnnotatedEvents:
    if "annotations" not in files:
        raise ConfigError("annotation_format csv needs annotations, a CSV file of events")
    table = custom.read_events(files["annotations"], seed)
    pairs = table[["video_id", "split"]].drop_duplicates().itertuples(index=False, name=None)
    return AnnotatedEvents(table, {"class_id": custom.class_names(table["label"])}, list(pairs))


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
    for split, table in tables.items():
        check_events(table, lists[split], classes=class_counts, required=tuple(class_counts))
    by_modality = {(split, t["modality"].iloc[0]): t for split, t in tables.items()}
    classes = {column: list(map(str, range(count))) for column, count in class_counts.items()}
    return joined_events(by_modality, {key: lists[key[0]] for key in by_modality}, classes)


READERS: Mapping[str, Callable[[Mapping[str, Path]], AnnotatedEvents]] = {
    "ave": _read_ave,
    "epic": epic.read,
    "perception": perception.read,
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
    dataset: str,
    files: Mapping[str, Path],
    events_target: Path,
    classes_target: Path,
    seed: int = 0,
) -> None:
    """Write the events of a study as a table, and the names of its classes as JSON."""
    events = read_events(dataset, files, seed)
    columns = [column.name for column in EVENTS.columns]
    write_table(events.table.reindex(columns=columns), events_target, EVENTS)
    write_json(classes_target, events.classes)
