"""Windows as TIM takes them: features, normalised times and labels, collated into batches.

Source: Chalk et al., "TIM", CVPR 2024, section 3.1. Features stay on disk, where a
window reads only its own rows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.tim.feature_files import FeatureFiles
from avlib.tim.recipes import Modality, TimRecipe
from avlib.tim.scaling import Scaling
from avlib.tim.tables import LABEL_COLUMNS, VISUAL_HEADS
from avlib.tim.windows import WindowIndex

PADDING = -1  # label and query of a slot without a query

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class WindowBatch(NamedTuple):
    """B windows with F features of each of M modalities.

    Slots are padded to the largest number of queries in the batch.

    Shape:
        visual: (B, F, Dv) or (B, F, 7, 7, Dv) float32; None without visual features.
        audio: (B, F, Da) float32; None without audio features.
        times: (B, M * F + Nv + Na, 2) float32, starts and stops of visual features, audio
            features, visual queries and audio queries as fractions of the window, from 0.
        visual_labels: (B, Nv, 3) int64, verb, noun and action; -1 where padded or unknown.
        audio_labels: (B, Na) int64; -1 where padded or unknown.
        visual_queries: (B, Nv) int64, `query_id`; -1 where padded.
        audio_queries: (B, Na) int64.
    """

    visual: Tensor | None
    audio: Tensor | None
    times: Tensor
    visual_labels: Tensor
    audio_labels: Tensor
    visual_queries: Tensor
    audio_queries: Tensor


class Draws(Protocol):
    """What views are drawn with: a generator of numpy."""

    def integers(self, low: int, high: int, size: tuple[int, int]) -> Any:
        """Return integers from `low` to below `high`."""


class WindowDataset:
    """The windows of a split with their features, times and labels.

    Args:
        index: the windows.
        queries: table of kind QUERIES that they were made from.
        intervals: table of kind INTERVALS that they were made from.
        visual: folders of the split's visual features; none if they are not used.
        audio: folders of the split's audio features; none if they are not used.
        recipe: that the windows were made for.
        allow_fewer_views: as `FeatureFiles` takes it.

    Raises:
        ValueError: if neither modality is used, or the windows have another number of features.
        DataError: as FeatureFiles.
    """

    def __init__(
        self,
        index: WindowIndex,
        queries: pd.DataFrame,
        intervals: pd.DataFrame,
        *,
        visual: Sequence[Path],
        audio: Sequence[Path],
        recipe: TimRecipe,
        allow_fewer_views: bool = False,
    ) -> None:
        if not visual and not audio:
            raise ValueError("windows need visual features, audio features or both")
        if index.rows.shape[1] != recipe.num_feats:
            raise ValueError(
                f"windows of {index.rows.shape[1]} features, expected {recipe.num_feats}"
            )
        self.index, self.window_s = index, recipe.window_s
        self.scalings: dict[Modality, Scaling] = {}  # by which batches are scaled
        self._positions = pd.Index(queries["query_id"])
        self._visual_labels = _labels(queries[[LABEL_COLUMNS[head] for head in VISUAL_HEADS]])
        self._audio_labels = _labels(queries[LABEL_COLUMNS["audio"]])
        rows_of = intervals.groupby("video_id", sort=False).indices
        video_ids = index.video_ids.tolist()
        members = [rows_of.get(video_id, np.zeros(0, np.int64)) for video_id in video_ids]
        n_rows = np.array([len(rows) for rows in members], dtype=np.int64)
        self._check_tables(n_rows)
        bounds = intervals[["start_s", "stop_s"]].to_numpy(np.float32)
        self._bounds = bounds[np.concatenate([np.zeros(0, np.int64), *members])]
        self._first_bound = np.cumsum(n_rows) - n_rows
        n_intervals = dict(zip(video_ids, n_rows.tolist(), strict=True))
        self.visual, self.audio = (
            FeatureFiles(folders, n_intervals, allow_fewer_views=allow_fewer_views)
            if folders
            else None
            for folders in (visual, audio)
        )

    def _check_tables(self, n_rows: Integers) -> None:
        """Check that the windows were made from tables like these."""
        if (self._positions.get_indexer(self.index.query) < 0).any():
            raise ValueError("the windows hold queries that the table of queries lacks")
        is_out = self.index.rows.max(axis=1, initial=0) >= n_rows[self.index.video]
        if is_out.any():
            video_id = self.index.video_ids[self.index.video[np.argmax(is_out)]]
            raise ValueError(f"{video_id}: its windows were made from other feature intervals")

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, items: Sequence[int], views: Draws | None = None) -> WindowBatch:
        """Return windows as a batch.

        Args:
            items: numbers of windows.
            views: generator that draws a view for each feature, those of the visual features
                first; None takes the unaugmented view.
        """
        chosen = np.asarray(items, dtype=np.int64)
        visual = self._features("visual", chosen, views)
        audio = self._features("audio", chosen, views)
        slots = self._slots(chosen)
        queries = [self._queries(slots, is_visual=is_visual) for is_visual in (True, False)]
        feature_times = self._feature_times(chosen)
        n_modalities = (visual is not None) + (audio is not None)
        times = [feature_times] * n_modalities + [found.times for found in queries]
        return WindowBatch(
            visual=visual,
            audio=audio,
            times=torch.from_numpy(np.concatenate(times, axis=1)),
            visual_labels=torch.from_numpy(queries[0].labels),
            audio_labels=torch.from_numpy(queries[1].labels),
            visual_queries=torch.from_numpy(queries[0].query_ids),
            audio_queries=torch.from_numpy(queries[1].query_ids),
        )

    def _features(self, modality: Modality, items: Integers, views: Draws | None) -> Tensor | None:
        """Return the features of one modality: (B, F, ...)."""
        files = self.visual if modality == "visual" else self.audio
        if files is None:
            return None
        rows = self.index.rows[items]  # (B, F)
        chosen = (
            np.zeros_like(rows) if views is None else views.integers(0, files.views, rows.shape)
        )
        features = np.empty((*rows.shape, *files.shape[1:]), dtype=np.float32)
        for i, video in enumerate(self.index.video[items]):
            features[i] = files.read(str(self.index.video_ids[video]), rows[i], chosen[i])
        scaling = self.scalings.get(modality)
        return torch.from_numpy(features if scaling is None else scaling.applied(features))

    def _feature_times(self, items: Integers) -> Floats:
        """Return the intervals of the features as fractions of their windows: (B, F, 2)."""
        first = self._first_bound[self.index.video[items]]
        seconds = self._bounds[first[:, None] + self.index.rows[items]]
        return self._normalised(seconds, self.index.start_s[items][:, None, None])

    def _slots(self, items: Integers) -> "_Slots":
        lengths = np.diff(self.index.offsets)[items]
        ends = np.cumsum(lengths)
        within = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
        item = np.repeat(np.arange(len(items)), lengths)
        return _Slots(items, item, self.index.offsets[items][item] + within)

    def _queries(self, slots: "_Slots", *, is_visual: bool) -> "_Queries":
        """Return the queries of one label space, padded."""
        of_modality = self.index.is_visual[slots.flat] == is_visual
        item, flat = slots.item[of_modality], slots.flat[of_modality]
        lengths = np.bincount(item, minlength=len(slots.items))
        slot = np.arange(len(item)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        shape = (len(slots.items), int(lengths.max(initial=0)))
        query = self.index.query[flat]
        known = self._visual_labels if is_visual else self._audio_labels
        labels = np.full((*shape, *known.shape[1:]), PADDING, dtype=np.int64)
        labels[item, slot] = known[self._positions.get_indexer(query)]
        query_ids = np.full(shape, PADDING, dtype=np.int64)
        query_ids[item, slot] = query
        seconds = np.stack([self.index.query_start_s[flat], self.index.query_stop_s[flat]], axis=1)
        start_s = self.index.start_s[slots.items][item][:, None]
        times = np.zeros((*shape, 2), dtype=np.float32)
        times[item, slot] = self._normalised(seconds.astype(np.float32), start_s)
        return _Queries(labels, query_ids, times)

    def _normalised(self, seconds: Floats, start_s: NDArray[np.float64]) -> Floats:
        """Return times as fractions of their windows, at least 0, in single precision."""
        since_start = seconds - start_s.astype(np.float32)
        return np.maximum(since_start / np.float32(self.window_s), np.float32(0))


class _Slots(NamedTuple):
    """The queries of some windows: which window each is of, and its place in the index."""

    items: Integers
    item: Integers
    flat: Integers


class _Queries(NamedTuple):
    labels: Integers
    query_ids: Integers
    times: Floats


def _labels(columns: Any) -> Integers:
    """Return labels as integers, -1 where unknown."""
    return columns.astype("Int64").to_numpy(dtype=np.int64, na_value=PADDING)
