"""Rendered clips of actions as inputs of encoders, and texts about them.

No clip of the benchmarks is among them: every one is drawn anew, by the generators that the
recordings of the benchmarks are rendered with. Inputs are made by the functions for real videos.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from avlib.datasets.miniature.kitchen import ACTIONS, Action
from avlib.datasets.miniature.kitchen_texts import (
    class_description,
    description,
    narration,
    sentence,
)
from avlib.datasets.miniature.kitchen_videos import FPS, LEVELS, clip_sound
from avlib.datasets.miniature.picture import draw_scene
from avlib.datasets.miniature.video import SAMPLE_RATE, SIZE
from avlib.extractors.clap import log_mel as clap_mel
from avlib.extractors.egovlp.frames import seen
from avlib.extractors.wavcaps import log_mel as ase_mel
from avlib.media.resample import resample_mono
from avlib.progress import progress
from avlib.seeds import generator

Waveform = NDArray[np.float32]
LONG_SHARE = 0.1  # of the sounds, which are longer than an input
LENGTHS_S, LONG_LENGTHS_S = (1.0, 4.0), (10.5, 15.0)  # of sounds, from and to
SPECTRUM_FRAMES = 1024  # HTSAT resizes a log-mel to so many
IMAGE_SIZE = 112  # pixels of a frame on either side, half of the published
CLIP_FRAMES = 4
TEXT_DRAWS = 16  # of each kind for each action; nearly all that there are


class Clips(NamedTuple):
    """Inputs of a network, and the numbers of their actions in ACTIONS."""

    inputs: list[Tensor]
    actions: NDArray[np.int64]


class TextKind(NamedTuple):
    """A kind of texts about actions.

    Attributes:
        share: of the steps of a training.
        is_of_class: whether they are about the class of a sound, rather than about an action.
        draw: returns one.
    """

    share: float
    is_of_class: bool
    draw: Callable[[Action, np.random.Generator], str]


TEXT_KINDS = {
    "narration": TextKind(0.3, False, narration),
    "placed": TextKind(0.05, False, lambda a, rng: narration(a, rng, is_on_counter=True)),
    "sentence": TextKind(0.2, False, sentence),
    "description": TextKind(0.25, False, description),
    "class": TextKind(0.1, True, lambda action, _: action.sound_class[1]),
    "class description": TextKind(
        0.1, True, lambda action, rng: class_description(action.sound_class[0], rng)
    ),
}


def draw_texts(seed: int) -> dict[str, list[list[str]]]:
    """Return the different texts of each kind for each of ACTIONS."""
    drawn: dict[str, list[list[str]]] = {}
    for name, kind in TEXT_KINDS.items():
        rngs = [generator(seed, "texts of encoders", name, i) for i in range(len(ACTIONS))]
        drawn[name] = [
            list(dict.fromkeys(kind.draw(action, rng) for _ in range(TEXT_DRAWS)))
            for action, rng in zip(ACTIONS, rngs, strict=True)
        ]
    return drawn


def draw_clips(network: str, per_action: int, seed: int, purpose: str) -> Clips:
    """Return clips of all actions, with inputs in half precision to save memory.

    Args:
        network: clap, ase_audiocaps, ase_clotho or egovlp.
        per_action: number of clips of each action.
        seed: seed of all draws.
        purpose: what they are for, a part of the seed.
    """
    draw = _DRAWERS[network]
    count = per_action * len(ACTIONS)
    inputs = [
        draw(ACTIONS[i % len(ACTIONS)], generator(seed, "clips of encoders", purpose, network, i))
        for i in progress(range(count), f"rendering for {network}", "clips", total=count)
    ]
    return Clips([x.half() for x in inputs], np.arange(count) % len(ACTIONS))


def _waveform(action: Action, rng: np.random.Generator, rate: int) -> Waveform:
    """Return the sound of a clip."""
    seconds = rng.uniform(*(LONG_LENGTHS_S if rng.random() < LONG_SHARE else LENGTHS_S))
    level = str(rng.choice(list(LEVELS)))
    is_on = np.ones(round(seconds * FPS) * (SAMPLE_RATE // FPS), np.bool_)
    sound = clip_sound(action, level, is_on, rng).astype(np.float32)[:, None]
    return np.concatenate(list(resample_mono([sound], SAMPLE_RATE, rate)))


def _resized(log_mels: Tensor) -> Tensor:
    """Return log-mels (C, T, bands) as HTSAT resizes them, which then leaves them unchanged."""
    size = (SPECTRUM_FRAMES, log_mels.shape[-1])
    return functional.interpolate(log_mels[None], size, mode="bicubic", align_corners=True)[0]


def _clap_input(action: Action, rng: np.random.Generator) -> Tensor:
    """Return four log-mels, or one where they are equal: (4 or 1, T, bands)."""
    sound = _waveform(action, rng, clap_mel.SAMPLE_RATE)
    mels, is_longer = clap_mel.fused_mels(sound, lambda r: int(rng.choice(r)), antialias=False)
    return _resized(mels if is_longer else mels[:1])


def _ase_input(action: Action, rng: np.random.Generator) -> Tensor:
    """Return a log-mel, of a longer sound that of a random part: (1, T, bands)."""
    sound = _waveform(action, rng, ase_mel.SAMPLE_RATE)
    start = int(rng.integers(max(0, len(sound) - ase_mel.CLIP_SAMPLES) + 1))
    part = torch.from_numpy(sound[start : start + ase_mel.CLIP_SAMPLES])
    return _resized(ase_mel.sound_mel(part)[None])


def _frames(action: Action, rng: np.random.Generator) -> Tensor:
    """Return frames as the narrow network takes them: (T, 3, size, size)."""
    is_visible = np.ones((len(action.looks), CLIP_FRAMES), np.bool_)
    drawn = draw_scene(action.looks, is_visible, SIZE, rng)
    return torch.stack([seen(picture, IMAGE_SIZE) for picture in drawn])


_DRAWERS: dict[str, Callable[[Action, np.random.Generator], Tensor]] = {
    "clap": _clap_input,
    "ase_audiocaps": _ase_input,
    "ase_clotho": _ase_input,
    "egovlp": _frames,
}
