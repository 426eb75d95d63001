"""Stage make_events: annotation files of any known format to events, classes and splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from avlib.datasets import ave, custom, epic_kitchens, epic_sounds, vggsound
from avlib.datasets.tables import EVENTS
from avlib.errors import ConfigError, DataError
from avlib.io.atomic import write_json
from avlib.io.tables import write_table

PUBLISHED = {"vggsound": vggsound, "epic_sounds": epic_sounds, "epic_kitchens": epic_kitchens}
# Classes of the published tables, by column; a table need not hold the last ones.
PUBLISHED_CLASSES = {
    "vggsound": {"class_id": 309},
    "epic_sounds": {"class_id": 44},
    "epic_kitchens": {"verb_class": 97, "noun_class": 300},
}


@dataclass(frozen=True)
class AnnotatedEvents:
    """The labelled events of a study.

    Attributes:
        table: of kind EVENTS.
        classes: names by number, for each column of class numbers that the dataset has.
        video_splits: each (video_id, split) once.
    """

    table: pd.DataFrame
    classes: Mapping[str, Sequence[str]]
    video_splits: Sequence[tuple[str, str]]


def read_events(dataset: str, files: Mapping[str, Path]) -> AnnotatedEvents:
    """Return the events of annotation files.

    Args:
        dataset: ave, csv, vggsound, epic_sounds or epic_kitchens.
        files: `annotations` (ave, csv), and a file for each split (all but csv).

    Raises:
        ConfigError: if the files that the format needs are not given.
        DataError: if a file is wrong; the message names its row.
    """
    if dataset == "ave":
        return _read_ave(files)
    if dataset == "csv":
        if "annotations" not in files:
            raise ConfigError("annotation_format csv needs annotations, a CSV file of events")
        table = custom.read_events(files["annotations"])
        classes = {"class_id": sorted(set(table["label"]))}
    else:
        lists = {split: path for split, path in files.items() if split != "annotations"}
        if not lists:
            raise ConfigError(f"annotation_format {dataset} needs splits, a table for each")
        tables = [PUBLISHED[dataset].read_events(path, split) for split, path in lists.items()]
        table = pd.concat(tables, ignore_index=True)
        classes = {
            column: [str(number) for number in range(count)]
            for column, count in PUBLISHED_CLASSES[dataset].items()
        }
    pairs = table[["video_id", "split"]].drop_duplicates()
    repeated = pairs[pairs["video_id"].duplicated()]
    if len(repeated):
        video_id, split = repeated.iloc[0]
        raise DataError(f"{files[split]}: {video_id} is in another split, too; splits overlap")
    return AnnotatedEvents(table, classes, list(pairs.itertuples(index=False, name=None)))


def _read_ave(files: Mapping[str, Path]) -> AnnotatedEvents:
    annotations = ave.read_annotations(files["annotations"])
    lists = {split: path for split, path in files.items() if split != "annotations"}
    splits = ave.read_splits(lists, annotations)
    names = ave.class_names(annotations)
    return AnnotatedEvents(ave.events(splits, names), {"class_id": names}, ave.video_splits(splits))


def make_events(
    dataset: str, files: Mapping[str, Path], events_target: Path, classes_target: Path
) -> None:
    """Write the events of a study as a table, and the names of its classes as JSON."""
    events = read_events(dataset, files)
    columns = [column.name for column in EVENTS.columns]
    write_table(events.table.reindex(columns=columns), events_target, EVENTS)
    write_json(classes_target, events.classes)
