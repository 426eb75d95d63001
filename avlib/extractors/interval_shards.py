"""Stages around the intervals: one table, made by rule or published, for all extractors."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from avlib.extractors.intervals import interval_table, read_published_intervals, second_intervals
from avlib.extractors.tables import INTERVALS
from avlib.io.tables import read_table, write_parts, write_table
from avlib.media.tables import MANIFEST


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
    interval_s: float,
    hop_s: float,
    seconds: int | None,
    intervals_target: Path,
    manifest_target: Path,
) -> None:
    """Write the intervals of a shard's usable videos; leave out videos that have none.

    Args:
        manifest: the shard's videos.
        published: table to take the intervals from; without it they are made by rule.
        interval_s: length of an interval made by rule.
        hop_s: distance between two of them.
        seconds: of every video, each of which is an interval whatever the video's length; None: as
            many intervals as fit.
        intervals_target: table to write.
        manifest_target: table to write, `manifest` with what was left out here.
    """
    rows = read_table(manifest, MANIFEST)
    videos = rows[rows["status"] == "ok"].drop_duplicates("video_id")
    if published:
        intervals = read_table(published, INTERVALS)
        intervals = intervals[intervals["video_id"].isin(videos["video_id"])]
        status, message = "no_intervals", "not in the published interval tables"
    elif seconds is not None:
        intervals = second_intervals(videos["video_id"], seconds)
        status = message = ""  # every video has them
    else:
        # The image decides the length; a recording without one is as long as its sound.
        lengths = videos.assign(duration_s=videos["duration_s"].fillna(videos["audio_duration_s"]))
        intervals = interval_table(lengths, interval_s=interval_s, hop_s=hop_s)
        status, message = "too_short", f"not longer than one interval of {interval_s:g} s"
    without = (rows["status"] == "ok") & ~rows["video_id"].isin(intervals["video_id"])
    rows.loc[without, "status"], rows.loc[without, "message"] = status, message
    write_table(intervals, intervals_target, INTERVALS)
    write_table(rows, manifest_target, MANIFEST)


def gather_intervals(*, shards: Sequence[Path], manifest: Path, split: str, target: Path) -> None:
    """Write the intervals of all usable videos of one split, shard by shard."""
    videos = read_table(manifest, MANIFEST).query("status == 'ok' and split == @split")
    tables = (read_table(path, INTERVALS) for path in shards)
    parts = (t[t["video_id"].isin(videos["video_id"])] for t in tables)
    write_parts(parts, target, INTERVALS)
