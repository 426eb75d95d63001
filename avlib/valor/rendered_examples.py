"""Rendered images, clips and audio of several things at once, as inputs of LLP's networks.

Inputs are made with the functions for real videos; before, images are compressed as JPEG and audio
is rounded to 16 bits.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from avlib.datasets.miniature.scenes import LLP_THINGS, draw_scene, mix_sounds
from avlib.datasets.miniature.video import SAMPLE_RATE, SIZE
from avlib.extractors.clap import log_mel as clap_mel
from avlib.extractors.clip.images import clip_input
from avlib.extractors.resnet.images import r2plus1d_input, res152_input
from avlib.extractors.segments import SECONDS
from avlib.extractors.vggish.segments import segment_patches
from avlib.io.packs import INT16_SCALE, as_float32
from avlib.media.frames import Frame
from avlib.media.resample import resample_mono

MOST_THINGS = 3  # in a scene
SHOWN_SHARE = 0.75  # probability of a thing of a scene in one of its seconds
FRAMES_PER_CLIP = 4  # half a second, at half the cost; the network averages over time
SCENE_SECONDS = 2  # of audio
JPEG_QUALITY = (30, 90)


class Examples(NamedTuple):
    """Inputs of a network and their labels."""

    inputs: Tensor  # (B, ...)
    is_there: Tensor  # (B, K) of 0 and 1, float32


def draw_examples(
    kind: str, classes: Sequence[str], count: int, rng: np.random.Generator
) -> Examples:
    """Return inputs of a network for seconds of rendered scenes; for CLAP, single log-mels.

    Args:
        kind: key of `avlib.valor.small_networks.SMALL_NETWORK_RECIPES`.
        classes: K keys of LLP_THINGS, of which a scene has 0 to MOST_THINGS.
        count: B; for audio a multiple of SECONDS.
        rng: generator of all draws.
    """
    return _DRAWERS[kind](classes, count, rng)


def _draw_images(
    classes: Sequence[str],
    count: int,
    rng: np.random.Generator,
    to_inputs: Callable[[Sequence[Frame]], Tensor],
    frames: int = 1,
) -> Examples:
    """Return inputs made of images, or, with several `frames` of each scene, of clips."""
    is_there = np.zeros((count, len(classes)), np.float32)
    images: list[Frame] = []
    for row in is_there:
        things = _things(classes, rng)
        is_shown = rng.random(len(things)) < SHOWN_SHARE
        row[things[is_shown]] = 1
        looks = [LLP_THINGS[classes[thing]][1] for thing in things]
        is_visible = np.repeat(is_shown[:, None], frames, axis=1)
        quality = int(rng.integers(*JPEG_QUALITY))
        images += [_compressed(p, quality) for p in draw_scene(looks, is_visible, SIZE, rng)]
    inputs = to_inputs(images)  # (B * frames, 3, H, W)
    if frames > 1:
        clips = inputs.reshape(count, frames, *inputs.shape[1:])
        inputs = clips.transpose(1, 2)  # (B, 3, frames, H, W)
    return Examples(inputs, torch.from_numpy(is_there))


def _compressed(image: Frame, quality: int) -> Frame:
    """Return an image after JPEG compression with subsampled colours."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _draw_audio(
    classes: Sequence[str],
    count: int,
    rng: np.random.Generator,
    to_inputs: Callable[[NDArray[np.int16]], Tensor],
) -> Examples:
    """Return inputs made of seconds of recordings, which are sequences of scenes."""
    parts = [_draw_recording(classes, rng) for _ in range(count // SECONDS)]
    inputs = torch.cat([to_inputs(samples) for samples, _ in parts])
    return Examples(inputs, torch.from_numpy(np.concatenate([is_there for _, is_there in parts])))


def _draw_recording(
    classes: Sequence[str], rng: np.random.Generator
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Return (n_samples, 2) of SECONDS at SAMPLE_RATE, and the labels of each second."""
    is_there = np.zeros((SECONDS, len(classes)), np.float32)
    sounds = []
    for first in range(0, SECONDS, SCENE_SECONDS):
        things = _things(classes, rng)
        is_heard = rng.random((len(things), SCENE_SECONDS)) < SHOWN_SHARE
        is_there[first : first + SCENE_SECONDS, things] = is_heard.T
        timbres = [LLP_THINGS[classes[thing]][0] for thing in things]
        sounds.append(mix_sounds(timbres, is_heard, rng))
    samples = np.concatenate(sounds, axis=1).T * (INT16_SCALE - 1)
    return samples.astype(np.int16), is_there


def _things(classes: Sequence[str], rng: np.random.Generator) -> NDArray[np.int64]:
    count = int(rng.integers(min(MOST_THINGS, len(classes)) + 1))
    return rng.choice(len(classes), count, replace=False)


def _patches(samples: NDArray[np.int16]) -> Tensor:
    return torch.from_numpy(segment_patches(samples, SAMPLE_RATE))  # (SECONDS, 96, 64)


def _log_mels(samples: NDArray[np.int16]) -> Tensor:
    blocks = resample_mono([as_float32(samples)], SAMPLE_RATE, clap_mel.SAMPLE_RATE)
    return clap_mel.segment_mels(np.concatenate(list(blocks)))  # (SECONDS, frames, bands)


Drawer = Callable[[Sequence[str], int, np.random.Generator], Examples]
_DRAWERS: dict[str, Drawer] = {
    "vggish": lambda classes, count, rng: _draw_audio(classes, count, rng, _patches),
    "res152": lambda classes, count, rng: _draw_images(classes, count, rng, res152_input),
    "r2plus1d_18": lambda classes, count, rng: _draw_images(
        classes, count, rng, r2plus1d_input, frames=FRAMES_PER_CLIP
    ),
    "clip": lambda classes, count, rng: _draw_images(classes, count, rng, clip_input),
    "clap": lambda classes, count, rng: _draw_audio(classes, count, rng, _log_mels),
}
