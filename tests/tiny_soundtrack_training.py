"""A training of a few seconds on drawn audio images, also run as a process of its own."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avlib.seeds import generator
from avlib.soundtracks.clips import SoundtrackEvents
from avlib.soundtracks.network_choice import NetworkChoice
from avlib.soundtracks.recipes import SOUNDTRACK_RECIPES
from avlib.soundtracks.training import train_network
from avlib.training.event_recognition import Outputs

CLASSES = {"class_id": ["low", "high"]}
CHOICE = NetworkChoice("resnet18", width=4)
SMALL = SOUNDTRACK_RECIPES["small"]
TINY = replace(SMALL, schedule=replace(SMALL.schedule, epochs=3), batch_size=5, choice=CHOICE)


class Images(dict):
    """Audio images by video, as a store of packs has them."""

    def __getitem__(self, video_id):
        self.reads = getattr(self, "reads", 0) + 1
        return super().__getitem__(video_id)

    def origin(self, video_id):
        return ""


def draw_images(n_videos=8, clips=3):
    """Noise with a loud low band (even videos) or high band (odd ones), in dB."""
    images = Images()
    for i in range(n_videos):
        rng = generator(0, "image", i)
        noise = -60 + 8 * rng.standard_normal((clips, 64, 96))
        noise[:, 40 : 48 if i % 2 else 41] += 50 * (i % 2)
        noise[:, 8 : 16 if i % 2 == 0 else 9] += 50 * (i % 2 == 0)
        images[f"video{i}"] = np.clip(noise, -80, 0).astype(np.float32)
    return images


def events_of(images, augmentation=None):
    table = pd.DataFrame({"video_id": list(images), "class_id": range(len(images))})
    return SoundtrackEvents(table, images, heads=["class_id"], augmentation=augmentation)


def numbered(*counts):
    """Images that hold the number of their clip among all clips."""
    first = np.cumsum([0, *counts])
    return Images(
        {
            f"v{i}": np.broadcast_to(
                np.arange(first[i], first[i + 1], dtype=np.float16)[:, None, None], (n, 64, 96)
            )
            for i, n in enumerate(counts)
        }
    )


def soundtracks_table(n_videos=8, n_val=2, n_test=2):
    """One soundtrack a video; the last ones are for test, those before for val."""
    n_train = n_videos - n_val - n_test
    return pd.DataFrame(
        {
            "video_id": [f"video{i}" for i in range(n_videos)],
            "split": ["train"] * n_train + ["val"] * n_val + ["test"] * n_test,
            "class_id": [i % 2 for i in range(n_videos)],
        }
    )


def run_soundtrack(folder, soundtracks=None, images=None, **changes):
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
    torch.set_num_threads(1)
    train_network(
        soundtracks_table() if soundtracks is None else soundtracks,
        draw_images() if images is None else images,
        **(arguments | changes),
    )
    return outputs


if __name__ == "__main__":
    run_soundtrack(Path(sys.argv[1]))
