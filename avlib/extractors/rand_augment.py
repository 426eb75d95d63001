"""RandAugment of the images of a clip, as Omnivore's and VideoMAE's features were made with it.

Source: Cubuk et al., "RandAugment", CVPR Workshops 2020, in the variant whose strength increases
with the level for every operation. Pillow does the pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from PIL.Image import Resampling

MAX_LEVEL, DEVIATION = 10.0, 0.5
MAX_DEGREES, MAX_SHEAR, MAX_SHIFT = 30.0, 0.3, 0.45  # shift as a part of the width or height
MAX_ADDED, MAX_ENHANCED = 110, 0.9
BITS = 4  # that posterising keeps at level 0
MIDDLE_GREY = 128  # SolarizeAdd adds to what is darker

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Operation:
    """An operation with all that it draws.

    Attributes:
        name: one of `OPERATIONS`.
        argument: degrees, factor, part of the size, bits or grey levels; None where it has none.
        resampling: of the geometric operations.
    """

    name: str
    argument: float | None
    resampling: Resampling


@dataclass(frozen=True)
class RandAugment:
    """How operations are drawn.

    Attributes:
        magnitude: mean of the normal distribution that levels are drawn from; its deviation is
            DEVIATION, and levels are cut to 0..10.
        operations: how many a clip gets, drawn with replacement.
        probability: of each of them to be applied.
        resampling: drawn from these with equal chance.
        fill: RGB of what lies outside the image.
        shares_draws: whether the operations of a clip have level, sign and resampling in common.
    """

    magnitude: float
    operations: int
    probability: float
    resampling: tuple[Resampling, ...]
    fill: Colour
    shares_draws: bool

    def draw(self, names: np.random.Generator, levels: np.random.Generator) -> list[Operation]:
        """Return the operations of a clip.

        Args:
            names: draws which operations these are and whether they are applied.
            levels: draws their levels, signs and resampling.
        """
        chosen = names.choice(OPERATIONS, self.operations)
        applied = names.random(self.operations) < self.probability
        count = 1 if self.shares_draws else self.operations
        level = np.clip(levels.normal(self.magnitude, DEVIATION, count), 0.0, MAX_LEVEL)
        negative = levels.random(count) > 0.5
        kind = levels.integers(len(self.resampling), size=count)
        return [
            operation(
                str(chosen[i]),
                float(level[i % count]),
                is_negative=bool(negative[i % count]),
                resampling=self.resampling[kind[i % count]],
            )
            for i in np.flatnonzero(applied)
        ]


# rand-m15-mstd0.5-inc1: the level is always 10, at which posterising leaves a black image.
OMNIVORE = RandAugment(
    magnitude=15.0,
    operations=2,
    probability=1.0,
    resampling=(Resampling.BILINEAR, Resampling.BICUBIC),
    fill=(124, 116, 104),
    shares_draws=True,
)
# rand-m7-n4-mstd0.5-inc1
VIDEOMAE = RandAugment(
    magnitude=7.0,
    operations=4,
    probability=0.5,
    resampling=(Resampling.BICUBIC,),
    fill=(128, 128, 128),
    shares_draws=False,
)


def operation(name: str, level: float, *, is_negative: bool, resampling: Resampling) -> Operation:
    """Return an operation at a level in 0..10; a sign matters to those that have two directions.

    Raises:
        ValueError: if there is no operation of that name.
    """
    part = level / MAX_LEVEL
    sign = -1.0 if is_negative else 1.0
    if name in {"AutoContrast", "Equalize", "Invert"}:
        argument = None
    elif name == "Rotate":
        argument = sign * MAX_DEGREES * part
    elif name == "Posterize":
        argument = float(BITS - int(BITS * part))
    elif name == "Solarize":
        argument = float(256 - int(256 * part))
    elif name == "SolarizeAdd":
        argument = float(int(MAX_ADDED * part))
    elif name in ENHANCERS:
        argument = 1.0 + sign * MAX_ENHANCED * part
    elif name in {"ShearX", "ShearY"}:
        argument = sign * MAX_SHEAR * part
    elif name in {"TranslateX", "TranslateY"}:
        argument = sign * MAX_SHIFT * part
    else:
        raise ValueError(f"no operation {name!r}; there are {', '.join(OPERATIONS)}")
    return Operation(name, argument, resampling)


def augment(image: Image.Image, operations: Sequence[Operation], fill: Colour) -> Image.Image:
    """Return an RGB image after some operations, one after the other."""
    for op in operations:
        image = _apply(image, op, fill)
    return image


def _apply(image: Image.Image, op: Operation, fill: Colour) -> Image.Image:
    value = 0.0 if op.argument is None else op.argument
    if op.name in PLAIN:
        return PLAIN[op.name](image)
    if op.name in ENHANCERS:
        return ENHANCERS[op.name](image).enhance(value)
    if op.name == "Posterize":
        # No bits left means black; newer releases of Pillow refuse it.
        return ImageOps.posterize(image, int(value)) if value else Image.new("RGB", image.size)
    if op.name == "Solarize":
        return ImageOps.solarize(image, int(value))
    if op.name == "SolarizeAdd":
        added = [min(255, v + int(value)) if v < MIDDLE_GREY else v for v in range(256)]
        return image.point(added * 3)
    if op.name == "Rotate":
        return image.rotate(value, resample=op.resampling, fillcolor=fill)
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        _inverse_affine(op.name, value, image.size),
        resample=op.resampling,
        fillcolor=fill,
    )


def _inverse_affine(name: str, value: float, size: tuple[int, int]) -> tuple[float, ...]:
    """Return what takes a place of the result to one of the image: (a, b, c, d, e, f)."""
    matrices = {
        "ShearX": (1.0, value, 0.0, 0.0, 1.0, 0.0),
        "ShearY": (1.0, 0.0, 0.0, value, 1.0, 0.0),
        "TranslateX": (1.0, 0.0, value * size[0], 0.0, 1.0, 0.0),
        "TranslateY": (1.0, 0.0, 0.0, 0.0, 1.0, value * size[1]),
    }
    return matrices[name]


PLAIN: dict[str, Callable[[Image.Image], Image.Image]] = {
    "AutoContrast": ImageOps.autocontrast,
    "Equalize": ImageOps.equalize,
    "Invert": ImageOps.invert,
}
ENHANCERS = {
    "Color": ImageEnhance.Color,
    "Contrast": ImageEnhance.Contrast,
    "Brightness": ImageEnhance.Brightness,
    "Sharpness": ImageEnhance.Sharpness,
}
# In the order of the published table, which its draws count in.
OPERATIONS = (
    "AutoContrast",
    "Equalize",
    "Invert",
    "Rotate",
    "Posterize",
    "Solarize",
    "SolarizeAdd",
    "Color",
    "Contrast",
    "Brightness",
    "Sharpness",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
)
