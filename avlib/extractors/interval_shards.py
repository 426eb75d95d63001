"""Stages around the intervals: one table, made by rule or published, for all extractors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from avlib.extractors.intervals import (
    LONGEST_S,
    all_seconds,
    interval_table,
    read_published_intervals,
    second_intervals,
    video_lengths,
    with_frame_numbers,
)
from avlib.extractors.tables import INTERVALS
from avlib.io.tables import read_table, write_parts, write_table
from avlib.media.tables import MANIFEST

_NO_RATE = "frames of unknown rate and no audio, so of unknown length; give the table of the videos"
_TOO_LONG = f"longer than {LONGEST_S / 86400:g} days; split it"


@dataclass(frozen=True, kw_only=True)
class IntervalRule:
    """Which videos have intervals, and how these are made where none are published.

    Attributes:
        interval_s: length of an interval.
        hop_s: distance between two of them.
        seconds: of every video, each of which is an interval whatever the video's length; all: as
            many as it lasts, to the nearest; None: as many intervals as fit.
        needs_sound: whether videos without sound are left out.
    """

    interval_s: float
    hop_s: float
    seconds: int | Literal["all"] | None
    needs_sound: bool = True

    def table(self, videos: pd.DataFrame) -> pd.DataFrame:
        """Return as many intervals as fit into videos of known length, as `interval_table`."""
        return interval_table(videos, interval_s=self.interval_s, hop_s=self.hop_s)


def convert_published(sources: Sequence[Path], target: Path) -> None:
    """Join published interval tables to one of ours.

    Raises:
        DataError: if a table is wrong; the message names its row.
    """
    tables = pd.concat(read_published_intervals(path) for path in sources)
    write_table(tables.drop_duplicates("interval_id"), target, INTERVALS)


def make_shard_intervals(
    *,
    manifest: Path,
    published: Path | None,
    rule: IntervalRule,
    intervals_target: Path,
    manifest_target: Path,
) -> None:
    """Write the intervals of a shard's usable videos; leave out videos that have none.

    Args:
        manifest: the shard's videos.
        published: table to take the intervals from; without it they are made by rule.
        rule: how they are made, and of which videos.
        intervals_target: table to write.
        manifest_target: table to write, `manifest` with what was left out here.
    """
    rows = read_table(manifest, MANIFEST)
    if not rule.needs_sound:
        rows.loc[rows["status"] == "no_audio", ["status", "message"]] = "ok", ""
    videos = rows[rows["status"] == "ok"].drop_duplicates("video_id")
    if published:
        intervals = read_table(published, INTERVALS)
        intervals = intervals[intervals["video_id"].isin(videos["video_id"])]
        intervals = with_frame_numbers(intervals, videos)
        status, message = "no_intervals", "not in the published interval tables"
    elif isinstance(rule.seconds, int):
        intervals = second_intervals(videos["video_id"], rule.seconds)
        status = message = ""  # every video has them
    else:
        videos = _with_lengths(rows, videos)
        intervals = all_seconds(videos) if rule.seconds == "all" else rule.table(videos)
        status, message = "too_short", f"not longer than one interval of {rule.interval_s:g} s"
    without = videos["video_id"][~videos["video_id"].isin(intervals["video_id"])]
    _leave_out(rows, without, status, message)
    write_table(intervals, intervals_target, INTERVALS)
    write_table(rows, manifest_target, MANIFEST)


def _with_lengths(rows: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """Return the videos whose length is known and not too long; leave out the others in `rows`."""
    # The image decides the length; a recording without one is as long as its sound.
    videos = videos.assign(duration_s=videos["duration_s"].fillna(videos["audio_duration_s"]))
    is_unknown = (videos["frames"] / videos["fps"]).fillna(videos["duration_s"]).isna()
    _leave_out(rows, videos["video_id"][is_unknown], "no_rate", _NO_RATE)
    videos = videos[~is_unknown]
    is_too_long = video_lengths(videos) > LONGEST_S
    _leave_out(rows, videos["video_id"][is_too_long], "too_long", _TOO_LONG)
    return videos[~is_too_long]


def _leave_out(rows: pd.DataFrame, video_ids: "pd.Series[str]", status: str, message: str) -> None:
    """Give a status to those videos of a manifest that are not left out yet."""
    is_meant = (rows["status"] == "ok") & rows["video_id"].isin(video_ids)
    known = rows.loc[is_meant, "message"]
    rows.loc[is_meant, "message"] = [f"{message}; {found}" if found else message for found in known]
    rows.loc[is_meant, "status"] = status


def gather_intervals(*, shards: Sequence[Path], manifest: Path, split: str, target: Path) -> None:
    """Write the intervals of all usable videos of one split, shard by shard."""
    videos = read_table(manifest, MANIFEST).query("status == 'ok' and split == @split")
    tables = (read_table(path, INTERVALS) for path in shards)
    parts = (t[t["video_id"].isin(videos["video_id"])] for t in tables)
    write_parts(parts, target, INTERVALS)
