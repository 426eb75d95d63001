"""Stage train_soundtrack: a soundtrack network on the labelled sound of a study."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from avlib.device import resolve_device
from avlib.io.packs import ImageStore
from avlib.io.tables import read_table
from avlib.soundtracks.folds import splits_of_fold
from avlib.soundtracks.images import SAMPLE_RATE
from avlib.soundtracks.network import Pool
from avlib.soundtracks.recipes import SOUNDTRACK_RECIPES, NetworkChoice
from avlib.soundtracks.tables import LABELLED_FILES
from avlib.soundtracks.training import train_soundtrack
from avlib.training.event_recognition import Outputs
from avlib.training.recipes import adjusted


@dataclass(frozen=True, kw_only=True)
class SoundtrackTrainingSettings:
    """What decides the weights, beside the data; None stands for the recipe's value.

    Attributes:
        recipe: name of a recipe.
        network: name of a network.
        pool: of a residual network, as in `ResNet`.
        width: channels of its stem.
        epochs: length of the training.
        batch_size: clips a step.
        learning_rate: base of the schedule.
        seed: of all draws.
        device: cpu, cuda, or auto for cuda where there is one.
    """

    recipe: str
    network: str | None
    pool: Pool | None
    width: int | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    seed: int
    device: str

    def choice(self, default: NetworkChoice) -> NetworkChoice:
        """Return the network, which is `default` in what is not set."""
        given: dict[str, Any] = {"network": self.network, "pool": self.pool, "width": self.width}
        return replace(default, **{name: v for name, v in given.items() if v is not None})


def train_soundtrack_study(
    *,
    labels: Path,
    classes: Path,
    packs: Sequence[Path],
    fold: str,
    settings: SoundtrackTrainingSettings,
    state_directory: Path,
    model_path: Path,
    log_path: Path,
    metrics_path: Path,
) -> None:
    """Train on a study's labelled files and audio images.

    Args:
        labels: table of kind LABELLED_FILES.
        classes: JSON with the names of the classes, as `class_id`.
        packs: audio images of the files; one without a clip is left out and counted.
        fold: as in `splits_of_fold`. Where one is held out there is no split `val`, so the
            weights that count are chosen on `train`, if the recipe does not keep the last.
        settings: how.
        state_directory: as the other paths, one of `Outputs`.
        model_path: weights.
        log_path: one line an epoch.
        metrics_path: metrics of the weights.

    Raises:
        ConfigError: as `train_soundtrack`.
        DataError: as `train_soundtrack`, or if the fold has no files.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    recipe = adjusted(
        SOUNDTRACK_RECIPES[settings.recipe],
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        base_rate=settings.learning_rate,
    )
    with ImageStore(packs, sample_rate=SAMPLE_RATE) as images:
        train_soundtrack(
            splits_of_fold(read_table(labels, LABELLED_FILES), fold),
            images,
            choice=settings.choice(recipe.choice),
            recipe=recipe,
            classes=json.loads(classes.read_text("ascii")),
            seed=settings.seed,
            initial_weights=None,
            device=resolve_device(settings.device),
            outputs=Outputs(state_directory, model_path, log_path, metrics_path),
        )
