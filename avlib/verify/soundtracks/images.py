"""Golden cases of audio images: made by rule, of several channels, and of a real recording."""

import logging
import re
from collections.abc import Iterator

import numpy as np
import soundfile
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.packs import Waveform
from avlib.soundtracks.images import (
    CLIP_S,
    N_FRAMES,
    N_MELS,
    ClipMel,
    ImageSettings,
    Variant,
    audio_images,
    clip_borders,
    decibels,
    frame_samples,
    mono,
)
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly, data_folder
from avlib.verify.rule import rule_input, rule_wave

logger = logging.getLogger(__name__)

VARIANTS: tuple[Variant, ...] = ("librosa_0_8", "librosa_0_9")
CHANNEL = re.compile(r"round\((\d+)\*rule_input\('([^']*)', ?\((\d+),?\), ?(\d+)\)")
RATE = re.compile(r"([\d.]+) kHz")
RECORDING = re.compile(r"shared/data/(\S+\.wav)")
REFUSED = "__refused/"


def made_by_rule(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the images of a recording by rule, in each variant that the case has."""
    wave = case.content["wave"]
    name = wave.get("name", case.id)
    sound = rule_wave(wave["kind"], wave["n"], wave["sr"], name, wave["seed"])
    yield from _geometry(case, wave["sr"])
    if case.content.get("refused"):
        yield from _refused(case, sound, wave["sr"])
    else:
        yield from _images(case, sound, wave["sr"])


def channels(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the images of int16 samples that a sentence describes channel by channel."""
    c = case.content
    drawn = [
        np.round(np.float32(factor) * rule_input(name, (int(n),), int(seed)))
        for factor, name, n, seed in CHANNEL.findall(c["channels"])
    ]
    sound = np.stack(drawn, axis=1).clip(-32768, 32767).astype(np.int16)
    yield compare_exactly("samples", len(sound), c["samples"])
    yield from _images(case, sound, c["sample_rate"])


def recording(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare images of the wav file that the sidecar speaks of.

    It is not part of this repository; without it only the frames at its rate are compared.
    """
    what = case.content["what"]
    named, rate = RECORDING.search(what), RATE.search(what)
    if named is None or rate is None:
        raise DataError(f"{case.path}: names no recording shared/data/<file>.wav and its rate")
    yield from _geometry(case, round(1000 * float(rate[1])))
    path = data_folder(case.path) / named[1]
    if not path.is_file():
        logger.warning("%s: not compared with the recording, there is no %s", case.id, path)
        return
    sound, sample_rate = soundfile.read(path, dtype="int16", always_2d=True)
    n_images = len(clip_borders(len(sound), sample_rate)) - 1
    yield compare_exactly("n_images", n_images, case.content["n_images"])
    for array, golden in case.arrays.items():
        what, variant = array.split("_", 1)
        made = _made(sound, sample_rate, next(v for v in VARIANTS if v == variant))
        parts = {"first": made[0], "last": made[-1], "mean": made.mean(axis=(1, 2))}
        yield compare(array, parts[what], golden, case.tolerance(array))


def _geometry(case: Case, sample_rate: int) -> Iterator[Comparison]:
    for name, value in zip(("n_fft", "hop_length"), frame_samples(sample_rate), strict=True):
        yield compare_exactly(name, value, case.content[name])


def _images(case: Case, sound: Waveform, sample_rate: int) -> Iterator[Comparison]:
    golden = case.own_arrays()
    for variant in VARIANTS:
        made = _made(sound, sample_rate, variant)
        yield compare_exactly(f"{variant} images", len(made), case.content["n_images"])
        if variant in golden:
            yield compare(variant, made, golden[variant], case.tolerance(variant))


def _made(sound: Waveform, sample_rate: int, variant: Variant) -> NDArray[np.float32]:
    parts = audio_images(sound, sample_rate=sample_rate, settings=ImageSettings(variant))
    return np.concatenate([np.empty((0, N_MELS, N_FRAMES), np.float32), *parts])


def _refused(case: Case, sound: NDArray[np.float32], sample_rate: int) -> Iterator[Comparison]:
    """Compare that a rate is refused, and the image that is not written for it."""
    try:
        clip_borders(len(sound), sample_rate)
    except DataError:
        yield Comparison("refused", True)
    else:
        yield Comparison("refused", False, message=f"{sample_rate} Hz is not refused")
    prefix = f"{case.id}{REFUSED}"
    for array, golden in case.arrays.items():
        if array.startswith(prefix):
            variant = next(v for v in VARIANTS if v == array.removeprefix(prefix))
            mel = ClipMel(sample_rate, variant, golden.shape[-1])
            clip = mono(sound[: int(sample_rate * CLIP_S)])
            yield compare(array, decibels(mel(clip)[None])[0], golden, case.tolerance(variant))
