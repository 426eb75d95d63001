"""How classes look in timelines: a colour and a letter each; wrong predictions are hatched."""

from collections.abc import Sequence
from colorsys import hls_to_rgb
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase

import numpy as np
from matplotlib.axes import Axes

from avlib.datasets.ave import BACKGROUND
from avlib.report.svg import SMALLEST_TYPE

LETTERS = ascii_uppercase + ascii_lowercase
LIGHTNESSES = (0.40, 0.62, 0.78)  # of successive classes
GREY = (0.9, 0.9, 0.9)
HATCH = "//////"


@dataclass(frozen=True)
class ClassLook:
    """How a class is drawn.

    Attributes:
        letter: written into its spans.
        color: of its spans, red, green and blue in [0, 1].
        ink: colour of the letter.
    """

    letter: str
    color: tuple[float, float, float]
    ink: str


def class_looks(labels: Sequence[str], letters: Sequence[str] = LETTERS) -> dict[str, ClassLook]:
    """Return how classes are drawn, each with a letter and a hue of its own; background is grey."""
    things = [label for label in labels if label != BACKGROUND]
    looks = {}
    for number, label in enumerate(things):
        hue = number / len(things)
        lightness = LIGHTNESSES[number % len(LIGHTNESSES)]
        color = hls_to_rgb(hue, lightness, 0.65)
        luminance = float(np.dot(color, (0.299, 0.587, 0.114)))
        ink = "white" if luminance < 0.5 else "black"
        looks[label] = ClassLook(letters[number % len(letters)], color, ink)
    return looks | {BACKGROUND: ClassLook("", GREY, "black")}


def draw_span(
    axes: Axes, row: float, span: tuple[float, float], look: ClassLook, *, is_wrong: bool
) -> None:
    """Draw a span of time with the letter of its class; a wrong one is hatched."""
    start_s, stop_s = span
    axes.barh(
        row,
        stop_s - start_s,
        left=start_s,
        height=0.86,
        color=look.color,
        edgecolor=look.ink if is_wrong else "white",
        hatch=HATCH if is_wrong else None,
        linewidth=0.6,
    )
    if look.letter:
        text = axes.text((start_s + stop_s) / 2, row, look.letter, ha="center", va="center")
        text.set(color=look.ink, fontsize=SMALLEST_TYPE)
        if is_wrong:
            text.set_bbox({"facecolor": look.color, "edgecolor": "none", "pad": 0.6})
