"""Tables of events with timestamps, and of videos, in the form of EPIC-KITCHENS' annotations.

The authors of TIM have the annotations of all their data sets in this form.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from avlib.datasets.published import Lookup, read_published, seconds
from avlib.errors import DataError

UNKNOWN = -1  # a class that is not known, in tables of test splits


def read_timed_events(
    path: Path,
    split: str,
    modality: str,
    *,
    texts: Sequence[str] = (),
    classes: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the events of a table with `video_id`, `start_timestamp` and `stop_timestamp`.

    Args:
        path: `.pkl` or text; the id of an event is its column `narration_id` or `annotation_id`,
            or the index of a pickle.
        split: train, val or test.
        modality: visual or audio.
        texts: names of further columns of text.
        classes: names of columns of class numbers.
        optional: those of `texts` and `classes` that may be absent.

    Returns:
        event_id, video_id, split, modality, start_s, stop_s, and the columns of `texts`, "" where
        absent, and of `classes`, which are Int64 and empty where absent or -1.

    Raises:
        UnsafePickleError: if a pickle would execute code.
        DataError: if a column is missing, a timestamp does not parse, or a class is no whole
            number; the message names the row, counted from 1.
    """
    table = read_published(
        path,
        texts=("narration_id", "video_id", "start_timestamp", "stop_timestamp", *texts),
        whole=classes,
        optional=optional,
        lookup=Lookup(aliases=("annotation_id",)),
    )
    further = {name: table[name] for name in texts}
    further |= {name: table[name].replace(UNKNOWN, np.nan).astype("Int64") for name in classes}
    return _timed(table, path, split, modality).assign(**further)


def _timed(table: pd.DataFrame, path: Path, split: str, modality: str) -> pd.DataFrame:
    """Return the columns that every table of events has."""
    columns = {
        "event_id": table["narration_id"],
        "video_id": table["video_id"],
        "split": split,
        "modality": modality,
        "start_s": seconds(table["start_timestamp"], path),
        "stop_s": seconds(table["stop_timestamp"], path),
    }
    return pd.DataFrame(columns, index=table.index)


def read_durations(path: Path) -> dict[str, float]:
    """Return the length of each video in seconds, in the order of a published table of videos.

    Args:
        path: TIM's pickle, or a CSV file like `EPIC_100_video_info.csv`.

    Raises:
        UnsafePickleError: if a pickle would execute code.
        DataError: if it lacks `video_id` or `duration`, or a video occurs twice or has no length.
    """
    table = read_published(path, texts=("video_id",), numbers=("duration",))
    problems = {
        "the video occurs twice": table["video_id"].duplicated(),
        "the duration is not positive": table["duration"] <= 0,
    }
    for problem, is_wrong in problems.items():
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            found = f"video_id {table['video_id'][row]}, duration {table['duration'][row]}"
            raise DataError(f"{path}: row {row + 1}: {problem} ({found})")
    return dict(zip(table["video_id"], table["duration"].tolist(), strict=True))
