"""A training of a few seconds on synthetic tones, also run as a process of its own."""

import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch

from avlib.extractors.auditory_slowfast.recipes import ASF_RECIPES
from avlib.extractors.auditory_slowfast.training import build_model, check_sample_rate, train
from avlib.io.packs import WaveformStore
from avlib.seeds import generator
from avlib.training.event_recognition import Outputs

RATE = 16_000
CLASSES = {"class_id": ["low", "high"]}
TINY = replace(
    ASF_RECIPES["miniature"],
    schedule=replace(ASF_RECIPES["miniature"].schedule, epochs=4),
    batch_size=4,
    epoch_items=8,
    views=2,
    precise_batches=2,
    validate_every=1,
)


def write_pack(path, n_videos=8, seconds=1.5):
    """Noisy tones of 400 Hz (even videos) and 2000 Hz (odd ones)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * RATE)) / RATE
    with h5py.File(path, "w") as pack:
        for i in range(n_videos):
            rng = generator(0, "tone", i)
            tone = 0.2 * np.sin(2 * np.pi * (2000 if i % 2 else 400) * time + rng.uniform(0, 6))
            noise = 0.05 * rng.standard_normal(len(time))
            pack[f"video{i}"] = (tone + noise).astype(np.float32)
    return path


def events_table(n_videos=8, n_val=2, n_test=2):
    """One event a video; the last ones are for test, those before for val."""
    n_train = n_videos - n_val - n_test
    return pd.DataFrame(
        {
            "event_id": [f"event{i}" for i in range(n_videos)],
            "video_id": [f"video{i}" for i in range(n_videos)],
            "split": ["train"] * n_train + ["val"] * n_val + ["test"] * n_test,
            "modality": "audio",
            "start_s": 0.1,
            "stop_s": 1.4,
            "label": [CLASSES["class_id"][i % 2] for i in range(n_videos)],
            "class_id": [i % 2 for i in range(n_videos)],
        }
    )


def run(folder, events=None, pack=None, **changes):
    """Train in `folder`; return the output files."""
    outputs = {
        "model_path": folder / "model.safetensors",
        "log_path": folder / "log.jsonl",
        "metrics_path": folder / "metrics.json",
    }
    arguments = {"recipe": TINY, "classes": CLASSES, "seed": 1} | changes
    initial_weights = arguments.pop("initial_weights", None)
    pack = pack or write_pack(folder / "pack.h5")
    torch.set_num_threads(1)
    with WaveformStore([pack], sample_rate=RATE) as waveforms:
        check_sample_rate(RATE, arguments["recipe"])
        model = build_model(**arguments, initial_weights=initial_weights)
        train(
            model,
            events_table() if events is None else events,
            waveforms,
            **arguments,
            outputs=Outputs(folder / "state", **outputs),
        )
    return outputs


if __name__ == "__main__":
    run(Path(sys.argv[1]))
