"""Golden cases of what the networks of LLP are shown of a picture."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from torch import Tensor

from avlib.extractors.clip.images import clip_input
from avlib.extractors.resnet.images import r2plus1d_input, res152_input
from avlib.media.frames import Frame
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import rule_input

# Name in a file of arrays; what makes it; distance of the rows and columns that are kept of it.
INPUTS: dict[str, tuple[Callable[[Sequence[Frame]], Tensor], int]] = {
    "clip_antialias_false": (partial(clip_input, antialias=False), 9),
    "clip_antialias_true": (partial(clip_input, antialias=True), 9),
    "res152": (res152_input, 9),
    "r2plus1d": (r2plus1d_input, 5),
}


def preprocessing(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare what every network is shown of the picture of a case."""
    c = case.content
    picture = _picture(c["height"], c["width"], c["seed"])
    yield compare_exactly("picture", int(picture.sum(dtype=np.int64)), c["picture_checksum_sum"])
    for name, (make, step) in INPUTS.items():
        array = f"{c['index']}_{name}"
        if array in case.arrays:
            kept = make([picture])[0, :, ::step, ::step]
            yield compare(array, kept, case.arrays[array], case.tolerance(array))


def _picture(height: int, width: int, seed: int) -> Frame:
    """Return waves and a slope, with noise: (height, width, 3)."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    red = 128 + 90 * np.sin(x / 7 + seed) * np.cos(y / 11)
    green = 128 + 100 * np.sin((x + 2 * y) / 5)
    blue = 255 * x / (width - 1)
    noise = 12 * rule_input("picture", (height, width, 3), seed).astype(np.float64)
    return np.round(np.stack([red, green, blue], axis=-1) + noise).clip(0, 255).astype(np.uint8)
