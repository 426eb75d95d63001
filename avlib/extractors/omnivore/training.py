"""Stage train_omnivore: a narrow Omnivore on labelled clips."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import torch

from avlib.datasets.tables import EVENTS
from avlib.device import resolve_device
from avlib.extractors.omnivore.network import Omnivore
from avlib.extractors.omnivore.recipes import OmnivoreRecipe, OmnivoreTraining
from avlib.extractors.omnivore.steps import initialise
from avlib.extractors.omnivore.task import VisualEvents, VisualRecognition
from avlib.io.packs import FrameStore
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table
from avlib.training.event_recognition import Outputs, TrainingInputs, read_classes, train_on_events
from avlib.training.events import (
    classes_of_heads,
    events_of_heads,
    split_events,
)
from avlib.training.recipes import with_heads

if TYPE_CHECKING:
    import pandas as pd


def train_omnivore(
    inputs: TrainingInputs, settings: OmnivoreTraining, *, seed: int, device: str, outputs: Outputs
) -> None:
    """Train on a study's events and packs of frames, as `train_visual` does.

    Args:
        inputs: the rate is that of the packs' frames, per second.
        settings: what differs from the recipe.
        seed: of initial weights, orders, crops, augmentations and dropout.
        device: auto, cpu or cuda.
        outputs: files to write.

    Raises:
        ConfigError, DataError: as `train_visual`.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    cv2.setNumThreads(1)
    classes = read_classes(inputs.classes)
    with FrameStore(inputs.packs, rate_fps=inputs.rate) as frames:
        train_visual(
            read_table(inputs.events, EVENTS),
            frames,
            recipe=with_heads(settings.adjusted_recipe(), classes),
            classes=classes,
            seed=seed,
            device=resolve_device(device),
            outputs=outputs,
        )


def train_visual(
    events: "pd.DataFrame",
    frames: FrameStore,
    *,
    recipe: OmnivoreRecipe,
    classes: Mapping[str, Sequence[str]],
    seed: int,
    device: torch.device,
    outputs: Outputs,
) -> None:
    """Train the network on the events of split `train` and write its best weights.

    They have the highest top-1 accuracy on split `val` (of equals the more confident ones), or on
    `train` itself where no event of `val` has frames. Interruptions do not change the bytes.

    Args:
        events: table of events; those with class numbers in the columns `recipe.heads` count.
        frames: of the videos; an event without is left out and counted.
        recipe: what is trained, and how.
        classes: names of the classes, by column; position = class number.
        seed: of initial weights and of all draws.
        device: torch device.
        outputs: files to write; the weights have the published names.

    Raises:
        ConfigError: if recipe and classes do not go together, or the loss is not finite.
        DataError: if a class number is out of range or no event of `train` has frames.
    """
    events = events_of_heads(events, recipe.heads, classes, recipe.name)
    classes = classes_of_heads(recipe.heads, classes, recipe.name)
    model = _build_model(recipe, classes, seed).to(device)
    choose = partial(_clips_of_events, frames=frames, recipe=recipe)
    splits = split_events(events, choose, needed="frames")
    train_on_events(
        VisualRecognition(model, recipe, splits=splits, seed=seed),
        outputs,
        settings=(recipe, code_fingerprint("avlib.extractors.omnivore.training")),
        classes=classes,
        description=_description(recipe),
    )


def _clips_of_events(
    events: "pd.DataFrame", frames: FrameStore, recipe: OmnivoreRecipe
) -> VisualEvents:
    return VisualEvents(
        events,
        frames,
        heads=recipe.heads,
        clip_s=recipe.clip_s,
        num_frames=recipe.num_frames,
        crop=recipe.crop,
        augmentation=recipe.augmentation,
    )


def _description(recipe: OmnivoreRecipe) -> dict[str, Any]:
    """Return what an extractor must know of the weights: sizes of the network and its input."""
    sizes = {
        name: ",".join(map(str, size)) if isinstance(size, tuple) else size
        for name, size in asdict(recipe.sizes).items()
    }
    return {
        **sizes,
        "num_frames": recipe.num_frames,
        "crop": recipe.crop,
        "recipe": recipe.name,
    }


def _build_model(
    recipe: OmnivoreRecipe, classes: Mapping[str, Sequence[str]], seed: int
) -> Omnivore:
    """Return the network with its first weights."""
    model = Omnivore(
        recipe.sizes,
        num_classes=[len(names) for names in classes.values()],
        dropout=recipe.dropout,
        stochastic_depth=recipe.stochastic_depth,
    )
    initialise(model, seed)
    return model
