"""Augmentations as the original extractors draw them from the generators of Python and numpy."""

import random
import re
from typing import Any

import numpy as np

LARGEST_CLIP_SEED = 100_000_000
OPERATIONS = (
    *("AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd"),
    *("Color", "Contrast", "Brightness", "Sharpness"),
    *("ShearX", "ShearY", "TranslateX", "TranslateY"),
)
ENHANCERS = set(OPERATIONS[7:11])
GEOMETRIC = {"Rotate", *OPERATIONS[11:]}
WITH_SIGN = ENHANCERS | GEOMETRIC
MAX_LEVEL, DEVIATION = 10.0, 0.5


def generators(seeding: str) -> tuple[random.Random, np.random.RandomState] | None:
    """Return the generators of `random.seed(5); numpy.random.seed(5) before ...`, if it is that."""
    found = re.match(r"random\.seed\((\d+)\); numpy\.random\.seed\((\d+)\)", seeding)
    return found and (random.Random(int(found[1])), np.random.RandomState(int(found[2])))


def omnivore_draws(
    python: random.Random, numpy: np.random.RandomState, clips_before: int, num_frames: int
) -> list[list[dict[str, Any]]]:
    """Return the augmentation of each frame of a clip of Omnivore's.

    A clip has a seed, with which both generators begin anew before every operation. The pair of
    operations of a frame is drawn before that, so the first frame's pair is that of the clip
    before.
    """
    drawn: list[list[dict[str, Any]]] = []
    for _ in range(clips_before + 1):
        seed, drawn = python.randint(0, LARGEST_CLIP_SEED), []
        for _ in range(num_frames):
            pair = [str(name) for name in numpy.choice(OPERATIONS, 2)]
            of_frame = []
            for name in pair:
                python.seed(seed)
                numpy.seed(seed)
                of_frame.append(_omnivore_operation(name, python))
            drawn.append(of_frame)
    return drawn


def _omnivore_operation(name: str, python: random.Random) -> dict[str, Any]:
    level = _level(python, 15.0)
    is_negative = name in WITH_SIGN and python.random() > 0.5
    resampling = python.choice(("BILINEAR", "BICUBIC")) if name in GEOMETRIC else "BILINEAR"
    return _operation(name, level, is_negative, resampling)


def videomae_draws(
    python: random.Random, numpy: np.random.RandomState, clips_before: int
) -> list[dict[str, Any]]:
    """Return the augmentation of all frames of a clip of VideoMAE's."""
    drawn: list[dict[str, Any]] = []
    for _ in range(clips_before + 1):
        drawn = []
        for name in map(str, numpy.choice(OPERATIONS, 4)):
            if python.random() > 0.5:
                continue
            level = _level(python, 7.0)
            is_negative = name in WITH_SIGN and python.random() > 0.5
            drawn.append(_operation(name, level, is_negative, "BICUBIC"))
    return drawn


def _level(python: random.Random, magnitude: float) -> float:
    return min(max(python.gauss(magnitude, DEVIATION), 0.0), MAX_LEVEL)


def _operation(name: str, level: float, is_negative: bool, resampling: str) -> dict[str, Any]:
    signed = {"is_negative": is_negative} if name in WITH_SIGN else {}
    return {"name": name, "level": level, **signed, "resampling": resampling}
