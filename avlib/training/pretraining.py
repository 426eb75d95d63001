"""Training of Auditory SlowFast on labelled sound, after one of the recipes."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from avlib.errors import ConfigError, DataError
from avlib.features.log_mel import frame_samples
from avlib.io.atomic import write_json
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.io.provenance import code_fingerprint
from avlib.io.weights import save_weights
from avlib.models.auditory_slowfast import AuditorySlowFast
from avlib.training.auditory_slowfast import initialise
from avlib.training.batch_norm import freeze_batch_norm
from avlib.training.loop import fit
from avlib.training.recipes import Recipe
from avlib.training.sound_events import SoundEvents
from avlib.training.sound_recognition import Metrics, SoundRecognition
from avlib.training.state import Progress, remove_states, state_key

if TYPE_CHECKING:
    import pandas as pd

    from avlib.io.packs import WaveformStore

logger = logging.getLogger(__name__)


def train(
    events: "pd.DataFrame",
    waveforms: "WaveformStore",
    *,
    recipe: Recipe,
    classes: Mapping[str, Sequence[str]],
    width: int,
    seed: int,
    metrics: Metrics,
    initial_weights: Path | None,
    device: torch.device,
    state_directory: Path,
    model_path: Path,
    log_path: Path,
    metrics_path: Path,
) -> None:
    """Train the network on the events of split `train` and write its best weights.

    The best weights are those with the highest top-1 accuracy on split `val` (the earlier ones of
    equals), or on `train` itself where no event of `val` has sound. The result is the same bytes
    after any interruption, and for the same number of torch threads on the same machine.

    Args:
        events: table of events; the class numbers are in the columns `recipe.heads`.
        waveforms: sound of the videos; an event without is left out and counted.
        recipe: how to train.
        classes: names of the classes of each head, by column; position = class number.
        width: channels of the slow stem, a multiple of 8; 64 in the published models.
        seed: of initial weights, orders, crops, augmentations and dropout.
        metrics: computes metrics from probabilities (N, K) and labels (N,).
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
    held_out = "val" if len(splits["val"]) else "train"
    model = _build_model(recipe, classes, width, seed, initial_weights).to(device)
    task = SoundRecognition(
        model,
        recipe,
        training=splits["train"],
        validation=splits[held_out],
        seed=seed,
        metrics=metrics,
    )
    key = _state_key(recipe, seed, model, splits)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        progress = fit(task, seed=seed, directory=state_directory, key=key, log=log_path)
        model.load_state_dict(progress.best_model)
        scored = {split: splits[split] for split in (held_out, "test") if len(splits[split])}
        results = {split: task.evaluate(part, lambda: None) for split, part in scored.items()}
    description = {"width": width, "sample_rate": waveforms.sample_rate, "recipe": recipe.name}
    save_weights(
        model_path,
        progress.best_model,
        {"classes": json.dumps(classes, ensure_ascii=False)}
        | {name: str(value) for name, value in description.items()},
    )
    counts = {
        "events": {split: len(part) for split, part in splits.items()},
        "events_without_sound": {s: part.n_without_sound for s, part in splits.items()},
    }
    outcome = {"best_epoch": _best_epoch(progress), "validated_on": held_out, "metrics": results}
    write_json(metrics_path, {**description, "seed": seed, **outcome, "counts": counts})
    remove_states(state_directory)


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
    if set(classes) != set(recipe.heads):
        raise ConfigError(
            f"recipe {recipe.name} needs the classes of {list(recipe.heads)}, got {list(classes)}"
        )
    for head in recipe.heads:
        wrong = events[~events[head].between(0, len(classes[head]) - 1)]
        if len(wrong):
            row = wrong.iloc[0]
            raise DataError(
                f"event {row.event_id}: {head} is {row[head]}, expected 0 to "
                f"{len(classes[head]) - 1}"
            )


def _splits(
    events: "pd.DataFrame", waveforms: "WaveformStore", recipe: Recipe
) -> dict[str, SoundEvents]:
    """Return the events with sound of each split."""
    splits = {
        split: SoundEvents(
            events[events.split == split],
            waveforms,
            heads=recipe.heads,
            clip_s=recipe.clip_s,
            n_frames=recipe.n_frames,
            specaug=recipe.specaug,
            truncates_samples=recipe.truncates_samples,
        )
        for split in ("train", "val", "test")
    }
    for split, part in splits.items():
        logger.info(
            "%s: %d events, %d left out without sound", split, len(part), part.n_without_sound
        )
    if not len(splits["train"]):
        raise DataError(
            f"no event of split train has sound ({splits['train'].n_without_sound} are without); "
            "check the splits of the events and the sound packs"
        )
    if not len(splits["val"]):
        logger.warning("no event of split val has sound: the best epoch is chosen on train")
    return splits


def _build_model(
    recipe: Recipe,
    classes: Mapping[str, Sequence[str]],
    width: int,
    seed: int,
    initial_weights: Path | None,
) -> AuditorySlowFast:
    """Return the network with its first weights, frozen where the recipe says so."""
    num_classes = [len(classes[head]) for head in recipe.heads]
    model = AuditorySlowFast(num_classes=num_classes, width=width, dropout=recipe.dropout)
    initialise(model, seed)
    if recipe.fine_tunes:
        freeze_batch_norm(model)
        if initial_weights is None:
            raise ConfigError(f"recipe {recipe.name} fine-tunes: name the initial weights")
    if initial_weights is not None:
        weights = load_state_dict(initial_weights)
        fit_state_dict(model, weights, initial_weights, skip="head.")
    return model


def _state_key(
    recipe: Recipe, seed: int, model: nn.Module, splits: Mapping[str, SoundEvents]
) -> str:
    """Return the key of everything that decides the result."""
    weights = model.state_dict()
    device = next(model.parameters()).device
    return state_key(
        [
            repr((recipe, seed, *weights)).encode(),
            repr((code_fingerprint("avlib.training.pretraining"), device)).encode(),
            *(tensor.cpu().numpy().tobytes() for tensor in weights.values()),
            *(part for events in splits.values() for part in events.fingerprint()),
        ]
    )


def _best_epoch(progress: Progress) -> int:
    """Return the number of the epoch whose weights were kept."""
    scores = {e["epoch"]: e["val"]["top1"] for e in progress.log if "val" in e}
    return next(epoch for epoch, score in scores.items() if score == progress.best_score)
