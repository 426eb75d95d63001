"""Training and evaluation of TIM: the published program, rebuilt, against avlib.

Workload "AVE-bench": the network of the recipe `ave`, windows of 10 s with ten one-second queries
in both label spaces; 256 videos to train on with 4 visual and 5 audio views, 128 to evaluate;
64 windows a step, one thread. The published way makes 20 query slots where 10 would do. Mixed
precision is an option.

    .venv/bin/python benchmarks/tim.py
"""

import itertools
import tempfile
from collections.abc import Iterator
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

from avlib.extractors.intervals import interval_rows
from avlib.tim.batches import WindowDataset
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.windows import build_windows

RECIPE = TIM_RECIPES["ave"]
CLASSES, QUERIES, ROUNDS = 29, 10, 6
B = RECIPE.batch_size
CHANNELS = {"visual": 1024, "audio": 2304}
VIDEOS = {"train": (256, {"visual": 4, "audio": 5}), "val": (128, {"visual": 1, "audio": 1})}


def make_split(folder: Path, split: str) -> WindowDataset:
    """Write the features of a split; return its windows."""
    count, views = VIDEOS[split]
    video_ids = [f"{split}{number:03}" for number in range(count)]
    rows = [
        interval_rows(video_id, 250, 25.0, interval_s=1.1, hop_s=0.2).assign(split=split)
        for video_id in video_ids
    ]
    intervals = pd.concat(rows, ignore_index=True)
    rng = np.random.default_rng(0)
    for modality, n_views in views.items():
        (folder / modality).mkdir(parents=True)
        for video_id in video_ids:
            shape = (len(rows[0]), n_views, CHANNELS[modality])
            np.save(folder / modality / video_id, rng.standard_normal(shape, dtype=np.float32))
    labels = rng.integers(CLASSES, size=2 * count * QUERIES)
    second = np.tile(np.arange(QUERIES, dtype=float), 2 * count)
    is_visual = np.repeat([True, False], count * QUERIES)
    known = pd.Series(labels, dtype="Int64")
    queries = pd.DataFrame(
        {
            "query_id": np.arange(len(labels)),
            "video_id": np.tile(np.repeat(video_ids, QUERIES), 2),
            "start_s": second,
            "stop_s": second + 1,
            "modality": np.where(is_visual, "visual", "audio"),
            "verb_class": pd.Series(pd.NA, index=known.index, dtype="Int64"),
            "noun_class": pd.Series(pd.NA, index=known.index, dtype="Int64"),
            "action_class": known.where(is_visual),
            "class_id": known.where(~is_visual),
        }
    )
    index = build_windows(queries, intervals, dict.fromkeys(video_ids, 10.0), RECIPE)
    paths = {modality: [folder / modality] for modality in views}
    return WindowDataset(index, queries, intervals, **paths, recipe=RECIPE)


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        splits = {split: make_split(Path(name) / split, split) for split in VIDEOS}
        slots = published_slots(splits["train"].index)
        work = Workload(RECIPE, CHANNELS, {"action": CLASSES, "audio": CLASSES}, slots)
        ways = {
            "published way": PublishedWay(work, splits),
            "ours": OurWay(work, splits),
            "ours, mixed precision": OurWay(work, splits, torch.bfloat16),
        }
        order = np.random.default_rng(0).permutation(len(splits["train"]))
        batches = itertools.cycle(order.reshape(-1, B))
        training = best_cpu_seconds(
            {name: partial(_steps, way, batches) for name, way in ways.items()}, ROUNDS
        )
        evaluation = best_cpu_seconds({name: way.evaluate for name, way in ways.items()}, ROUNDS)
    result: dict[str, Any] = {}
    for part, seconds, windows in (
        ("training", training, B),
        ("evaluation", evaluation, VIDEOS["val"][0]),
    ):
        for name, value in seconds.items():
            ratio = seconds["published way"] / value
            result[f"{part}, {name}: windows a CPU second"] = round(windows / value, 1)
            result[f"{part}, {name}: times the throughput"] = round(ratio, 2)
    write_result("tim", result, "numpy", "torch")


def _steps(way: PublishedWay | OurWay, batches: Iterator[NDArray[np.int64]]) -> None:
    way.step(next(batches))


if __name__ == "__main__":
    main()
