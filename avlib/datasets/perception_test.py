"""Perception Test (Pătrăucean et al., NeurIPS 2023): public annotation files to events.

A file holds one object a video: `metadata`, and under `action_localisation` and
`sound_localisation` its segments, with `timestamps` in microseconds and a `label_id`. The ids of
the labels have gaps, so they are numbered anew: see `default_label_map`.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.errors import DataError
from avlib.io.json_files import read_published_json
from avlib.io.text_tables import read_text

# The annotations that become events: their key in the file, and that of their label map.
TRACKS = {
    "visual": ("action_localisation", "action_class"),
    "audio": ("sound_localisation", "class_id"),
}
US_PER_S = 1_000_000
SHORTEST_S = 0.1  # in which the last event of all ends
_LARGEST = 2**53  # of whole numbers in JSON

LabelMap = Mapping[str, Mapping[int, int]]  # action_class or class_id -> label id -> class


@dataclass(frozen=True)
class PerceptionTest:
    """One annotation file.

    Attributes:
        events: tables of kind EVENTS without verbs and nouns, by modality, visual and audio;
            `class_id` holds label ids.
        durations: length of each video in seconds.
    """

    events: Mapping[str, pd.DataFrame]
    durations: Mapping[str, float]


def read_annotations(
    path: Path, split: str, video_ids: Sequence[str] | None = None
) -> PerceptionTest:
    """Return the annotations of the public file of a split.

    Args:
        path: JSON file.
        split: train, val or test.
        video_ids: the videos that are used, for example of the localisation challenge, in any
            order; None for all.

    Raises:
        DataError: if the file is no such file, or lacks a video; the message names the video and
            the segment.
    """
    content = read_published_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}, expected an object of videos")
    missing = sorted(set(video_ids or ()) - content.keys())
    if missing:
        raise DataError(f"{path}: no video {missing[0]!r}, which the list of ids has")
    kept = content.keys() if video_ids is None else set(video_ids)
    videos = {video_id: content[video_id] for video_id in content if video_id in kept}
    durations = {video_id: _duration(v, f"{path}: {video_id}") for video_id, v in videos.items()}
    names = ["event_id", "video_id", "start_s", "stop_s", "label", "class_id"]
    events = {}
    for modality, (key, _) in TRACKS.items():
        rows = [row for v in videos for row in _segments(videos[v], v, key, path)]
        table = pd.DataFrame(rows, columns=names)
        events[modality] = table.assign(split=split, modality=modality)
    _check_unit(pd.concat(events.values()), path)
    return PerceptionTest(events, durations)


def _check_unit(events: pd.DataFrame, path: Path) -> None:
    """Check that times are in microseconds, as no others of whole videos are so small."""
    if 0 < events["stop_s"].max() < SHORTEST_S:  # of no events it is NaN
        raise DataError(
            f"{path}: {events['video_id'].iloc[0]}: all segments end before {SHORTEST_S} s, "
            "expected timestamps in microseconds; are they frames?"
        )


def _duration(video: Any, where: str) -> float:
    try:
        duration_s = float(video["metadata"]["num_frames"] / video["metadata"]["frame_rate"])
    except (KeyError, TypeError, ZeroDivisionError, OverflowError):
        duration_s = 0.0
    if not 0 < duration_s < math.inf:
        raise DataError(f"{where}: no positive metadata num_frames and frame_rate")
    return duration_s


def _segments(
    video: Mapping[str, Any], video_id: str, key: str, path: Path
) -> Iterator[tuple[str, str, float, float, str, int]]:
    segments = video.get(key) or []
    for segment in segments if isinstance(segments, list) else [segments]:
        try:
            start, stop = (_seconds(_whole(time)) for time in segment["timestamps"])
            label_id = _whole(segment["label_id"])
            label = str(segment.get("label", label_id))
            yield f"{video_id}_{segment['id']}", video_id, start, stop, label, label_id
        except (AttributeError, KeyError, TypeError, ValueError):
            raise DataError(
                f"{path}: {video_id}: {key} {str(segment)[:80]}, expected id, label_id and two "
                "timestamps in microseconds"
            ) from None


def _whole(value: Any) -> int:
    """Return a whole number of moderate size.

    Raises:
        ValueError: if it is none.
    """
    number = int(value) if isinstance(value, str) and len(value) < 20 else value
    is_whole = isinstance(number, int | float) and -_LARGEST < number < _LARGEST
    if not is_whole or number % 1:
        raise ValueError(value)
    return int(number)


def _seconds(microseconds: int) -> float:
    """Return what the published tables give for a time, which they write as HH:MM:SS.ffffff."""
    hours, rest = divmod(microseconds, 3600 * US_PER_S)
    minutes, rest = divmod(rest, 60 * US_PER_S)
    return 3600.0 * hours + 60.0 * minutes + rest / US_PER_S


def read_video_ids(path: Path) -> list[str]:
    """Return the ids of a challenge list: separated by commas, semicolons, tabs or line ends.

    Raises:
        DataError: if the file cannot be read or is empty.
    """
    ids = [name.strip() for name in re.split(r"[,;\t\r\n]", read_text(path)) if name.strip()]
    if not ids:
        raise DataError(f"{path}: holds no ids of videos")
    return ids


def default_label_map(train: PerceptionTest) -> LabelMap:
    """Return classes for the label ids that the train split has: 0, 1, ... in ascending order."""
    return {
        column: {
            int(label_id): number
            for number, label_id in enumerate(sorted(train.events[modality]["class_id"].unique()))
        }
        for modality, (_, column) in TRACKS.items()
    }


def read_label_map(path: Path) -> LabelMap:
    """Return a label map from JSON: an object of classes by label id for each of TRACKS' columns.

    Raises:
        DataError: if the file has another form, or two labels of one column the same class.
    """
    try:
        content = read_published_json(path)
        label_map = {
            column: {int(label_id): int(number) for label_id, number in content[column].items()}
            for _, column in TRACKS.values()
        }
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{path}: no label map, expected action_class and class_id, each with classes by "
            f"label id ({type(error).__name__}: {error})"
        ) from error
    for column, numbers in label_map.items():
        if sorted(numbers.values()) != list(range(len(numbers))):
            raise DataError(f"{path}: the classes of {column} are not 0 to {len(numbers) - 1}")
    return label_map


def apply_label_map(events: pd.DataFrame, label_map: LabelMap, source: Path) -> pd.DataFrame:
    """Return events of one modality with its column of class numbers in place of label ids.

    Raises:
        DataError: naming the first segment whose label has no class.
    """
    if events.empty:
        return events
    _, column = TRACKS[events["modality"].iloc[0]]
    numbers = events["class_id"].map(label_map[column])
    unknown = numbers.isna()
    if unknown.any():
        row = events[unknown].iloc[0]
        raise DataError(
            f"{source}: {row['event_id']}: the label {row['class_id']} has no {column}; "
            f"there are labels {sorted(label_map[column])}"
        )
    return events.drop(columns="class_id").assign(**{column: numbers.astype("int64")})
