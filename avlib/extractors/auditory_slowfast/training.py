"""Stage train_asf: Auditory SlowFast on labelled audio, after one of the recipes."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from avlib.datasets.tables import EVENTS
from avlib.device import resolve_device
from avlib.errors import ConfigError
from avlib.extractors.auditory_slowfast.batch_norm import freeze_batch_norm
from avlib.extractors.auditory_slowfast.log_mel import frame_samples
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.recipes import AsfRecipe, AsfTraining
from avlib.extractors.auditory_slowfast.steps import initialise
from avlib.extractors.auditory_slowfast.task import SoundEvents, SoundRecognition
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.io.packs import WaveformStore
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


def train_asf(
    inputs: TrainingInputs, settings: AsfTraining, *, seed: int, device: str, outputs: Outputs
) -> None:
    """Train on a study's events and packs of waveforms, as `train` does.

    Args:
        inputs: the rate is the sample rate of the packs in Hz.
        settings: with the name of a recipe.
        seed: of initial weights, orders, crops, augmentations and dropout.
        device: auto, cpu or cuda.
        outputs: files to write.

    Raises:
        ConfigError, DataError, CheckpointError: as `train` and `build_model`.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    classes = read_classes(inputs.classes)
    recipe = with_heads(settings.adjusted_recipe(), classes)
    with WaveformStore(inputs.packs, sample_rate=inputs.rate) as waveforms:
        check_sample_rate(waveforms.sample_rate, recipe)
        model = build_model(recipe, classes, seed, inputs.initial_weights)
        train(
            model.to(resolve_device(device)),
            read_table(inputs.events, EVENTS),
            waveforms,
            recipe=recipe,
            classes=classes,
            seed=seed,
            outputs=outputs,
        )


def train(
    model: AuditorySlowFast,
    events: "pd.DataFrame",
    waveforms: WaveformStore,
    *,
    recipe: AsfRecipe,
    classes: Mapping[str, Sequence[str]],
    seed: int,
    outputs: Outputs,
) -> None:
    """Train a network on the events of split `train` and write its best weights.

    They have the highest top-1 accuracy on split `val` (of equals the more confident ones), or on
    `train` itself where no event of `val` has audio. Interruptions do not change the bytes.

    Args:
        model: from `build_model`, on the device that trains it.
        events: table of events; those with class numbers in the columns `recipe.heads` count.
        waveforms: audio of the videos; an event without is left out and counted.
        recipe: how to train.
        classes: names of the classes of each head, by column; position = class number.
        seed: of orders, crops, augmentations and dropout.
        outputs: files to write.

    Raises:
        ConfigError: if recipe, classes and rate do not go together, or the loss is not finite.
        DataError: if a class number is out of range or no event of `train` has audio.
    """
    check_sample_rate(waveforms.sample_rate, recipe)
    labelled = events_of_heads(events, recipe.heads, classes, recipe.name)
    choose = partial(sound_events, waveforms=waveforms, recipe=recipe, heads=recipe.heads)
    splits = split_events(labelled, choose, needed="audio")
    train_on_events(
        SoundRecognition(model, recipe, splits=splits, seed=seed),
        outputs,
        settings=(recipe, code_fingerprint("avlib.extractors.auditory_slowfast.training")),
        classes=classes_of_heads(recipe.heads, classes, recipe.name),
        description=_description(recipe, waveforms.sample_rate),
    )


def _description(recipe: AsfRecipe, rate: int) -> dict[str, Any]:
    """Return the metadata of the weights beside their classes."""
    return {"width": recipe.width, "sample_rate": rate, "recipe": recipe.name}


def check_sample_rate(rate: int, recipe: AsfRecipe) -> None:
    """Refuse audio whose rate the recipe is not for.

    Args:
        rate: samples per second, in Hz.
        recipe: how to train.

    Raises:
        ConfigError: if it is another one.
    """
    _, hop = frame_samples(rate)
    n_frames = 1 + (round(rate * recipe.clip_s) - 1) // hop
    if n_frames != recipe.n_frames:
        raise ConfigError(
            f"{recipe.clip_s} s of audio at {rate} Hz are {n_frames} frames, recipe {recipe.name} "
            f"needs {recipe.n_frames}; extract the audio at 16000 or 24000 Hz"
        )
    if recipe.sample_rate not in (None, rate):
        raise ConfigError(
            f"recipe {recipe.name} is for audio at {recipe.sample_rate} Hz, this is at {rate} Hz; "
            f"extract the audio at {recipe.sample_rate} Hz or use recipe miniature"
        )


def sound_events(
    events: "pd.DataFrame", waveforms: WaveformStore, recipe: AsfRecipe, heads: Sequence[str]
) -> SoundEvents:
    """Return events with audio as inputs of a recipe's length, labelled for `heads`."""
    return SoundEvents(
        events,
        waveforms,
        heads=heads,
        clip_s=recipe.clip_s,
        n_frames=recipe.n_frames,
        specaug=recipe.specaug,
        truncates_samples=recipe.truncates_samples,
    )


def build_model(
    recipe: AsfRecipe,
    classes: Mapping[str, Sequence[str]],
    seed: int,
    initial_weights: Path | None,
) -> AuditorySlowFast:
    """Return the network with its first weights, frozen where the recipe says so.

    Args:
        recipe: how it will be trained.
        classes: names of the classes of each head, by column.
        seed: of random weights.
        initial_weights: checkpoint to begin with, which a recipe that fine-tunes needs; its
            classifiers are used if they have as many classes. None: random weights.

    Raises:
        ConfigError: if a head has no classes, or weights are needed.
        CheckpointError: if the initial weights do not fit.
    """
    classes = classes_of_heads(recipe.heads, classes, recipe.name)
    num_classes = [len(names) for names in classes.values()]
    model = AuditorySlowFast(num_classes=num_classes, width=recipe.width, dropout=recipe.dropout)
    initialise(model, seed)
    if recipe.fine_tunes:
        freeze_batch_norm(model)
        if initial_weights is None:
            raise ConfigError(f"recipe {recipe.name} fine-tunes: name the initial weights")
    if initial_weights is not None:
        weights = load_state_dict(initial_weights)
        fit_state_dict(model, weights, initial_weights, skip="head.")
    return model
