"""Tables of the queries of TIM, made from the annotations of any dataset.

Source: Chalk et al., "TIM", CVPR 2024. A query belongs to one label space, visual or audio, which
is a column here; nothing is read out of the names of videos or annotations. A class that is not
known, as in published test splits, is empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from avlib.datasets.annotated import AnnotatedEvents
from avlib.datasets.custom import seconds_of_events, whole_seconds
from avlib.datasets.events import read_events
from avlib.datasets.timed_tables import read_timed_events
from avlib.errors import ConfigError, DataError
from avlib.extractors.intervals import video_lengths
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.tim.tables import LABEL_COLUMNS, QUERIES, VIDEOS

LABELS = tuple(LABEL_COLUMNS.values())
MODALITIES = ("visual", "audio")  # label spaces

_COLUMNS = [column.name for column in QUERIES.columns]

QueryRows: TypeAlias = pd.DataFrame  # the columns of QUERIES but `query_id`, for one file


def join_queries(parts: Sequence[QueryRows]) -> pd.DataFrame:
    """Return parts as one table of kind QUERIES: all visual rows, then all audio rows, numbered."""
    table = pd.concat(parts, ignore_index=True)
    order = np.argsort(table["modality"].to_numpy() == "audio", kind="stable")
    table = table.iloc[order].reset_index(drop=True)
    table.insert(0, "query_id", np.arange(len(table)))
    return table[_COLUMNS]


def queries_of_events(events: pd.DataFrame, modality: str) -> QueryRows:
    """Return a query for each event, for example of EPIC-SOUNDS.

    Args:
        events: table of kind EVENTS, with the columns of LABELS that the label space has.
        modality: visual or audio.
    """
    labels = ("class_id",) if modality == "audio" else LABELS[:3]
    columns = {
        "annotation_id": events["event_id"],
        "modality": modality,
        **{name: events[name] for name in ("video_id", "split", "start_s", "stop_s")},
    }
    part = pd.DataFrame(columns, index=events.index).reset_index(drop=True)
    for name in LABELS:
        is_given = name in labels and name in events
        part[name] = pd.array(events[name] if is_given else [pd.NA] * len(part), dtype="Int64")
    return part


def queries_of_segments(segments: pd.DataFrame) -> list[QueryRows]:
    """Return a visual and an audio query for each AVE segment.

    Args:
        segments: table of kind EVENTS, from `ave.segments`.
    """
    visual = segments.assign(action_class=segments["class_id"])
    return [queries_of_events(visual, "visual"), queries_of_events(segments, "audio")]


def make_queries(
    dataset: str,
    files: Mapping[str, Path],
    target: Path,
    videos_target: Path,
    *,
    manifest: Path | None = None,
    seed: int = 0,
) -> None:
    """Write the queries of all splits, and their videos, as tables; the stage of this name.

    Every event is a query in its label space. Where annotations are by the second, every second
    of each is one in both label spaces, background included; so is every second of the videos of a
    manifest.

    Args:
        dataset: format of the annotations, as `read_events` takes it.
        files: annotation files, as `read_events` takes them.
        target: table of kind QUERIES to write.
        videos_target: table of kind VIDEOS to write.
        manifest: videos whose seconds are to be classified; None where the annotations say that.
        seed: as `read_events` takes it.

    Raises:
        ConfigError: if events are of no label space.
        DataError: if a file is wrong; the message names its row.
    """
    found = read_events(dataset, files, seed)
    if manifest is not None:
        found = _by_the_second(found, read_table(manifest, MANIFEST))
    if found.segments is not None:
        parts = queries_of_segments(found.segments)
    else:
        events = found.table
        parts = [queries_of_events(events[events["modality"] == m], m) for m in MODALITIES]
    queries = join_queries(parts)
    if queries.empty:
        raise ConfigError(f"{dataset}: the events are neither visual nor audio, as queries are")
    write_table(queries, target, QUERIES)
    write_table(_videos(found), videos_target, VIDEOS)


def _by_the_second(found: AnnotatedEvents, manifest: pd.DataFrame) -> AnnotatedEvents:
    """Return events with the seconds of the videos of a manifest that can be used."""
    videos = manifest[manifest["status"] == "ok"].drop_duplicates("video_id")
    videos = videos.assign(duration_s=videos["duration_s"].fillna(videos["audio_duration_s"]))
    lengths = dict(zip(videos["video_id"], video_lengths(videos).tolist(), strict=True))
    seconds = seconds_of_events(found.table, lengths, found.classes["class_id"])
    durations = {video_id: float(whole_seconds(lengths[video_id])) for video_id in lengths}
    pairs = [pair for pair in found.video_splits if pair[0] in lengths]
    return replace(found, video_splits=pairs, segments=seconds, durations=durations)


def _videos(found: AnnotatedEvents) -> pd.DataFrame:
    """Return the annotated videos, in the order of the durations, or else of their names."""
    table = pd.DataFrame(list(found.video_splits), columns=["video_id", "split"])
    if found.durations is None:
        return table.sort_values("video_id", kind="stable").assign(duration_s=np.nan)
    place = {video_id: number for number, video_id in enumerate(found.durations)}
    order = np.argsort(table["video_id"].map(place), kind="stable")
    table = table.iloc[order]
    return table.assign(duration_s=table["video_id"].map(found.durations).astype("float64"))


def read_published_queries(path: Path, split: str, modality: str) -> QueryRows:
    """Return the rows of one of TIM's own annotation tables, a pickle or the same as CSV.

    A visual table has `action_class`, or, for AVE, `class_id`, and may have `verb_class` and
    `noun_class`; an audio table has `class_id`. The class -1 is unknown.

    Raises:
        UnsafePickleError: if a pickle would execute code.
        DataError: if a column is missing, a timestamp does not parse, or a class is no whole
            number; the message names the row, counted from 1.
    """
    table = read_timed_events(path, split, modality, classes=LABELS, optional=LABELS)
    if modality == "visual" and table["action_class"].isna().all():
        table["action_class"] = table["class_id"]
    needed = "class_id" if modality == "audio" else "action_class"
    if len(table) and table[needed].isna().all():
        raise DataError(f"{path}: no column {needed!r}, which {modality} queries need")
    return queries_of_events(table, modality)
