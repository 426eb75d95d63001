"""Stage train_omnivore: a narrow Omnivore on the labelled pictures of a study."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from avlib.datasets.tables import EVENTS
from avlib.device import resolve_device
from avlib.extractors.omnivore.recipes import VISUAL_RECIPES
from avlib.extractors.omnivore.training import train_visual
from avlib.io.packs import FrameStore
from avlib.io.tables import read_table
from avlib.training.event_recognition import Outputs
from avlib.training.recipes import adjusted


@dataclass(frozen=True, kw_only=True)
class VisualTrainingSettings:
    """What decides the weights, beside the data; None stands for the recipe's value.

    Attributes:
        epochs: length of the training.
        batch_size: items a step.
        learning_rate: base of the schedule.
        rate_fps: frames a second of the packs.
        seed: of all draws.
        device: cpu, cuda, or auto for cuda where there is one.
        recipe: name of a recipe.
    """

    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    rate_fps: int
    seed: int
    device: str
    recipe: str = "miniature"


def train_visual_study(
    *,
    events: Path,
    classes: Path,
    packs: Sequence[Path],
    settings: VisualTrainingSettings,
    state_directory: Path,
    model_path: Path,
    log_path: Path,
    metrics_path: Path,
) -> None:
    """Train on a study's events and packs; the arguments are those of `train_visual`."""
    torch.set_num_threads(1)  # another number gives other last bits
    cv2.setNumThreads(1)
    with FrameStore(packs, rate_fps=settings.rate_fps) as frames:
        train_visual(
            read_table(events, EVENTS),
            frames,
            recipe=adjusted(
                VISUAL_RECIPES[settings.recipe],
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                base_rate=settings.learning_rate,
            ),
            classes=json.loads(classes.read_text("ascii")),
            seed=settings.seed,
            device=resolve_device(settings.device),
            outputs=Outputs(state_directory, model_path, log_path, metrics_path),
        )
