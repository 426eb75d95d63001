"""Stage train_asf: Auditory SlowFast on the labelled sound of a study."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from avlib.datasets.tables import EVENTS
from avlib.device import resolve_device
from avlib.extractors.auditory_slowfast.recipes import RECIPES
from avlib.extractors.auditory_slowfast.training import train
from avlib.io.packs import WaveformStore
from avlib.io.tables import read_table
from avlib.training.recipes import adjusted


@dataclass(frozen=True)
class TrainingSettings:
    """What decides the weights, beside the data; None stands for the recipe's value.

    Attributes:
        recipe: name of a recipe.
        width: channels of the slow stem.
        epochs: length of the training.
        batch_size: items a step.
        learning_rate: base of the schedule.
        sample_rate: Hz of the packs.
        seed: of all draws.
        device: cpu, cuda, or auto for cuda where there is one.
    """

    recipe: str
    width: int | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    sample_rate: int
    seed: int
    device: str


def train_study(
    *,
    events: Path,
    classes: Path,
    packs: Sequence[Path],
    initial_weights: Path | None,
    settings: TrainingSettings,
    state_directory: Path,
    model_path: Path,
    log_path: Path,
    metrics_path: Path,
) -> None:
    """Train on a study's events and packs; the arguments are those of `pretraining.train`."""
    torch.set_num_threads(1)  # another number gives other last bits
    recipe = adjusted(
        RECIPES[settings.recipe],
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        base_rate=settings.learning_rate,
    )
    with WaveformStore(packs, sample_rate=settings.sample_rate) as waveforms:
        train(
            read_table(events, EVENTS),
            waveforms,
            recipe=replace(recipe, width=settings.width or recipe.width),
            classes=json.loads(classes.read_text("ascii")),
            seed=settings.seed,
            initial_weights=initial_weights,
            device=resolve_device(settings.device),
            state_directory=state_directory,
            model_path=model_path,
            log_path=log_path,
            metrics_path=metrics_path,
        )
