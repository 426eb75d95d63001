"""A study of a few made-up videos for TIM, also trained as a process of its own.

A thing is heard in some seconds of a video and seen in some; where both, that is an event of its
class, else background.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avlib.extractors.intervals import interval_table
from avlib.extractors.tables import INTERVALS
from avlib.io.tables import write_table
from avlib.seeds import generator
from avlib.tim.queries import join_queries, queries_of_segments
from avlib.tim.recipes import TIM_RECIPES, TimTraining
from avlib.tim.tables import QUERIES
from avlib.tim.training import TrainingFiles, TrainingRun, train_tim
from avlib.tim.windows import build_windows

CLASSES = ["bell", "dog", "flute", "background"]
SECONDS = 10
VIDEOS = {"train": 8, "val": 3, "test": 4}
VIEWS = {"train": 2, "val": 1, "test": 1}
WIDTHS = {"visual": 6, "audio": 5}
OUTPUTS = ("model", "log", "metrics")


def plan(video_id):
    """The class of a video, and in which seconds it is seen and heard: (2, 10)."""
    rng = generator(0, "plan", video_id)
    spans = np.zeros((2, SECONDS), dtype=bool)
    start, length = rng.integers(1, 4), rng.integers(3, 5)
    spans[:, start : start + length] = True
    spans[rng.integers(2), start + length : start + length + 2] = True
    return int(rng.integers(len(CLASSES) - 1)), spans


def features(video_id, intervals, modality, views):
    """A direction for each class where it is seen or heard, and noise: (N, views, D)."""
    label, spans = plan(video_id)
    is_there = spans[0 if modality == "visual" else 1]
    directions = generator(0, "directions", modality).standard_normal((3, WIDTHS[modality]))
    rng = generator(0, "noise", modality, video_id)
    noise = 0.3 * rng.standard_normal((len(intervals), views, WIDTHS[modality]))
    seconds = np.clip(intervals["centre_s"].to_numpy().astype(int), 0, SECONDS - 1)
    signal = is_there[seconds][:, None] * directions[label]
    return (2 * signal[:, None] + noise).astype(np.float32)


def segments_table(videos):
    rows = []
    for split, video_ids in videos.items():
        for video_id in video_ids:
            label, spans = plan(video_id)
            for second in range(SECONDS):
                number = label if spans[:, second].all() else len(CLASSES) - 1
                rows.append((f"{video_id}_{second}", video_id, split, second, second + 1, number))
    names = ["event_id", "video_id", "split", "start_s", "stop_s", "class_id"]
    table = pd.DataFrame(rows, columns=names).astype({"start_s": float, "stop_s": float})
    return table.assign(modality="audio_visual", label=[CLASSES[n] for n in table["class_id"]])


def write_study(folder, videos=VIDEOS):
    """Write the inputs of a training and an evaluation; return them by name."""
    names = {split: [f"{split}{i}" for i in range(n)] for split, n in videos.items()}
    queries = join_queries(queries_of_segments(segments_table(names)))
    files = {"queries": folder / "queries.parquet", "classes": folder / "classes.json"}
    files |= {"windows": {}, "intervals": {}}
    files |= {modality: [folder / modality] for modality in WIDTHS}
    write_table(queries, files["queries"], QUERIES)
    files["classes"].write_text(json.dumps({"class_id": CLASSES}))
    for split, video_ids in names.items():
        durations = dict.fromkeys(video_ids, float(SECONDS))
        lengths = pd.DataFrame({"video_id": video_ids, "duration_s": 10.0})
        intervals = interval_table(lengths.assign(frames=80, fps=8.0), interval_s=1.1, hop_s=0.2)
        write_table(intervals, folder / f"{split}.parquet", INTERVALS)
        recipe = TIM_RECIPES["small"]
        index = build_windows(queries[queries["split"] == split], intervals, durations, recipe)
        index.save(folder / f"{split}.npz")
        files["windows"][split] = folder / f"{split}.npz"
        files["intervals"][split] = folder / f"{split}.parquet"
        for video_id, rows in intervals.groupby("video_id"):
            for modality in WIDTHS:
                target = files[modality][0] / split / f"{video_id}.npy"
                target.parent.mkdir(parents=True, exist_ok=True)
                np.save(target, features(video_id, rows, modality, VIEWS[split]))
    return files


def training_files(study, folder):
    """The arguments of a training in `folder`."""
    seen = {name: study[name] for name in ("queries", "visual", "audio", "classes")}
    splits = {
        name: {split: study[name][split] for split in ("train", "val")}
        for name in ("windows", "intervals")
    }
    outputs = {
        "model": folder / "model.safetensors",
        "log": folder / "log.jsonl",
        "metrics": folder / "metrics.json",
    }
    state = {"initial_weights": None, "state_directory": folder / "state"}
    return seen | splits | outputs | state


def run(study, folder, name="audio_visual", **changes):
    """Train the model of a name in `folder`; return the output files."""
    files = training_files(study, folder)
    files |= {key: changes.pop(key) for key in list(changes) if key in files}
    once = {"model": name, "seed": 1, "device": "cpu"}
    once |= {key: changes.pop(key) for key in list(changes) if key in once}
    settings = {"recipe": "small", "epochs": 3, "batch_size": 4, "parts": 2} | changes
    torch.set_num_threads(1)
    train_tim(TrainingRun(settings=TimTraining(**settings), files=TrainingFiles(**files), **once))
    return {name: files[name] for name in OUTPUTS}


if __name__ == "__main__":
    home = Path(sys.argv[1])
    run(write_study(home / "study"), home, **json.loads(sys.argv[2]))
