"""The windows of TIM: intervals of a video with their feature rows and the queries in them.

Source: Chalk et al., "TIM", CVPR 2024, section 3.1, and the published data loader for rounding and
ties. A window without a query is not made. Windows follow each other video by video, in the order
of the table of videos, and the queries of a window in the order of the table of queries.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.arrays import read_arrays, write_arrays
from avlib.tim.recipes import TimRecipe

MIN_QUERY_S = 0.2  # a query of which a window holds less is left out, unless that is all of it
DECIMALS = 3  # to which lengths of queries are rounded before they are compared

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WindowIndex:
    """All windows of a split: n windows of V videos, with q queries in them.

    Attributes:
        video_ids: (V,) names.
        video: (n,) place of the window's video in `video_ids`.
        start_s, stop_s: (n,) seconds from the start of the video.
        rows: (n, F) rows of the video's features.
        offsets: (n + 1,) where the queries of each window begin in the arrays below.
        query: (q,) `query_id`.
        query_start_s, query_stop_s: (q,) the part of the query that lies in the window.
        is_visual: (q,) whether the query is a visual one.
    """

    video_ids: NDArray[np.str_]
    video: NDArray[np.int32]
    start_s: Floats
    stop_s: Floats
    rows: NDArray[np.int32]
    offsets: Integers
    query: Integers
    query_start_s: Floats
    query_stop_s: Floats
    is_visual: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.video)

    def save(self, path: Path) -> None:
        """Write the index as `.npz`; equal indices are equal bytes."""
        write_arrays({field.name: getattr(self, field.name) for field in fields(self)}, path)

    @classmethod
    def load(cls, path: Path) -> "WindowIndex":
        """Return a saved index.

        Raises:
            DataError: if the file cannot be read or is no index.
        """
        arrays = read_arrays(path)
        expected = {field.name for field in fields(cls)}
        if arrays.keys() != expected:
            raise DataError(f"{path}: holds {sorted(arrays)}, expected {sorted(expected)}")
        return cls(**arrays)

    def counts(self) -> dict[str, int]:
        """Return the numbers of windows, videos, queries, and views: pairs of window and query."""
        window = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        visual, audio = (
            np.bincount(window[chosen], minlength=len(self))
            for chosen in (self.is_visual, ~self.is_visual)
        )
        return {
            "windows": len(self),
            "videos": len(self.video_ids),
            "queries": len(np.unique(self.query)),
            "visual_views": int(visual.sum()),
            "audio_views": int(audio.sum()),
            "largest_visual_queries": int(visual.max(initial=0)),
            "largest_audio_queries": int(audio.max(initial=0)),
        }


def build_windows(
    queries: pd.DataFrame,
    intervals: pd.DataFrame,
    durations: Mapping[str, float],
    recipe: TimRecipe,
    *,
    includes_end_row: bool = False,
) -> WindowIndex:
    """Return the windows of a split.

    Args:
        queries: rows of a table of kind QUERIES, those of the split.
        intervals: table of kind INTERVALS; rows of a video are numbered in its order.
        durations: length of each video in seconds, in the order that windows are to have; videos
            without queries are passed over.
        recipe: lengths and strides of windows and of their feature rows.
        includes_end_row: whether the row that ends with the window may be taken; not as published.

    Raises:
        DataError: naming the first video with queries that has no length, no intervals, or
            intervals that are not in order, or the first query that no window holds.
    """
    members = queries.groupby("video_id", sort=False).indices
    rows_of = intervals.groupby("video_id", sort=False).indices
    _check_videos(members, rows_of, durations)
    start_s, stop_s = (queries[name].to_numpy(np.float64) for name in ("start_s", "stop_s"))
    # In single precision, as published: which of two equally near rows is chosen depends on it.
    bounds = intervals[["start_s", "stop_s"]].to_numpy(np.float32)
    videos = [video_id for video_id in durations if video_id in members]
    parts = []
    for video_id in videos:
        positions = members[video_id]  # ascending
        rows = bounds[rows_of[video_id]]
        if (np.diff(rows[:, 0]) < 0).any():
            raise DataError(f"{video_id}: its feature intervals are not in the order of starts")
        spans, length_s = (start_s[positions], stop_s[positions]), durations[video_id]
        part = _video_windows(spans, rows, length_s, recipe, includes_end_row=includes_end_row)
        _check_all_held(queries, positions, part.query)
        parts.append(part._replace(query=positions[part.query]))
    return _joined(videos, parts, queries, recipe.num_feats)


class _VideoWindows(NamedTuple):
    """Windows of one video: as in WindowIndex, but with `counts` of queries for the offsets."""

    start_s: Floats
    stop_s: Floats
    rows: NDArray[np.int32]
    counts: Integers
    query: Integers
    query_start_s: Floats
    query_stop_s: Floats


def _video_windows(
    queries: tuple[Floats, Floats],
    bounds: NDArray[np.float32],
    duration_s: float,
    recipe: TimRecipe,
    *,
    includes_end_row: bool,
) -> _VideoWindows:
    """Return the windows of a video that hold at least one of its queries.

    `queries` are their starts and stops, (Q,) each, and `bounds` those of its feature intervals,
    (N, 2).
    """
    start_s, stop_s = queries
    end_s = math.ceil(duration_s)
    steps = math.ceil((end_s - recipe.window_s) / recipe.window_stride_s)
    window_start = recipe.window_stride_s * np.arange(max(steps + 1, 1), dtype=np.float64)
    window_stop: Floats = np.minimum(end_s, window_start + recipe.window_s)
    stop_s = np.minimum(stop_s, end_s)
    query, window = _overlaps(start_s, stop_s, window_start, window_stop)
    begin = np.maximum(start_s[query], window_start[window])
    end = np.minimum(stop_s[query], window_stop[window])
    whole, part = (np.round(x, DECIMALS) for x in ((stop_s - start_s)[query], end - begin))
    kept = np.flatnonzero((part == whole) | (part >= MIN_QUERY_S))
    kept = kept[np.argsort(window[kept], kind="stable")]
    counts = np.bincount(window[kept], minlength=len(window_start))
    made = counts > 0
    return _VideoWindows(
        start_s=window_start[made],
        stop_s=window_stop[made],
        rows=_feature_rows(
            _nearest(bounds[:, 0], window_start[made]),
            _nearest(bounds[:, 1], window_stop[made]) - (0 if includes_end_row else 1),
            recipe,
        ),
        counts=counts[made],
        query=query[kept],
        query_start_s=begin[kept],
        query_stop_s=end[kept],
    )


def _overlaps(
    start_s: Floats, stop_s: Floats, window_start: Floats, window_stop: Floats
) -> tuple[Integers, Integers]:
    """Return the pairs of query and window that overlap, by query."""
    # They are the windows from the first that stops after the start of a query to the last that
    # starts before its stop.
    first = np.searchsorted(window_stop, start_s, side="right")
    last = np.searchsorted(window_start, stop_s, side="left")
    n_windows = np.maximum(last - first, 0)
    query = np.repeat(np.arange(len(start_s)), n_windows)
    return query, first[query] + _ranges(n_windows)


def _ranges(lengths: Integers) -> Integers:
    """Return 0, 1, ... length - 1 for each of `lengths`, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)


def _feature_rows(first: Integers, last: Integers, recipe: TimRecipe) -> NDArray[np.int32]:
    """Return the feature rows of each window, (n, F); the last one repeats to fill the window."""
    # In a very short video the end may not lie behind the first row, which then serves alone.
    steps = np.maximum((last - first) // recipe.feat_stride, 0)
    steps = np.minimum(np.arange(recipe.num_feats), steps[:, None])
    return (first[:, None] + recipe.feat_stride * steps).astype(np.int32)


def _nearest(values: NDArray[np.float32], targets: Floats) -> Integers:
    """Return the place of the value nearest to each target, the first of equally near ones."""
    goals = targets.astype(np.float32)
    if (np.diff(values) < 0).any():
        return np.array([np.argmin(np.abs(values - goal)) for goal in goals], dtype=np.int64)
    right = np.minimum(np.searchsorted(values, goals), len(values) - 1)
    nearest = np.maximum(right - 1, 0)
    nearest = np.where(
        np.abs(values[nearest] - goals) <= np.abs(values[right] - goals), nearest, right
    )
    while True:  # equal values, or equal differences after rounding, further ahead
        before = np.maximum(nearest - 1, 0)
        is_equal = np.abs(values[before] - goals) == np.abs(values[nearest] - goals)
        if not (is_equal & (before < nearest)).any():
            return nearest
        nearest = np.where(is_equal, before, nearest)


def _check_videos(
    members: Mapping[str, Any], rows_of: Mapping[str, Any], durations: Mapping[str, float]
) -> None:
    for video_id in members:
        if video_id not in durations:
            raise DataError(f"{video_id}: has queries, but is not in the table of videos")
        if video_id not in rows_of:
            raise DataError(
                f"{video_id}: has queries, but no feature intervals; leave out its queries"
            )


def _check_all_held(queries: pd.DataFrame, positions: Integers, held: Integers) -> None:
    missing = np.setdiff1d(np.arange(len(positions)), held)
    if len(missing):
        query = queries.iloc[positions[missing[0]]]
        raise DataError(
            f"{query['video_id']}: no window holds the {query['modality']} query "
            f"{query['annotation_id']}, {query['start_s']} to {query['stop_s']} s; it lies "
            "outside the video, or every window holds less than "
            f"{MIN_QUERY_S} s of it"
        )


def _joined(
    videos: list[str], parts: list[_VideoWindows], queries: pd.DataFrame, num_feats: int
) -> WindowIndex:
    def joined(name: str, like: NDArray[Any]) -> Any:
        return np.concatenate([like, *(getattr(part, name) for part in parts)])

    floats, integers = np.zeros(0), np.zeros(0, np.int64)
    n_windows = [len(part.start_s) for part in parts]
    query = joined("query", integers)
    return WindowIndex(
        video_ids=np.array(videos, dtype=np.str_),
        video=np.repeat(np.arange(len(videos), dtype=np.int32), n_windows),
        start_s=joined("start_s", floats),
        stop_s=joined("stop_s", floats),
        rows=joined("rows", np.zeros((0, num_feats), np.int32)),
        offsets=np.concatenate([[0], np.cumsum(joined("counts", integers))]).astype(np.int64),
        query=queries["query_id"].to_numpy(np.int64)[query],
        query_start_s=joined("query_start_s", floats),
        query_stop_s=joined("query_stop_s", floats),
        is_visual=(queries["modality"] == "visual").to_numpy(dtype=bool)[query],
    )
