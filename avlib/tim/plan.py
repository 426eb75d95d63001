"""Stages make_queries and make_windows: the queries of AVE's videos, and their windows.

Source: Chalk et al., "TIM", CVPR 2024: every second of every annotation is a query in both label
spaces, background included, and a video is one window of ten seconds.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from avlib.datasets import ave
from avlib.datasets.events import read_events
from avlib.errors import ConfigError
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table, write_table
from avlib.tim.queries import join_queries, queries_of_segments
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.tables import QUERIES
from avlib.tim.windows import build_windows

logger = logging.getLogger(__name__)


def make_queries(dataset: str, files: Mapping[str, Path], target: Path) -> None:
    """Write the queries of all splits as a table.

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
