"""Training and evaluation of TIM on windows of EPIC: the published program against avlib.

Workload: the recipe for EPIC-KITCHENS-100 and EPIC-SOUNDS in both modalities, 42 million weights,
windows of 30 s with 50 visual features of 2,048 channels and 50 audio features of 2,304, on one
thread. The windows are drawn from those of the validation split, whose own fullest window decides
how many slots the published program makes; features are random, with 4 and 3 views to train on.

    .venv/bin/python benchmarks/epic_training.py [FOLDER]

FOLDER holds `epic100` and `epic_sounds`, the public annotation files; without it, random events in
as many videos are used.
"""

import argparse
import itertools
import tempfile
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from measure import best_cpu_seconds, describe, write_result
from numpy.typing import NDArray
from published_tim import OurWay, PublishedWay, Workload, published_slots
from threadpoolctl import threadpool_limits
from tim_windows import draw_epic, read_epic

from avlib.extractors.intervals import interval_table
from avlib.tim.batches import WindowDataset
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.windows import WindowIndex, build_windows

RECIPE = TIM_RECIPES["epic"]
CHANNELS = {"visual": 2048, "audio": 2304}
CLASSES = {"verb": 97, "noun": 300, "action": 3806, "audio": 44}
WINDOWS = {"train": 128, "val": 64}
VIEWS = {"train": {"visual": 4, "audio": 3}, "val": {"visual": 1, "audio": 1}}
LONGEST_S, VIDEOS = 240.0, 20  # of the videos that windows are drawn from
ROUNDS = 2


def with_labels(queries: pd.DataFrame) -> pd.DataFrame:
    """Return queries with random classes of the data set's numbers."""
    rng = np.random.default_rng(0)
    is_visual = queries["modality"] == "visual"
    labels = {"verb_class": "verb", "noun_class": "noun", "action_class": "action"}
    drawn = {
        column: pd.Series(rng.integers(CLASSES[head], size=len(queries)), dtype="Int64")
        for column, head in (labels | {"class_id": "audio"}).items()
    }
    for column, values in drawn.items():
        values[is_visual == (column == "class_id")] = pd.NA
    return queries.assign(**drawn)


def taken(index: WindowIndex, items: NDArray[np.int64]) -> WindowIndex:
    """Return an index of some windows."""
    spans = [np.arange(*index.offsets[item : item + 2]) for item in items]
    flat = np.concatenate(spans)
    parts = {
        field.name: getattr(index, field.name)[items if field.name in OF_WINDOWS else flat]
        for field in fields(index)
        if field.name not in ("video_ids", "offsets")
    }
    return replace(index, offsets=np.cumsum([0, *map(len, spans)]), **parts)


OF_WINDOWS = ("video", "start_s", "stop_s", "rows")


def make_splits(
    folder: Path, index: WindowIndex, queries: pd.DataFrame, intervals: pd.DataFrame
) -> dict[str, WindowDataset]:
    """Write random features of the videos of an index; return windows of it as both splits."""
    rng = np.random.default_rng(0)
    lengths = intervals.groupby("video_id", sort=False).size()
    order = rng.permutation(len(index))
    splits = {}
    for split, views in VIEWS.items():
        own, order = np.split(order, [WINDOWS[split]])
        for modality, n_views in views.items():
            (folder / split / modality).mkdir(parents=True)
            for video_id in index.video_ids.tolist():
                shape = (lengths[video_id], n_views, CHANNELS[modality])
                features = rng.standard_normal(shape, dtype=np.float32)
                np.save(folder / split / modality / video_id, features)
        paths = {modality: [folder / split / modality] for modality in views}
        windows = taken(index, own)
        splits[split] = WindowDataset(windows, queries, intervals, **paths, recipe=RECIPE)
    return splits


def queries_a_window(splits: dict[str, WindowDataset]) -> dict[str, Any]:
    """Return the mean numbers of queries of the windows."""
    result = {}
    for split, windows in splits.items():
        counts = windows.index.counts()
        for modality in ("visual", "audio"):
            mean = counts[f"{modality}_views"] / len(windows)
            result[f"{split}: mean {modality} queries a window"] = round(mean, 2)
    return result


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    parser = argparse.ArgumentParser(description="Measure training on windows of EPIC.")
    parser.add_argument("folder", nargs="?", type=Path, help="public annotation files")
    folder = parser.parse_args().folder
    queries, durations = draw_epic() if folder is None else read_epic(folder)
    videos = pd.DataFrame({"video_id": list(durations), "duration_s": list(durations.values())})
    intervals = interval_table(videos.assign(frames=np.nan, fps=np.nan))
    slots = published_slots(build_windows(queries, intervals, durations, RECIPE))
    short = [video_id for video_id, s in durations.items() if RECIPE.window_s < s < LONGEST_S]
    used = {video_id: durations[video_id] for video_id in short[:VIDEOS]}
    queries = with_labels(queries[queries["video_id"].isin(used)].reset_index(drop=True))
    intervals = intervals[intervals["video_id"].isin(used)]
    index = build_windows(queries, intervals, used, RECIPE)
    work = Workload(RECIPE, CHANNELS, CLASSES, slots)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        splits = make_splits(Path(name), index, queries, intervals)
        ways = {
            "published way": PublishedWay(work, splits),
            "ours": OurWay(work, splits),
            "ours, mixed precision": OurWay(work, splits, torch.bfloat16),
        }
        batches = itertools.cycle(np.arange(WINDOWS["train"]).reshape(-1, RECIPE.batch_size))
        training = best_cpu_seconds(
            {name: partial(_step, way, batches) for name, way in ways.items()}, ROUNDS
        )
        evaluation = best_cpu_seconds({name: way.evaluate for name, way in ways.items()}, ROUNDS)
    result = {"events": "random" if folder is None else "public", **queries_a_window(splits)}
    result["slots of the published way"] = slots
    for part, seconds, count in (
        ("training", training, RECIPE.batch_size),
        ("evaluation", evaluation, WINDOWS["val"]),
    ):
        for name, value in seconds.items():
            ratio = seconds["published way"] / value
            result[f"{part}, {name}: windows a CPU second"] = round(count / value, 2)
            result[f"{part}, {name}: times the throughput"] = round(ratio, 2)
    write_result("epic_training", result, "numpy", "torch")


def _step(way: PublishedWay | OurWay, batches: Any) -> None:
    way.step(next(batches))


if __name__ == "__main__":
    main()
