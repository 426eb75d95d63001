"""Memory of training TIM on EPIC: all windows and features of real size, a part of an epoch.

1.3 million intervals of 495 videos to train on and 237,000 of 138 to validate, with random
actions and sounds in the numbers of EPIC-KITCHENS-100 and EPIC-SOUNDS. Features are sparse files,
which take no disk and read as zeros: 44 GB of visual and 37 GB of audio ones to train on. The
stage runs in a process of its own, on a few windows of all videos; its memory is what one process
holds: pages of its own, and those of mapped files, which belong to the page cache.

    .venv/bin/python benchmarks/epic_memory.py [--steps 2] [--parts 1] [--mixed]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measure import describe, write_result

from avlib.extractors.intervals import interval_table
from avlib.extractors.tables import INTERVALS
from avlib.io.atomic import write_json
from avlib.io.tables import write_table
from avlib.tim.queries import QueryRows, join_queries, queries_of_events
from avlib.tim.recipes import TIM_RECIPES, TimTraining
from avlib.tim.tables import QUERIES
from avlib.tim.windows import build_windows

RECIPE = TIM_RECIPES["epic"]
CHANNELS = {"visual": 2048, "audio": 2304}
CLASSES = {"verb_class": 97, "noun_class": 300, "action_class": 3806, "class_id": 44}
VIDEOS = {"train": 495, "val": 138}
HOURS = {"train": 74.7, "val": 13.2}
VIEWS = {"train": {"visual": 4, "audio": 3}, "val": {"visual": 1, "audio": 1}}
EVENTS = {"train": {"visual": 67_217, "audio": 75_920}, "val": {"visual": 9_668, "audio": 8_035}}
VALIDATION_BATCHES = 2
SAMPLE_S = 0.1  # between two looks at the memory of the process


def draw_durations(rng: np.random.Generator, split: str) -> dict[str, float]:
    """Return random lengths of the videos of a split, which add up to its hours."""
    lengths_s = rng.uniform(60.0, 1000.0, VIDEOS[split])
    lengths_s *= 3600 * HOURS[split] / lengths_s.sum()
    return {f"{split}{number:03}": s for number, s in enumerate(lengths_s.round(2).tolist())}


def draw_queries(
    rng: np.random.Generator, split: str, durations: dict[str, float]
) -> list[QueryRows]:
    """Return random queries of a split; a longer video has more."""
    names, lengths_s = np.array(list(durations)), np.array(list(durations.values()))
    parts = []
    for modality, count in EVENTS[split].items():
        video = rng.choice(len(names), count, p=lengths_s / lengths_s.sum())
        length_s = rng.uniform(0.3, 6.0, count)
        start_s = rng.random(count) * (lengths_s[video] - length_s)
        columns = ["class_id"] if modality == "audio" else list(CLASSES)[:3]
        events = pd.DataFrame(
            {
                "event_id": [f"{modality}_{number}" for number in range(count)],
                "video_id": names[video],
                "split": split,
                "start_s": start_s.round(2),
                "stop_s": (start_s + length_s).round(2),
                **{column: rng.integers(CLASSES[column], size=count) for column in columns},
            }
        )
        parts.append(queries_of_events(events, modality))
    return parts


def write_features(folder: Path, split: str, intervals: pd.DataFrame) -> float:
    """Write sparse feature files of a split; return their apparent size in GB."""
    size = 0
    for modality, views in VIEWS[split].items():
        target = folder / modality / split
        target.mkdir(parents=True)
        for video_id, count in intervals.groupby("video_id", sort=False).size().items():
            shape, path = (count, views, CHANNELS[modality]), target / f"{video_id}.npy"
            np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            size += path.stat().st_size
    return size / 1e9


def write_inputs(folder: Path) -> dict[str, Any]:
    """Write what the stage reads; return how much it is."""
    rng = np.random.default_rng(0)
    durations = {split: draw_durations(rng, split) for split in VIDEOS}
    parts = [part for split in VIDEOS for part in draw_queries(rng, split, durations[split])]
    # Visual queries come first.
    queries = join_queries(sorted(parts, key=lambda part: part["modality"].iloc[0] == "audio"))
    write_table(queries, folder / "queries.parquet", QUERIES)
    write_json(
        folder / "classes.json",
        {column: [str(k) for k in range(count)] for column, count in CLASSES.items()},
    )
    found: dict[str, Any] = {}
    for split, lengths in durations.items():
        videos = pd.DataFrame({"video_id": list(lengths), "duration_s": list(lengths.values())})
        intervals = interval_table(videos.assign(frames=np.nan, fps=np.nan))
        write_table(intervals, folder / f"{split}.parquet", INTERVALS)
        of_split = queries[queries["split"] == split]
        index = build_windows(of_split, intervals, lengths, RECIPE)
        index.save(folder / f"{split}.npz")
        found[f"{split}: intervals"] = len(intervals)
        found[f"{split}: windows"] = len(index)
        found[f"{split}: queries"] = len(of_split)
        found[f"{split}: features, GB"] = round(write_features(folder, split, intervals), 1)
    return found


def train(folder: Path, steps: int, parts: int | None, *, is_mixed: bool) -> None:
    """Run the stage on some windows of all videos; in a process of its own."""
    from avlib.tim import training

    read_split, size = training.read_split, RECIPE.batch_size

    def shortened(name: str, *arguments: Any) -> Any:
        split = read_split(name, *arguments)
        count = size * (steps if name == "train" else VALIDATION_BATCHES)
        chosen = np.random.default_rng(0).choice(split.items, count, replace=False)
        return replace(split, items=np.sort(chosen))

    training.read_split = shortened
    files = training.TrainingFiles(
        queries=folder / "queries.parquet",
        windows={split: folder / f"{split}.npz" for split in VIDEOS},
        intervals={split: folder / f"{split}.parquet" for split in VIDEOS},
        visual=[folder / "visual"],
        audio=[folder / "audio"],
        classes=folder / "classes.json",
        initial_weights=None,
        state_directory=folder / "state",
        model=folder / "model.safetensors",
        log=folder / "log.jsonl",
        metrics=folder / "metrics.json",
    )
    precision = "training" if is_mixed else None
    settings = TimTraining(recipe="epic", epochs=1, parts=parts, mixed_precision=precision)
    training.train_tim(
        training.TrainingRun(
            settings=settings, files=files, model="audio_visual", seed=0, device="cpu"
        )
    )


def watched(command: list[Any]) -> dict[str, float]:
    """Run a command; return the most memory that its process held, in MiB, by kind."""
    most = {"VmHWM": 0.0, "RssAnon": 0.0, "RssFile": 0.0}
    with subprocess.Popen(list(map(str, command))) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            for line in status.read_text().splitlines():
                name, _, value = line.partition(":")
                if name in most and "kB" in value:
                    most[name] = max(most[name], int(value.split()[0]) / 1024)
            time.sleep(SAMPLE_S)
    if process.returncode:
        raise SystemExit(process.returncode)
    return most


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description="Measure the memory of training on EPIC.")
    parser.add_argument("--steps", type=int, default=2, help="batches to train on")
    parser.add_argument("--parts", type=int, help="in which a batch is computed; else the default")
    parser.add_argument("--mixed", action="store_true", help="in mixed precision")
    parser.add_argument("--stage", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        train(given.stage, given.steps, given.parts, is_mixed=given.mixed)
        return
    describe(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = write_inputs(folder)
        command = [sys.executable, __file__, "--stage", folder, "--steps", given.steps]
        command += ["--parts", given.parts] if given.parts else []
        command += ["--mixed"] if given.mixed else []
        start = time.monotonic()
        most = watched(command)
        seconds = time.monotonic() - start
        logged = json.loads((folder / "log.jsonl").read_text().splitlines()[0])
    result |= {
        "precision": "mixed" if given.mixed else "float32",
        "parts of a batch": given.parts or RECIPE.parts,
        "windows trained on": given.steps * RECIPE.batch_size,
        "loss": round(logged["train_loss"], 3),
        "most memory, MiB": round(most["VmHWM"]),
        "of its own, MiB": round(most["RssAnon"]),
        "of mapped files, MiB": round(most["RssFile"]),
        "seconds": round(seconds),
    }
    write_result("epic_memory", result, "avlib", "numpy", "torch")


if __name__ == "__main__":
    main()
