"""Stages label_files and span_events: the labelled files of a study, and an event for each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.datasets.kinetics import read_class_names
from avlib.datasets.tables import EVENTS
from avlib.io.atomic import write_json
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.soundtracks.kinetics_files import kinetics_files
from avlib.soundtracks.own_sounds import labelled_sounds
from avlib.soundtracks.tables import LABELLED_FILES

# Readers by the layout of the files; their arguments are the other keys of a source.
LAYOUTS: dict[str, Callable[..., pd.DataFrame]] = {
    "kinetics": kinetics_files,
    "sounds": labelled_sounds,
}


def read_labelled_files(source: Mapping[str, Any]) -> pd.DataFrame:
    """Return the labelled files of a study as a table of kind LABELLED_FILES.

    Args:
        source: `layout`, one of LAYOUTS, and the arguments of its reader; paths may be strings.

    Raises:
        DataError: as the reader.
    """
    arguments = {
        name: Path(value) if isinstance(value, str) else value
        for name, value in source.items()
        if name != "layout"
    }
    return LAYOUTS[source["layout"]](**arguments)


def label_files(source: Mapping[str, Any], files_target: Path, classes_target: Path) -> None:
    """Write the labelled files of a study as a table, and the names of its classes as JSON.

    Args:
        source: as in `read_labelled_files`; a list of `classes` in it gives their order.
        files_target: table of kind LABELLED_FILES to write.
        classes_target: JSON file to write, with the names of the classes as `class_id`.

    Raises:
        DataError: as `read_labelled_files`.
    """
    files = read_labelled_files(source)
    listed = source.get("classes")
    names = read_class_names(Path(listed)) if listed else sorted(set(files["label"]))
    write_table(files, files_target, LABELLED_FILES)
    write_json(classes_target, {"class_id": names})


def span_events(*, labelled_files: Path, manifest: Path, target: Path) -> None:
    """Write each usable video as one audio-visual event, from its start to its end.

    Args:
        labelled_files: table of kind LABELLED_FILES.
        manifest: table of kind MANIFEST, which has the lengths of the videos.
        target: table of kind EVENTS to write.
    """
    videos = read_table(manifest, MANIFEST).query("status == 'ok' and duration_s > 0")
    seconds = dict(zip(videos["video_id"], videos["duration_s"], strict=True))
    files = read_table(labelled_files, LABELLED_FILES)
    write_table(whole_file_events(files, seconds, "audio_visual"), target, EVENTS)


def whole_file_events(
    files: pd.DataFrame, seconds: Mapping[str, float], modality: str = "audio"
) -> pd.DataFrame:
    """Return labelled files as a table of kind EVENTS, one event a file from its start to its end.

    Args:
        files: of kind LABELLED_FILES.
        seconds: length of each file by its video id; files without one are left out.
        modality: of the events.
    """
    known = files[files["video_id"].isin(list(seconds))]
    columns = ("video_id", "split", "label", "class_id")
    events = known[list(columns)].assign(
        event_id=known["video_id"],
        modality=modality,
        start_s=0.0,
        stop_s=known["video_id"].map(dict(seconds)).astype("float64"),
    )
    return events.reindex(columns=[column.name for column in EVENTS.columns])
