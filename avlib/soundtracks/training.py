"""Stage train_soundtrack: a soundtrack network on labelled audio images, after a recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from avlib.device import resolve_device
from avlib.errors import ConfigError, DataError
from avlib.io.json_files import read_json
from avlib.io.packs import ImageStore
from avlib.io.provenance import code_fingerprint
from avlib.soundtracks.clips import AudioImages, SoundtrackEvents
from avlib.soundtracks.folds import Labels
from avlib.soundtracks.mel import N_FRAMES, N_MELS, SAMPLE_RATE
from avlib.soundtracks.network import (
    NETWORKS,
    BandScale,
    ResNet,
    SoundtrackNetwork,
    soundtrack_network,
)
from avlib.soundtracks.network_choice import Network, NetworkChoice
from avlib.soundtracks.recipes import SoundtrackRecipe
from avlib.soundtracks.steps import initialise
from avlib.soundtracks.task import SoundtrackRecognition
from avlib.training.event_recognition import Outputs, train_on_events
from avlib.training.events import events_of_heads, split_events

if TYPE_CHECKING:
    import pandas as pd

LEAST_CHANNELS = 8  # numbers of a vector of AVX2
LEAST_DEVIATION_DB = 10.0  # added to a band's, so that a silent band is not scaled up


def train_soundtrack(
    labels: Labels,
    packs: Sequence[Path],
    *,
    recipe: SoundtrackRecipe,
    network: Network,
    seed: int,
    device: str,
    outputs: Outputs,
) -> None:
    """Train on a study's labelled files and audio images.

    Args:
        labels: of the files, and the fold that is not trained on. With folds there is no split
            `val`, so that a recipe that keeps the best weights chooses them on `train`.
        packs: audio images of the files; one without a clip is left out and counted.
        recipe: how, from `training_recipe`.
        network: which network, where it is not the recipe's.
        seed: of all draws.
        device: cpu, cuda, or auto for cuda where there is one.
        outputs: files to write.

    Raises:
        ConfigError: as `train_network`.
        DataError: as `train_network`, or if the fold has no files.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    with ImageStore(packs, sample_rate=SAMPLE_RATE) as images:
        train_network(
            labels.read(),
            images,
            recipe=replace(recipe, choice=network.choice(recipe.choice)),
            classes=read_json(labels.classes),
            seed=seed,
            device=resolve_device(device),
            outputs=outputs,
        )


def train_network(
    soundtracks: "pd.DataFrame",
    images: AudioImages,
    *,
    recipe: SoundtrackRecipe,
    classes: Mapping[str, Sequence[str]],
    seed: int,
    device: torch.device,
    outputs: Outputs,
) -> None:
    """Train a network on the clips of split `train` and write the weights that are kept.

    The best ones have the highest top-1 accuracy of whole soundtracks on split `val` (of equals the
    more confident ones), or on `train` itself where no soundtrack of `val` has a clip.

    Args:
        soundtracks: columns video_id, split and class_id; those without a clip are left out.
        images: audio images of the videos.
        recipe: which network is trained, and how.
        classes: names of the classes, by column `class_id`; position = class number.
        seed: of first weights, orders, augmentations, mixing and dropout.
        device: torch device.
        outputs: files to write; the weights have the published names.

    Raises:
        ConfigError: if network, recipe and classes do not match, or the loss is no longer finite.
        DataError: as `events_of_heads` and `split_events`, or if a soundtrack is listed twice.
    """
    splits = _splits(soundtracks, images, recipe, classes)
    model = _build_model(recipe.choice, len(classes[recipe.heads[0]]), seed, splits["train"])
    trained = recipe
    if recipe.keeps == "last" and not len(splits["val"]):  # nothing is chosen
        trained = replace(recipe, validate_every=recipe.schedule.epochs)
    train_on_events(
        SoundtrackRecognition(_placed(model, device), trained, splits=splits, seed=seed),
        outputs,
        settings=(recipe, code_fingerprint("avlib.soundtracks.training")),
        classes=classes,
        description=_description(recipe),
    )


def _splits(
    soundtracks: "pd.DataFrame",
    images: AudioImages,
    recipe: SoundtrackRecipe,
    classes: Mapping[str, Sequence[str]],
) -> dict[str, SoundtrackEvents]:
    """Return the soundtracks of each split that have a clip."""
    twice = soundtracks["video_id"][soundtracks["video_id"].duplicated()]
    if len(twice):
        raise DataError(f"{twice.iloc[0]}: listed twice; a soundtrack has one class and one split")
    events = soundtracks.assign(event_id=soundtracks["video_id"])
    events = events_of_heads(events, recipe.heads, classes, recipe.name)
    choose = partial(
        SoundtrackEvents,
        images=images,
        heads=recipe.heads,
        augmentation=recipe.augmentation,
        drops_silence=recipe.drops_silence,
    )
    return split_events(events, choose, needed="clip of sound")


def _description(recipe: SoundtrackRecipe) -> dict[str, Any]:
    """Return the metadata of the weights, which scoring reads."""
    windows = {"drops_silence": recipe.drops_silence, "half_steps": recipe.half_steps}
    return asdict(recipe.choice) | windows | {"recipe": recipe.name}


def _build_model(
    choice: NetworkChoice, num_classes: int, seed: int, training: SoundtrackEvents
) -> SoundtrackNetwork:
    """Return the network with its first weights."""
    model = _build_network(choice, num_classes)
    initialise(model, seed)
    if isinstance(model, ResNet) and isinstance(model.bands, BandScale):
        mean, deviation = training.band_statistics()
        model.bands.set_statistics(mean, deviation + LEAST_DEVIATION_DB)
    return model


def _placed(model: SoundtrackNetwork, device: torch.device) -> SoundtrackNetwork:
    """Return the network on a device, in the memory format that is faster there."""
    is_narrow = any(_corrupts_memory(module) for module in model.modules())
    if device.type == "cpu" and not is_narrow:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.to(device)


def _corrupts_memory(module: nn.Module) -> bool:
    """Return whether the gradient of a layer's weights is written out of bounds with channels last.

    oneDNN's kernel for AVX2 does so in convolutions of 1 x 1 that skip places, of few channels;
    the process then ends with SIGABRT or SIGSEGV.
    """
    if not isinstance(module, nn.Conv2d):
        return False
    skips = module.kernel_size == (1, 1) and max(module.stride) > 1
    return skips and module.in_channels < LEAST_CHANNELS


def _build_network(choice: NetworkChoice, num_classes: int) -> SoundtrackNetwork:
    """Return the network with random weights; refuse an unknown name."""
    if choice.network not in NETWORKS:
        raise ConfigError(
            f"network.name: {choice.network!r} is unknown; use one of {', '.join(NETWORKS)}"
        )
    options: dict[str, Any] = {"num_classes": num_classes}
    if choice.network.startswith("resnet"):
        sizes = asdict(choice)
        options |= {name: value for name, value in sizes.items() if name != "network"}
    if choice.network == "logistic":
        options["in_features"] = N_MELS * N_FRAMES
    return soundtrack_network(choice.network, **options)
