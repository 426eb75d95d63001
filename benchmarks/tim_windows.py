"""Windows of the EPIC validation split: the published loader, rebuilt, against avlib.

Workload: 9,668 actions and 8,035 sounds, recipe 1 of TIM; from tables in memory to the list of
windows. The published loader filters tables for every window; it is rebuilt here on pandas, and
measured on a few videos, because all of them would take minutes.

    .venv/bin/python benchmarks/tim_windows.py [FOLDER]

FOLDER holds `epic100` and `epic_sounds`, the public annotation files; without it, random events in
as many videos are used.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measure import best_cpu_seconds, describe, write_result
from threadpoolctl import threadpool_limits

from avlib.datasets import epic_kitchens, epic_sounds
from avlib.datasets.timed_tables import read_durations
from avlib.extractors.intervals import interval_table
from avlib.seeds import generator
from avlib.tim.queries import join_queries, queries_of_events
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.windows import WindowIndex, build_windows

VIDEOS, ACTIONS, SOUNDS = 138, 9_668, 8_035  # of the validation split
DURATIONS_S = (30.0, 600.0)  # of random videos
EVENTS_S = (0.3, 6.0)  # lengths of random events
SUBSET = ["P32_05", "P32_06", "P32_07", "P32_08", "P32_09", "P32_10"]
RECIPE = TIM_RECIPES["epic"]
ROUNDS = 5


def published_way(
    queries: pd.DataFrame, intervals: pd.DataFrame, durations: dict[str, float]
) -> list[tuple[Any, ...]]:
    """Return video, start, stop, rows and queries of each window, made one by one."""
    windows = []
    for video_id, duration_s in durations.items():
        own = queries[queries["video_id"] == video_id].copy()
        rows = intervals[intervals["video_id"] == video_id].sort_values("start_s")
        bounds = rows[["start_s", "stop_s"]].to_numpy(np.float32)
        end = math.ceil(duration_s)
        own["stop_s"] = own["stop_s"].clip(upper=end)
        n_windows = max(math.ceil((end - RECIPE.window_s) / RECIPE.window_stride_s) + 1, 1)
        for start in RECIPE.window_stride_s * np.arange(n_windows):
            stop = min(end, start + RECIPE.window_s)
            held = own[(own["start_s"] < stop) & (own["stop_s"] > start)].copy()
            whole = (held["stop_s"] - held["start_s"]).round(3)
            held["start_s"] = held["start_s"].clip(lower=start)
            held["stop_s"] = held["stop_s"].clip(upper=stop)
            part = (held["stop_s"] - held["start_s"]).round(3)
            held = held[(part == whole) | (part >= 0.2)]
            if held.empty:
                continue
            first = np.abs(bounds[:, 0] - np.float32(start)).argmin()
            last = np.abs(bounds[:, 1] - np.float32(stop)).argmin()
            chosen = np.arange(first, last, RECIPE.feat_stride)[: RECIPE.num_feats]
            chosen = np.pad(chosen, (0, RECIPE.num_feats - len(chosen)), mode="edge")
            windows.append((video_id, start, stop, chosen.tolist(), held["query_id"].to_list()))
    return windows


def listed(index: WindowIndex) -> list[tuple[Any, ...]]:
    """Return an index as `published_way` has it."""
    spans = zip(index.offsets[:-1], index.offsets[1:], strict=True)
    queries = [index.query[first:last].tolist() for first, last in spans]
    videos = index.video_ids[index.video].tolist()
    return list(zip(videos, index.start_s, index.stop_s, index.rows.tolist(), queries, strict=True))


def read_epic(folder: Path) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return the queries and the durations of the public annotation files."""
    actions = epic_kitchens.read_events(folder / "epic100" / "EPIC_100_validation.csv", "val")
    sounds = epic_sounds.read_events(folder / "epic_sounds" / "EPIC_Sounds_validation.csv", "val")
    queries = join_queries(
        [queries_of_events(actions, "visual"), queries_of_events(sounds, "audio")]
    )
    durations = read_durations(folder / "epic100" / "EPIC_100_video_info.csv")
    used = set(queries["video_id"])
    return queries, {video_id: s for video_id, s in durations.items() if video_id in used}


def draw_epic() -> tuple[pd.DataFrame, dict[str, float]]:
    """Return random queries and durations, as many as in the public files."""
    rng = generator(0, "windows of EPIC")
    lengths_s = rng.uniform(*DURATIONS_S, VIDEOS)
    # The videos of SUBSET are shown first; the names of the others do not matter.
    names = [*SUBSET, *(f"R{number:03}" for number in range(VIDEOS - len(SUBSET)))]
    durations = dict(zip(names, lengths_s.tolist(), strict=True))

    def events(count: int, label: str) -> pd.DataFrame:
        # A longer video has more events, as in the public files.
        video = rng.choice(VIDEOS, count, p=lengths_s / lengths_s.sum())
        length_s = rng.uniform(*EVENTS_S, count)
        start_s = rng.random(count) * (lengths_s[video] - length_s)
        columns = {
            "event_id": [f"{label}_{number}" for number in range(count)],
            "video_id": [names[number] for number in video],
            "split": "val",
            "start_s": start_s.round(2),
            "stop_s": (start_s + length_s).round(2),
        }
        classes = ["class_id"] if label == "sound" else ["verb_class", "noun_class"]
        return pd.DataFrame(columns | dict.fromkeys(classes, 0))

    actions, sounds = events(ACTIONS, "action"), events(SOUNDS, "sound")
    parts = [queries_of_events(actions, "visual"), queries_of_events(sounds, "audio")]
    return join_queries(parts), durations


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    parser = argparse.ArgumentParser(description="Measure how long windows of EPIC take.")
    parser.add_argument("folder", nargs="?", type=Path, help="public annotation files")
    folder = parser.parse_args().folder
    queries, durations = draw_epic() if folder is None else read_epic(folder)
    videos = pd.DataFrame({"video_id": list(durations), "duration_s": list(durations.values())})
    intervals = interval_table(videos.assign(frames=np.nan, fps=np.nan))
    few = queries[queries["video_id"].isin(SUBSET)].reset_index(drop=True)
    of_few = {video_id: durations[video_id] for video_id in durations if video_id in SUBSET}
    index = build_windows(queries, intervals, durations, RECIPE)
    with threadpool_limits(1):
        seconds = best_cpu_seconds(
            {
                "published, subset": lambda: published_way(few, intervals, of_few),
                "ours, subset": lambda: build_windows(few, intervals, of_few, RECIPE),
                "ours": lambda: build_windows(queries, intervals, durations, RECIPE),
            },
            ROUNDS,
        )
    plain = published_way(few, intervals, of_few)
    per_window = seconds["published, subset"] / len(plain)
    result = {
        "events": "random" if folder is None else "public",
        "windows": len(index),
        "windows of the subset": len(plain),
        "the same windows on the subset": plain
        == listed(build_windows(few, intervals, of_few, RECIPE)),
        "ours, CPU s": round(seconds["ours"], 3),
        "ours, CPU us per window": round(1e6 * seconds["ours"] / len(index), 1),
        "published way, CPU us per window of the subset": round(1e6 * per_window, 1),
        "published way, CPU s, extrapolated": round(per_window * len(index), 1),
        "times faster on the subset": round(seconds["published, subset"] / seconds["ours, subset"]),
    }
    write_result("tim_windows", result, "numpy", "pandas")


if __name__ == "__main__":
    main()
