"""Perception Test as TIM recognises it: localised actions and sounds.

The annotations are the public JSON files, or the tables that TIM's authors made of them.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from avlib.datasets import perception_test
from avlib.datasets.annotated import (
    AnnotatedEvents,
    Sources,
    check_events,
    joined_events,
    labels_of,
    names_by_use,
)
from avlib.datasets.perception_test import TRACKS, LabelMap, PerceptionTest
from avlib.datasets.splits import SPLITS
from avlib.datasets.timed_tables import read_durations, read_timed_events
from avlib.errors import ConfigError, DataError

COUNTS = {"action_class": 63, "class_id": 17}  # of the authors' tables
COLUMNS = {modality: column for modality, (_, column) in TRACKS.items()}


def read(files: Mapping[str, Path]) -> AnnotatedEvents:
    """Return the actions and sounds of all splits.

    Args:
        files: `annotations.<split>`, public files, with `ids.<split>`, lists of the videos that are
            used, and `label_map`; or `actions.<split>`, `sounds.<split>` and `video_info`, tables
            of TIM's authors. Without a label map, the labels of train are numbered.

    Raises:
        ConfigError: if no annotations are given, both kinds, or no file to number labels by.
        DataError: if a file is wrong; the message names its row or segment.
    """
    public = [split for split in SPLITS if f"annotations.{split}" in files]
    tables = [k for k in files if k.partition(".")[0] in ("actions", "sounds")]
    if bool(public) == bool(tables):
        raise ConfigError(
            "perception needs either annotations, public files, or actions and sounds, tables of "
            f"TIM's authors, for each split{'; both are given' if public else ''}"
        )
    return _read_public(files, public) if public else _read_tables(files)


def _read_public(files: Mapping[str, Path], splits: list[str]) -> AnnotatedEvents:
    found: dict[str, PerceptionTest] = {}
    for split in splits:
        ids = files.get(f"ids.{split}")
        chosen = None if ids is None else perception_test.read_video_ids(ids)
        path = files[f"annotations.{split}"]
        found[split] = perception_test.read_annotations(path, split, chosen)
        if all(table.empty for table in found[split].events.values()):
            raise DataError(f"{path}: holds no events of the split {split}")
    label_map = _label_map(files, found)
    tables, sources = {}, {}
    for split, part in found.items():
        for modality, table in part.events.items():
            if len(table):  # the other modality has events
                sources[split, modality] = files[f"annotations.{split}"]
                tables[split, modality] = perception_test.apply_label_map(
                    table, label_map, sources[split, modality]
                )
    durations = {v: seconds for part in found.values() for v, seconds in part.durations.items()}
    counts = {column: len(numbers) for column, numbers in label_map.items()}
    return _checked(tables, sources, counts, durations)


def _label_map(files: Mapping[str, Path], found: Mapping[str, PerceptionTest]) -> LabelMap:
    if "label_map" in files:
        return perception_test.read_label_map(files["label_map"])
    if "train" not in found:
        raise ConfigError(
            "the classes of perception number the labels of train: give annotations.train, too, "
            "or a label_map"
        )
    return perception_test.default_label_map(found["train"])


def _read_tables(files: Mapping[str, Path]) -> AnnotatedEvents:
    tables, sources = {}, {}
    for key, modality in (("actions", "visual"), ("sounds", "audio")):
        for split in (s for s in SPLITS if f"{key}.{s}" in files):
            path, column = files[f"{key}.{split}"], COLUMNS[modality]
            optional = [column] if split == "test" else []
            table = read_timed_events(path, split, modality, classes=[column], optional=optional)
            tables[split, modality], sources[split, modality] = table.assign(label=""), path
    durations = read_durations(files["video_info"]) if "video_info" in files else None
    return _checked(tables, sources, COUNTS, durations)


def _checked(
    tables: dict[tuple[str, str], pd.DataFrame],
    sources: Sources,
    counts: Mapping[str, int],
    durations: Mapping[str, float] | None,
) -> AnnotatedEvents:
    """Return checked events of all files, labelled by the text that each class has most often."""
    for (split, modality), table in tables.items():
        check_events(
            table,
            sources[split, modality],
            classes=counts,
            durations=durations,
            required=() if split == "test" else (COLUMNS[modality],),
        )
    names = {}
    for modality, column in COLUMNS.items():
        rows = [table for key, table in tables.items() if key[1] == modality]
        names[column] = names_by_use(rows, column, "label", counts[column])
        for table in rows:
            table["label"] = labels_of(table[column], names[column])
    return joined_events(tables, sources, names, durations)
