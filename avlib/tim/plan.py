"""Stage make_windows: the windows of the videos of a split that have features.

Source: Chalk et al., "TIM", CVPR 2024.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.tables import QUERIES, VIDEOS
from avlib.tim.windows import build_windows

logger = logging.getLogger(__name__)


def make_windows(
    *,
    queries: Path,
    videos: Path,
    intervals: Path,
    indices: Sequence[Path],
    split: str,
    recipe: str,
    target: Path,
) -> None:
    """Write the windows of a split, of the videos that have audio and visual features.

    Args:
        queries: table of kind QUERIES.
        videos: table of kind VIDEOS; the length of a video without one is that of its intervals.
        intervals: table of kind INTERVALS of the split.
        indices: tables of kind FEATURES, one an extractor.
        split: train, val or test.
        recipe: name of the recipe, which says how videos are cut.
        target: `.npz` of a WindowIndex to write; without windows where no video has features.

    Raises:
        DataError: if a video with features has no intervals.
    """
    table = read_table(queries, QUERIES).query("split == @split")
    usable = _usable(set(table["video_id"]), indices, split)
    rows = read_table(intervals, INTERVALS)
    lengths = read_table(videos, VIDEOS).query("split == @split").set_index("video_id")
    seconds = lengths["duration_s"].fillna(rows.groupby("video_id")["stop_s"].max())
    windows = build_windows(
        table[table["video_id"].isin(usable)],
        rows,
        {video_id: length_s for video_id, length_s in seconds.items() if video_id in usable},
        TIM_RECIPES[recipe],
        includes_end_row=TIM_RECIPES[recipe].includes_end_row,
    )
    windows.save(target)


def _usable(video_ids: set[str], indices: Sequence[Path], split: str) -> set[str]:
    """Return those of the videos of a split that have all features."""
    usable = set(video_ids)
    for path in indices:
        index = read_table(path, FEATURES)
        usable &= set(index[(index["split"] == split) & (index["status"] == "ok")]["video_id"])
    without = len(video_ids) - len(usable)
    logger.info("%s: %d videos; %d more have no features", split, len(usable), without)
    return usable
