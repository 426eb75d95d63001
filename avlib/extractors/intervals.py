"""Interval tables: which parts of each video become features.

Source: Chalk et al., "TIM", CVPR 2024. The tables made here have the rows of the published ones:
starts are added up in float64, an interval must end strictly before the video does, seconds are
rounded to hundredths for the table and cut to hundredths before they become frame numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.custom import whole_seconds
from avlib.datasets.published import read_published
from avlib.errors import DataError
from avlib.io.pickles import write_table_pickle


def interval_samples(start_s: float, stop_s: float, *, sample_rate: int) -> tuple[int, int]:
    """Return the first sample of an interval and the one after its last, rounded half to even."""
    return round(start_s * sample_rate), round(stop_s * sample_rate)


INTERVAL_S = 1.1  # length of an interval
HOP_S = 0.2  # distance between the starts of two intervals
LONGEST_S = 7 * 24 * 3600.0  # of a video; the intervals of a longer one need gigabytes of memory

_DIGITS = 18  # of the number of an interval, which then fits 64 bits
# Columns of the published tables, in their order, and what we call them.
PUBLISHED_COLUMNS = {
    "narration_id": "interval_id",
    "video_id": "video_id",
    "start_sec": "start_s",
    "stop_sec": "stop_s",
    "narration_sec": "centre_s",
    "start_frame": "start_frame",
    "stop_frame": "stop_frame",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Grid:
    """The intervals of an endless video; those of a real one are the first of them."""

    stop_exact: Floats
    start_s: Floats
    stop_s: Floats
    centre_s: Floats
    start_cut: Floats
    stop_cut: Floats


@lru_cache(maxsize=8)
def _grid(rows: int, interval_s: float, hop_s: float) -> _Grid:
    steps = np.full(rows, hop_s)
    steps[0] = 0.0
    start = np.add.accumulate(steps)  # repeated addition, not k * hop
    stop = start + interval_s
    return _Grid(
        stop_exact=stop,
        start_s=_to_hundredths(start),
        stop_s=_to_hundredths(stop),
        centre_s=_to_hundredths(start + interval_s / 2),
        start_cut=_cut_to_hundredths(start),
        stop_cut=_cut_to_hundredths(stop),
    )


def _to_hundredths(seconds: Floats) -> Floats:
    # Formatting rounds the exact binary value; numpy's round multiplies first and may differ.
    return np.array([float(f"{s:.2f}") for s in seconds])


def _cut_to_hundredths(seconds: Floats) -> Floats:
    whole = np.trunc(seconds)
    return whole + np.trunc((seconds - whole) * 100) / 100


def interval_rows(
    video_id: str,
    n_frames: int,
    fps: float,
    *,
    interval_s: float = INTERVAL_S,
    hop_s: float = HOP_S,
) -> pd.DataFrame:
    """Return the intervals of one video, whose length is `n_frames / fps`.

    Returns:
        table of kind INTERVALS; no rows if the video is not longer than one interval.

    Raises:
        ValueError: if `fps`, `interval_s` or `hop_s` is not positive.
    """
    video = {"video_id": [video_id], "duration_s": [np.nan], "frames": [n_frames], "fps": [fps]}
    return interval_table(pd.DataFrame(video), interval_s=interval_s, hop_s=hop_s)


def interval_table(
    videos: pd.DataFrame, *, interval_s: float = INTERVAL_S, hop_s: float = HOP_S
) -> pd.DataFrame:
    """Return the intervals of many videos, in the order of `videos`.

    A video's length is its number of frames over its rate, as published, or else its `duration_s`.
    Recordings without a video stream have no `fps`; their frame numbers are empty.

    Args:
        videos: columns video_id, duration_s, frames and fps, as in the manifest; `duration_s` may
            be empty where `frames` and `fps` are given.
        interval_s: length of an interval in seconds.
        hop_s: distance between two starts in seconds.

    Returns:
        table of kind INTERVALS; videos that are not longer than one interval have no rows.

    Raises:
        ValueError: if a rate, `interval_s` or `hop_s` is not positive.
        DataError: if the length of a video is unknown, or above LONGEST_S.
    """
    fps = videos["fps"].to_numpy(np.float64, na_value=np.nan)
    if interval_s <= 0 or hop_s <= 0 or np.any(fps <= 0):
        raise ValueError(f"fps, interval ({interval_s} s) and hop ({hop_s} s) must be positive")
    length = video_lengths(videos)
    if np.any(length > LONGEST_S):
        video_id = videos["video_id"].iloc[int(np.argmax(length))]
        raise DataError(
            f"{video_id}: {length.max():.0f} s long, at most {LONGEST_S:.0f} s are used"
        )
    longest = max(length.max(initial=0.0), interval_s)
    grid = _grid(int((longest - interval_s) / hop_s) + 2, interval_s, hop_s)
    counts = np.searchsorted(grid.stop_exact, length, side="left")  # stop < length
    ends = np.cumsum(counts)
    k = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
    video_ids = np.repeat(videos["video_id"].to_numpy(dtype=object), counts)
    return _rows(grid, k, video_ids, np.repeat(fps, counts))


def _rows(grid: _Grid, k: NDArray[np.intp], video_ids: NDArray[Any], fps: Floats) -> pd.DataFrame:
    """Return interval number `k`, counted from 0, of each of `video_ids`."""
    return pd.DataFrame(
        {
            "interval_id": [f"{v}_{i}" for v, i in zip(video_ids, (k + 1).tolist(), strict=True)],
            "video_id": video_ids,
            "start_s": grid.start_s[k],
            "stop_s": grid.stop_s[k],
            "centre_s": grid.centre_s[k],
            "start_frame": _frames(grid.start_cut[k] * fps),
            "stop_frame": _frames(grid.stop_cut[k] * fps),
        }
    )


def video_lengths(videos: pd.DataFrame) -> Floats:
    """Return the length of each video in seconds, as `interval_table` takes it.

    Raises:
        DataError: if it is unknown.
    """
    fps = videos["fps"].to_numpy(np.float64, na_value=np.nan)
    frames = videos["frames"].to_numpy(np.float64, na_value=np.nan)
    duration_s = videos["duration_s"].to_numpy(np.float64, na_value=np.nan)
    length = np.where(np.isnan(frames / fps), duration_s, frames / fps)
    unknown = videos["video_id"][~np.isfinite(length)]
    if len(unknown):
        raise DataError(f"{unknown.iloc[0]}: neither its length nor its frames and rate are known")
    return length


def _frames(numbers: Floats) -> "pd.Series[int]":
    return pd.Series(np.rint(numbers)).astype("Int64")


def numbered_at(intervals: pd.DataFrame, rate: float) -> pd.DataFrame:
    """Return intervals with other frame numbers: those of their times at `rate` frames a second."""
    numbers = {
        f"{end}_frame": _frames(intervals[f"{end}_s"].to_numpy() * rate)
        for end in ("start", "stop")
    }
    return intervals.reset_index(drop=True).assign(**numbers)


def with_frame_numbers(intervals: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """Return published intervals with frame numbers by their times where they have none.

    Args:
        intervals: table of kind INTERVALS.
        videos: columns video_id and fps; without a rate the numbers stay empty.
    """
    is_empty = intervals[["start_frame", "stop_frame"]].isna().any(axis=1)
    if not is_empty.any():
        return intervals
    rates = videos.drop_duplicates("video_id").set_index("video_id")["fps"]
    fps = intervals["video_id"].map(rates).to_numpy(np.float64, na_value=np.nan)
    numbers = {
        name: intervals[name].mask(is_empty, _frames(intervals[seconds].to_numpy() * fps))
        for name, seconds in (("start_frame", "start_s"), ("stop_frame", "stop_s"))
    }
    return intervals.assign(**numbers)


def second_intervals(video_ids: Sequence[str], seconds: int) -> pd.DataFrame:
    """Return the intervals (i, i + 1) of videos of so many seconds.

    Returns:
        table of kind INTERVALS, without frame numbers.
    """
    start_s = np.tile(np.arange(seconds, dtype=np.float64), len(video_ids))
    no_frames = pd.Series(pd.NA, range(len(start_s)), "Int64")
    return pd.DataFrame(
        {
            "interval_id": [f"{v}_{k}" for v in video_ids for k in range(1, seconds + 1)],
            "video_id": np.repeat(np.array(video_ids, object), seconds),
            "start_s": start_s,
            "stop_s": start_s + 1.0,
            "centre_s": start_s + 0.5,
            "start_frame": no_frames,
            "stop_frame": no_frames,
        }
    )


def all_seconds(videos: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals (i, i + 1) of videos, as many as `whole_seconds` says.

    Args:
        videos: as `interval_table` takes them.

    Returns:
        table of kind INTERVALS, with frame numbers where a video has frames.
    """
    lengths = zip(videos["video_id"], video_lengths(videos), strict=True)
    parts = [
        second_intervals([video_id], whole_seconds(length_s)) for video_id, length_s in lengths
    ]
    if not parts:
        return second_intervals([], 0)
    return with_frame_numbers(pd.concat(parts, ignore_index=True), videos)


def read_published_intervals(path: Path) -> pd.DataFrame:
    """Return a published interval table (`*_feature_times.pkl`, or its CSV) as ours.

    The id `narration_id` may be the index or a column; the frame numbers may be missing.

    Returns:
        table of kind INTERVALS, videos in order of appearance and each by its number k.

    Raises:
        UnsafePickleError: if the pickle would execute code.
        DataError: if a column is missing, an id has no number or occurs twice, an interval ends
            before it starts, or the starts of a video do not ascend with k.
    """
    table = read_published(
        path,
        texts=("narration_id", "video_id"),
        numbers=("start_sec", "stop_sec", "narration_sec"),
        whole=("start_frame", "stop_frame"),
        optional=("narration_sec", "start_frame", "stop_frame"),
    ).rename(columns=PUBLISHED_COLUMNS)
    first_seen = {video: i for i, video in enumerate(dict.fromkeys(table["video_id"]))}
    try:
        k = interval_numbers(table["interval_id"].to_list())
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    order = np.lexsort((k, table["video_id"].map(first_seen)))
    table, k = table.iloc[order].reset_index(drop=True), k[order]
    _check_order(table, k, path)
    table["centre_s"] = table["centre_s"].fillna((table["start_s"] + table["stop_s"]) / 2)
    return table.astype({"start_frame": "Int64", "stop_frame": "Int64"})


def _check_order(table: pd.DataFrame, k: NDArray[np.int64], path: Path) -> None:
    """Check sorted intervals row against row before."""
    start_s, stop_s = table["start_s"].to_numpy(), table["stop_s"].to_numpy()
    follows = table["video_id"].to_numpy()[1:] == table["video_id"].to_numpy()[:-1]
    problems = {
        "the interval does not stop after it starts": ~(stop_s > start_s),
        "its number occurs twice in the video": np.append(False, follows & (np.diff(k) == 0)),
        "it starts before the interval with the number before": np.append(
            False, follows & (np.diff(start_s) < 0)
        ),
    }
    for problem, is_wrong in problems.items():
        if is_wrong.any():
            row = table["interval_id"].iloc[int(np.argmax(is_wrong))]
            raise DataError(f"{path}: row {row!r}: {problem}")


def write_published_intervals(intervals: pd.DataFrame, path: Path) -> None:
    """Write a table of kind INTERVALS as the pickle that the original extractors read.

    The frame numbers are left out if any is empty.
    """
    table = intervals.set_index("interval_id").rename_axis("narration_id")
    published = {ours: name for name, ours in PUBLISHED_COLUMNS.items()}
    table = table.rename(columns=published)[list(PUBLISHED_COLUMNS)[1:]]
    frames = ["start_frame", "stop_frame"]
    if table[frames].isna().any(axis=None):
        table = table.drop(columns=frames)
    else:
        table = table.astype(dict.fromkeys(frames, "int64"))
    write_table_pickle(table, path)


def read_published_ids(path: Path) -> list[str]:
    """Return the interval ids of a published table in its own order, that of `features.npy`.

    Raises:
        UnsafePickleError, DataError: as `read_published_intervals`.
    """
    return read_published(path, texts=("narration_id",))["narration_id"].to_list()


def interval_numbers(interval_ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the number k of each id `<video_id>_<k>`.

    Raises:
        DataError: naming the first id that does not end in a number.
    """
    numbers = [interval_id.rpartition("_")[2] for interval_id in interval_ids]
    for interval_id, number in zip(interval_ids, numbers, strict=True):
        if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS):
            shown = f"{interval_id[:80]!r} is no interval id"
            raise DataError(f"{shown}, expected <video_id>_<number>")
    return np.array([int(number) for number in numbers], dtype=np.int64)


def check_same_rows(audio: pd.DataFrame, visual: pd.DataFrame) -> None:
    """Check that two tables of kind INTERVALS have the same intervals for every video.

    TIM chooses row numbers in one of them and uses them for both.

    Raises:
        DataError: naming the first video that differs, with both numbers or both intervals.
    """
    counts = pd.DataFrame(
        {"audio": audio["video_id"].value_counts(), "visual": visual["video_id"].value_counts()}
    )
    counts = counts.fillna(0).astype(int).sort_index()
    for video_id, n_audio, n_visual in counts[counts["audio"] != counts["visual"]].itertuples():
        raise DataError(f"{video_id}: {n_audio} audio intervals but {n_visual} visual ones")
    key = ["video_id", "start_s", "stop_s"]
    one, other = (table[key].sort_values(key, ignore_index=True) for table in (audio, visual))
    for row in np.flatnonzero((one != other).any(axis=1)):
        first, second = (f"{t['start_s'][row]} to {t['stop_s'][row]} s" for t in (one, other))
        raise DataError(f"{one['video_id'][row]}: audio interval {first}, visual interval {second}")
