"""Tables of the queries of TIM, made from the annotations of any dataset.

Source: Chalk et al., "TIM", CVPR 2024. A query belongs to one label space, visual or audio, which
is a column here; nothing is read out of the names of videos or annotations. A class that is not
known, as in published test splits, is empty.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.events import read_events
from avlib.datasets.published import read_published, seconds
from avlib.errors import ConfigError, DataError
from avlib.io.tables import write_table
from avlib.tim.tables import LABEL_COLUMNS, QUERIES, UNKNOWN

# Classes of each dataset, by column.
CLASS_COUNTS: Mapping[str, Mapping[str, int]] = {
    "epic": {"verb_class": 97, "noun_class": 300, "action_class": 3806, "class_id": 44},
    "perception": {"action_class": 63, "class_id": 17},
    "ave": {"action_class": 29, "class_id": 29},
}
LABELS = tuple(LABEL_COLUMNS.values())

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
        values = events[name].to_numpy() if is_given else np.full(len(part), UNKNOWN)
        part[name] = pd.Series(values).replace(UNKNOWN, np.nan).astype("Int64")
    return part


def queries_of_segments(segments: pd.DataFrame) -> list[QueryRows]:
    """Return a visual and an audio query for each AVE segment.

    Args:
        segments: table of kind EVENTS, from `ave.segments`.
    """
    return queries_of_modalities({"visual": segments, "audio": segments})


def make_queries(dataset: str, files: Mapping[str, Path], target: Path) -> None:
    """Write the queries of all splits as a table; the stage of this name.

    Every second of every annotation is a query in both label spaces, background included.

    Args:
        dataset: format of the annotations, as `read_events` takes it.
        files: `annotations`, and a list for each split.
        target: table of kind QUERIES to write.

    Raises:
        ConfigError: if the data set is not annotated by the second.
        DataError: if a file is wrong; the message names its row.
    """
    segments = read_events(dataset, files).segments
    if segments is None:
        raise ConfigError(f"{dataset}: the annotations are not by the second, as these queries are")
    write_table(join_queries(queries_of_segments(segments)), target, QUERIES)


def queries_of_modalities(events: Mapping[str, pd.DataFrame]) -> list[QueryRows]:
    """Return a visual query for each visual event and an audio query for each audio event.

    Args:
        events: tables of kind EVENTS by modality, with `class_id`; of Perception Test from
            `perception_test.read_annotations`.
    """
    visual = events["visual"].assign(action_class=events["visual"]["class_id"])
    return [queries_of_events(visual, "visual"), queries_of_events(events["audio"], "audio")]


def queries_of_actions(events: pd.DataFrame, pairs: NDArray[np.int64], source: Path) -> QueryRows:
    """Return a visual query for each action of EPIC-KITCHENS-100.

    Args:
        events: from `epic_kitchens.read_events`.
        pairs: (K, 2) verb and noun of each action class, from `action_pairs`.
        source: the file of the events, for messages.

    Raises:
        DataError: if a verb and noun are no action class; the message names the row, counted
            from 1.
    """
    number = {(verb, noun): k for k, (verb, noun) in enumerate(pairs.tolist())}
    found = events[["verb_class", "noun_class"]].itertuples(index=False, name=None)
    classes = [number.get(pair, UNKNOWN) for pair in found]
    if UNKNOWN in classes:
        row = classes.index(UNKNOWN)
        verb, noun = events[["verb_class", "noun_class"]].iloc[row]
        raise DataError(
            f"{source}: row {row + 1}: verb {verb} with noun {noun} is none of the {len(pairs)} "
            "action classes; give the tables of train and validation, or a full list of classes"
        )
    return queries_of_events(events.assign(action_class=classes), "visual")


def action_pairs(tables: Sequence[pd.DataFrame]) -> NDArray[np.int64]:
    """Return the verb and noun of each action class of EPIC-KITCHENS-100, (K, 2).

    A class is the rank of its pair among the distinct ones of train and validation.

    Args:
        tables: from `epic_kitchens.read_events`, of both splits.
    """
    rows = np.concatenate([table[["verb_class", "noun_class"]].to_numpy() for table in tables])
    return np.unique(rows.astype(np.int64), axis=0)


def read_action_pairs(path: Path) -> NDArray[np.int64]:
    """Return the verb and noun of each action class from a CSV file, one class a row, (K, 2).

    The header names `verb_class` and `noun_class`.

    Raises:
        DataError: if the file is not such a table, or a pair occurs twice.
    """
    pair = ("verb_class", "noun_class")
    table = read_published(path, numbers=pair, whole=pair)
    repeated = table.duplicated()
    if repeated.any():
        row = int(np.argmax(repeated))
        raise DataError(f"{path}: row {row + 1} repeats an earlier pair of verb and noun")
    return table.to_numpy().astype(np.int64)


def read_published_queries(path: Path, split: str, modality: str) -> QueryRows:
    """Return the rows of one of TIM's own annotation tables, a pickle or the same as CSV.

    A visual table has `action_class`, or, for AVE, `class_id`, and may have `verb_class` and
    `noun_class`; an audio table has `class_id`. The class -1 is unknown.

    Raises:
        UnsafePickleError: if a pickle would execute code.
        DataError: if a column is missing, a timestamp does not parse, or a class is no whole
            number; the message names the row, counted from 1.
    """
    table = read_published(
        path,
        texts=("narration_id", "video_id", "start_timestamp", "stop_timestamp"),
        optional=LABELS,
        aliases=("annotation_id",),
    )
    if modality == "visual" and table["action_class"].isna().all():
        table["action_class"] = table["class_id"]
    needed = "class_id" if modality == "audio" else "action_class"
    if len(table) and table[needed].isna().all():
        raise DataError(f"{path}: no column {needed!r}, which {modality} queries need")
    for name in LABELS:
        is_broken = table[name].notna() & (table[name] % 1 != 0)
        _check(table, is_broken, path, f"{name} is no whole number")
    start_s, stop_s = (seconds(table[f"{end}_timestamp"], path) for end in ("start", "stop"))
    events = table.rename(columns={"narration_id": "event_id"})
    return queries_of_events(events.assign(split=split, start_s=start_s, stop_s=stop_s), modality)


def read_durations(path: Path) -> dict[str, float]:
    """Return the length of each video in seconds, in the order of a published table of videos.

    Args:
        path: TIM's pickle, or a CSV file like `EPIC_100_video_info.csv`.

    Raises:
        UnsafePickleError: if a pickle would execute code.
        DataError: if it lacks `video_id` or `duration`, or a video occurs twice or has no length.
    """
    table = read_published(path, texts=("video_id",), numbers=("duration",))
    _check(table, table["video_id"].duplicated(), path, "the video occurs twice")
    _check(table, table["duration"] <= 0, path, "the duration is not positive")
    return dict(zip(table["video_id"], table["duration"].tolist(), strict=True))


def check_queries(
    part: QueryRows, source: Path, *, classes: Mapping[str, int], durations: Mapping[str, float]
) -> None:
    """Check the rows of one annotation file before windows are made from them.

    Args:
        part: rows of `source`, in its order.
        source: the file, for messages.
        classes: number of classes by column; the columns of other labels must be empty.
        durations: length of each video in seconds.

    Raises:
        DataError: naming the first row, counted from 1, whose video is unknown, whose id was there
            before, that stops before it starts, that begins after its video ends, or whose class
            is out of range.
    """
    lengths = part["video_id"].map(durations)
    end_s = np.ceil(lengths)  # of the last window of the video
    problems = {
        "its video is not in the table of videos": lengths.isna(),
        "the id occurs twice": part["annotation_id"].duplicated(),
        "the event starts before its video": part["start_s"] < 0,
        "the event stops before it starts": part["stop_s"] < part["start_s"],
        "the event is outside its video": part["start_s"] >= end_s,
    }
    for name in LABELS:
        limit = classes.get(name, 0)
        is_out = (part[name] < 0) | (part[name] >= limit)
        problems[f"{name} is not in 0 to {limit - 1}" if limit else f"has a {name}"] = is_out
    for problem, is_wrong in problems.items():
        _check(part, is_wrong.fillna(False), source, problem, lengths)


def _check(
    table: pd.DataFrame,
    is_wrong: "pd.Series[bool]",
    source: Path,
    problem: str,
    lengths: "pd.Series[float] | None" = None,
) -> None:
    """Raise an error that shows the first wrong row."""
    if not is_wrong.any():
        return
    row = int(np.argmax(is_wrong.to_numpy(dtype=bool)))
    shown = {name: value for name, value in table.iloc[row].items() if _is_known(value)}
    if lengths is not None and _is_known(lengths.iloc[row]):
        shown["video's length"] = lengths.iloc[row]
    found = ", ".join(f"{name} {value}" for name, value in shown.items())
    raise DataError(f"{source}: row {row + 1}: {problem} ({found})")


def _is_known(value: Any) -> bool:
    return not (value is pd.NA or (isinstance(value, float) and math.isnan(value)))
