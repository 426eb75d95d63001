"""Stages label_files and span_events: the labelled files of a study of soundtracks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.datasets.kinetics import read_class_names
from avlib.datasets.tables import EVENTS
from avlib.io.atomic import write_json
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.soundtracks.labelled_files import kinetics_files, labelled_sounds, whole_file_events
from avlib.soundtracks.tables import LABELLED_FILES


def read_labels(source: Mapping[str, Any]) -> pd.DataFrame:
    """Return the labelled files of a study as a table of kind LABELLED_FILES.

    Args:
        source: `folder`; and `classes` (a list or None) and `validation_share` of Kinetics, or
            `table` (a CSV file or None) of other sounds.

    Raises:
        DataError: as `kinetics_files` or `labelled_sounds`.
    """
    root = Path(source["folder"])
    if "table" in source:
        return labelled_sounds(root, source["table"] and Path(source["table"]))
    classes = source["classes"] and Path(source["classes"])
    return kinetics_files(root, classes, source["validation_share"])


def write_labels(source: Mapping[str, Any], labels_target: Path, classes_target: Path) -> None:
    """Write the labelled files of a study as a table, and the names of its classes as JSON.

    Raises:
        DataError: as `read_labels`.
    """
    files = read_labels(source)
    given = source.get("classes")
    names = read_class_names(Path(given)) if given else sorted(set(files["label"]))
    write_table(files, labels_target, LABELLED_FILES)
    write_json(classes_target, {"class_id": names})


def span_events(*, labels: Path, manifest: Path, target: Path) -> None:
    """Write each usable video as one event of sound and picture, from its start to its end.

    Args:
        labels: table of kind LABELLED_FILES.
        manifest: table of kind MANIFEST, which knows how long the videos are.
        target: table of kind EVENTS to write.
    """
    videos = read_table(manifest, MANIFEST).query("status == 'ok' and duration_s > 0")
    seconds = dict(zip(videos["video_id"], videos["duration_s"], strict=True))
    events = whole_file_events(read_table(labels, LABELLED_FILES), seconds, "audio_visual")
    write_table(events, target, EVENTS)
