"""A training of a few seconds on coloured discs, also run as a process of its own."""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import torch

from avlib.extractors.omnivore.recipes import OMNIVORE_RECIPES
from avlib.extractors.omnivore.sizes import TrunkSizes
from avlib.extractors.omnivore.training import train_visual
from avlib.io.packs import FrameStore
from avlib.seeds import generator
from avlib.training.event_recognition import Outputs

FPS = 8
CLASSES = {"class_id": ["red", "blue"]}
RECIPE = OMNIVORE_RECIPES["miniature"]
TINY = replace(
    RECIPE,
    sizes=TrunkSizes(width=8, depths=(1, 1), heads=(1, 2), window=(1, 4, 4)),
    crop=16,
    num_frames=2,
    schedule=replace(RECIPE.schedule, epochs=4),
    batch_size=4,
    epoch_items=8,
    views=2,
    validate_every=1,
)


def write_frames(path, n_videos=8, n_frames=16):
    """Discs that wander over noise: red in even videos, blue in odd ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as pack:
        pack.attrs["rate_fps"] = FPS
        for i in range(n_videos):
            rng = generator(0, "disc", i)
            frames = rng.integers(60, 130, (n_frames, 20, 28, 3), dtype=np.uint8)
            for frame in frames:
                centre = (int(rng.integers(10, 18)), int(rng.integers(8, 12)))
                cv2.circle(frame, centre, 7, (20, 20, 220) if i % 2 else (220, 20, 20), -1)
            pack[f"video{i}"] = frames
    return path


def events_table(n_videos=8, n_val=2, n_test=2):
    """One event a video; the last ones are for test, those before for val."""
    n_train = n_videos - n_val - n_test
    return pd.DataFrame(
        {
            "event_id": [f"event{i}" for i in range(n_videos)],
            "video_id": [f"video{i}" for i in range(n_videos)],
            "split": ["train"] * n_train + ["val"] * n_val + ["test"] * n_test,
            "modality": "audio_visual",
            "start_s": 0.0,
            "stop_s": 2.0,
            "label": [CLASSES["class_id"][i % 2] for i in range(n_videos)],
            "class_id": [i % 2 for i in range(n_videos)],
        }
    )


def run_visual(folder, events=None, pack=None, **changes):
    """Train in `folder`; return the output files."""
    outputs = {
        "model_path": folder / "model.safetensors",
        "log_path": folder / "log.jsonl",
        "metrics_path": folder / "metrics.json",
    }
    arguments = {
        "recipe": TINY,
        "classes": CLASSES,
        "seed": 1,
        "device": torch.device("cpu"),
        "outputs": Outputs(folder / "state", **outputs),
    }
    pack = pack or write_frames(folder / "pack.h5")
    torch.set_num_threads(1)
    with FrameStore([pack], rate_fps=FPS) as frames:
        train_visual(events_table() if events is None else events, frames, **(arguments | changes))
    return outputs


if __name__ == "__main__":
    run_visual(Path(sys.argv[1]))
