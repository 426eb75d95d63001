"""Training of the soundtrack networks: the time to make a batch against a training step.

Batches are made by a thread of their own while the network learns; training waits for data only
where making a batch takes longer than learning it.

    .venv/bin/python benchmarks/soundtrack_training.py
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch
from measure import best_cpu_seconds, describe, write_result
from threadpoolctl import threadpool_limits

from avlib.io.packs import ImageStore
from avlib.soundtracks.clips import SoundtrackEvents
from avlib.soundtracks.network import soundtrack_network
from avlib.soundtracks.recipes import SOUNDTRACK_RECIPES
from avlib.soundtracks.task import SoundtrackRecognition

RATE, PACKS, SOUNDTRACKS, CLIPS, CLASSES, ROUNDS = 44_100, 16, 400, 10, 600, 5


def make_packs(folder: Path) -> list[Path]:
    """Write packs of drawn audio images, as many as a soundtrack of 10 s has of each."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.h5" for number in range(PACKS)]
    for number, path in enumerate(paths):
        with h5py.File(path, "w") as pack:
            for video in range(number, SOUNDTRACKS, PACKS):
                images = rng.uniform(-80, 0, (CLIPS, 64, 96)).astype(np.float32)
                pack.create_dataset(f"v{video:04}", data=images)
    return paths


def make_task(name: str, images: ImageStore) -> SoundtrackRecognition:
    """Return the training of a recipe on one thread of the CPU."""
    recipe = SOUNDTRACK_RECIPES[name]
    soundtracks = pd.DataFrame({"video_id": [f"v{i:04}" for i in range(SOUNDTRACKS)]})
    soundtracks["class_id"] = np.arange(SOUNDTRACKS) % CLASSES
    events = SoundtrackEvents(
        soundtracks, images, heads=recipe.heads, augmentation=recipe.augmentation
    )
    choice = recipe.choice
    options: dict[str, Any] = {"pool": choice.pool, "width": choice.width}
    options |= {"stem_stride": choice.stem_stride, "standardises": choice.standardises}
    model = soundtrack_network(choice.network, num_classes=CLASSES, **options)
    model.to(memory_format=torch.channels_last)
    return SoundtrackRecognition(model, recipe, splits={"train": events, "val": events}, seed=0)


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    result: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        threadpool_limits(1),
        ImageStore(make_packs(Path(name)), sample_rate=RATE) as images,
    ):
        for recipe in ("kinetics600", "small"):
            task = make_task(recipe, images)
            batch, made = next(task.batches(1, 0)), task.batches(1, 1)
            seconds = best_cpu_seconds(
                {"made": partial(next, made), "learned": partial(task.train_step, batch)}, ROUNDS
            )
            for what, value in seconds.items():
                result[f"{recipe}, a batch {what}, CPU ms"] = round(1000 * value, 1)
    write_result("soundtrack_training", result, "torch", "h5py", "numpy")


if __name__ == "__main__":
    main()
