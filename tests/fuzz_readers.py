"""What the fuzz tests read: each reader of foreign tables, by the first word of a file's name."""

from pathlib import Path

from avlib.datasets import (
    ave,
    custom,
    ego_mcq,
    epic_mir,
    kinetics,
    llp,
    vggsound,
)
from avlib.datasets import perception_test as perception
from avlib.datasets.events import read_events
from avlib.datasets.tables import EVENTS
from avlib.extractors.intervals import read_published_intervals
from avlib.io.pickles import read_array_dict, read_id_array, read_table_pickle
from avlib.io.tables import read_table, write_table
from avlib.soundtracks.own_sounds import labelled_sounds
from avlib.tim.queries import read_published_queries

NAMES = [column.name for column in EVENTS.columns]


def _whole(events, path):
    """Write events as a stage does; what was read must be what tables take."""
    write_table(events.reindex(columns=NAMES), path.with_suffix(".parquet"), EVENTS)


def _all_events(dataset, path, key):
    """Read a file as the only one of a data set."""
    _whole(read_events(dataset, {key: path}).table, path)


def _pickled_table(path):
    read_table_pickle(path)
    read_published_intervals(path)


def _write_all(found, path):
    """Write all tables of a benchmark of retrieval as a stage does."""
    for name, (rows, schema) in found.tables().items():
        write_table(rows, path.with_suffix(f".{name}.parquet"), schema)


def _captioned(path):
    sentences = path.parent / "files" / "sentences.csv"
    _write_all(epic_mir.read({"clips": path, "sentences": sentences}), path)


READERS = {
    "table": _pickled_table,
    "arrays": read_array_dict,
    "ids": read_id_array,
    "custom": lambda path: _whole(custom.read_events(path), path),
    "ave": ave.read_annotations,
    "kitchens": lambda path: _all_events("epic", path, "actions.train"),
    "sounds": lambda path: _all_events("epic", path, "sounds.test"),
    "vggsound": lambda path: vggsound.read_events(path, "val"),
    "intervals": read_published_intervals,
    "queries": lambda path: read_published_queries(path, "val", "visual"),
    "weak": llp.read_videos,
    "dense": llp.read_dense,
    "classes": kinetics.read_class_names,
    "videos": kinetics.read_video_list,
    "folds": lambda path: labelled_sounds(path.parent / "files", path),
    "perception": lambda path: _all_events("perception", path, "annotations.train"),
    "labels": perception.read_label_map,
    "list": perception.read_video_ids,
    "captioned": _captioned,
    "questions": lambda path: _write_all(ego_mcq.read({"questions": path}), path),
    "parquet": lambda path: read_table(path, EVENTS),
}


def read(path: Path) -> None:
    """Read a file by the reader that its name begins with."""
    READERS[path.name.partition("-")[0]](path)
