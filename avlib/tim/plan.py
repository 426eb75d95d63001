"""Stage make_windows: the windows of AVE's videos.

Source: Chalk et al., "TIM", CVPR 2024: a video is one window of ten seconds.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from avlib.datasets import ave
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.tables import QUERIES
from avlib.tim.windows import build_windows

logger = logging.getLogger(__name__)


def make_windows(
    *,
    queries: Path,
    intervals: Path,
    indices: Sequence[Path],
    split: str,
    recipe: str,
    target: Path,
) -> None:
    """Write the windows of a split, of the videos that have audio and visual features.

    Args:
        queries: table of kind QUERIES.
        intervals: table of kind INTERVALS of the split.
        indices: tables of kind FEATURES, one an extractor.
        split: train, val or test.
        recipe: name of the recipe, which says how videos are cut.
        target: `.npz` of a WindowIndex to write; without windows where no video has features.

    Raises:
        DataError: if a video with features has no intervals.
    """
    table = read_table(queries, QUERIES).query("split == @split")
    usable = set(table["video_id"])
    for path in indices:
        index = read_table(path, FEATURES)
        usable &= set(index[(index["split"] == split) & (index["status"] == "ok")]["video_id"])
    without = table["video_id"].nunique() - len(usable)
    logger.info("%s: %d videos; %d more have no features", split, len(usable), without)
    windows = build_windows(
        table[table["video_id"].isin(usable)],
        read_table(intervals, INTERVALS),
        dict.fromkeys(sorted(usable), float(ave.VIDEO_SECONDS)),
        TIM_RECIPES[recipe],
    )
    windows.save(target)
