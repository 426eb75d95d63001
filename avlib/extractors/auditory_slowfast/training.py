"""Training of Auditory SlowFast on labelled sound, after one of the recipes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from avlib.errors import ConfigError
from avlib.extractors.auditory_slowfast.batch_norm import freeze_batch_norm
from avlib.extractors.auditory_slowfast.log_mel import frame_samples
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.recipes import Recipe
from avlib.extractors.auditory_slowfast.steps import initialise
from avlib.extractors.auditory_slowfast.task import SoundEvents
from avlib.extractors.auditory_slowfast.task_sound_recognition import SoundRecognition
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.io.provenance import code_fingerprint
from avlib.training.event_recognition import Outputs, train_on_events
from avlib.training.events import LabelledEvents, check_classes, split_events, validation_split

if TYPE_CHECKING:
    import pandas as pd

    from avlib.io.packs import WaveformStore


def train(
    events: "pd.DataFrame",
    waveforms: "WaveformStore",
    *,
    recipe: Recipe,
    classes: Mapping[str, Sequence[str]],
    seed: int,
    initial_weights: Path | None,
    device: torch.device,
    state_directory: Path,
    model_path: Path,
    log_path: Path,
    metrics_path: Path,
) -> None:
    """Train the network on the events of split `train` and write its best weights.

    The best weights are those with the highest top-1 accuracy on split `val` (the more confident
    ones of equals), or on `train` itself where no event of `val` has sound. The result is the
    same bytes after any interruption, and for the same number of torch threads on the same
    machine.

    Args:
        events: table of events; the class numbers are in the columns `recipe.heads`.
        waveforms: sound of the videos; an event without is left out and counted.
        recipe: how to train.
        classes: names of the classes of each head, by column; position = class number.
        seed: of initial weights, orders, crops, augmentations and dropout.
        initial_weights: checkpoint to begin with, which a recipe that fine-tunes needs; its
            classifiers are used if they have as many classes.
        device: torch device.
        state_directory: where the training is saved every epoch; emptied at the end.
        model_path: safetensors file with classes, width, sample_rate and recipe as metadata.
        log_path: JSON lines, one an epoch.
        metrics_path: JSON file with the metrics of the best weights, and counts of events.

    Raises:
        ConfigError: if recipe, classes, weights or sample rate do not go together, or the loss
            is no longer finite.
        DataError: if a class number is out of range or no event of `train` has sound.
        CheckpointError: if the initial weights do not fit.
    """
    _check(events, waveforms, recipe, classes)
    splits = _splits(events, waveforms, recipe)
    model = _build_model(recipe, classes, seed, initial_weights).to(device)
    task = SoundRecognition(
        model,
        recipe,
        training=splits["train"],
        validation=splits[validation_split(splits)],
        seed=seed,
    )
    train_on_events(
        task,
        splits,
        Outputs(state_directory, model_path, log_path, metrics_path),
        settings=(recipe, code_fingerprint("avlib.extractors.auditory_slowfast.training")),
        classes=classes,
        description={
            "width": recipe.width,
            "sample_rate": waveforms.sample_rate,
            "recipe": recipe.name,
        },
    )


def _check(
    events: "pd.DataFrame",
    waveforms: "WaveformStore",
    recipe: Recipe,
    classes: Mapping[str, Sequence[str]],
) -> None:
    """Refuse inputs that do not go together."""
    rate = waveforms.sample_rate
    _, hop = frame_samples(rate)
    n_frames = 1 + (round(rate * recipe.clip_s) - 1) // hop
    if n_frames != recipe.n_frames:
        raise ConfigError(
            f"{recipe.clip_s} s of sound at {rate} Hz are {n_frames} frames, recipe {recipe.name} "
            f"needs {recipe.n_frames}; extract the sound at 16000 or 24000 Hz"
        )
    if recipe.sample_rate not in (None, rate):
        raise ConfigError(
            f"recipe {recipe.name} is for sound at {recipe.sample_rate} Hz, this is at {rate} Hz; "
            f"extract the sound at {recipe.sample_rate} Hz or use recipe miniature"
        )
    check_classes(events, recipe.heads, classes, recipe.name)


def _splits(
    events: "pd.DataFrame", waveforms: "WaveformStore", recipe: Recipe
) -> dict[str, LabelledEvents]:
    """Return the events with sound of each split."""
    return split_events(
        events,
        lambda part: SoundEvents(
            part,
            waveforms,
            heads=recipe.heads,
            clip_s=recipe.clip_s,
            n_frames=recipe.n_frames,
            specaug=recipe.specaug,
            truncates_samples=recipe.truncates_samples,
        ),
        needed="sound",
    )


def _build_model(
    recipe: Recipe,
    classes: Mapping[str, Sequence[str]],
    seed: int,
    initial_weights: Path | None,
) -> AuditorySlowFast:
    """Return the network with its first weights, frozen where the recipe says so."""
    num_classes = [len(classes[head]) for head in recipe.heads]
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
