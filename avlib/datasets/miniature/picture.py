"""Rendered frames of the miniatures: coloured shapes that move over a noisy background."""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Look:
    """How a thing looks.

    Attributes:
        hue: colour on the wheel, 0 to 1.
        lobes: number of bulges around the shape.
        bulge: their height as a share of the radius; 0 is a disc.
        hole: radius of the hole as a share of the radius.
        stripes: dark stripes across the shape.
    """

    hue: float
    lobes: int = 0
    bulge: float = 0.0
    hole: float = 0.0
    stripes: int = 0


@dataclass(frozen=True)
class _Path:
    """Size, colour and movement of one shape.

    Attributes:
        radius: in pixels.
        colour: (3,) RGB, 0 to 255.
        centre_x: middle of its way, as a share of the width.
        reach_x: how far it swings from there, as a share of the width.
        pace: (3,) radians a frame of the swing to the side, the swing in height and the turning.
        phase: (3,) radians of these at the first frame.
    """

    radius: float
    colour: NDArray[np.float32]
    centre_x: float
    reach_x: float
    pace: NDArray[np.float64]
    phase: NDArray[np.float64]


def draw_scene(
    looks: Sequence[Look],
    is_visible: NDArray[np.bool_],
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    lanes: int | None = None,
) -> NDArray[np.uint8]:
    """Return the frames (T, height, width, 3) of one video, with any number of shapes.

    Colours, sizes, paths and turning of the shapes, and the background, are drawn from `rng`. Each
    of n shapes swings around the middle of its own n-th of the width, drawn as well, and is the
    smaller the more there are. A later one may cover the rim of an earlier one.

    Args:
        looks: n, what each shape looks like.
        is_visible: (n, T) whether it is in each frame.
        size: width and height in pixels.
        rng: generator of this video.
        lanes: parts of the width that the shapes take in turn; None: each has one.
    """
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    slots = np.arange(len(looks)) % lanes if lanes else rng.permutation(len(looks))
    paths = [
        _path(look, slot, lanes or len(looks), height, rng)
        for look, slot in zip(looks, slots, strict=True)
    ]
    background = _background(x / width, y / height, rng)
    frames = np.empty((is_visible.shape[1], height, width, 3), dtype=np.uint8)
    for t, shows_shape in enumerate(is_visible.T):
        frame = background + rng.normal(0, 3, (height, width, 1)).astype(np.float32)
        for look, path, is_shown in zip(looks, paths, shows_shape, strict=True):
            if is_shown:
                _draw_shape(frame, look, path, t)
        frames[t] = np.clip(frame, 0, 255)
    return frames


def _draw_shape(frame: NDArray[np.float32], look: Look, path: _Path, t: int) -> None:
    """Draw a shape as it is at frame `t` into (height, width, 3)."""
    height, width = frame.shape[:2]
    swing = np.sin(path.pace * t + path.phase)
    left, top = width * (path.centre_x + path.reach_x * swing[0]), height * (0.5 + 0.18 * swing[1])
    span = path.radius * (1 + look.bulge)  # the shape covers nothing beyond it
    rows = slice(max(0, int(top - span)), min(height, int(top + span) + 1))
    columns = slice(max(0, int(left - span)), min(width, int(left + span) + 1))
    y, x = np.mgrid[rows, columns].astype(np.float32)
    cover, shade = _shape(look, (x - left) / path.radius, (y - top) / path.radius, 2 * swing[2])
    part = frame[rows, columns]
    part += cover[..., None] * (shade[..., None] * path.colour - part)


def _path(look: Look, slot: int, shapes: int, height: int, rng: np.random.Generator) -> _Path:
    """Draw the path of a shape that keeps to one of as many parts of the width as there are."""
    return _Path(
        radius=height * rng.uniform(0.24, 0.36) / math.sqrt(shapes),
        colour=_colour(
            look.hue + rng.uniform(-0.02, 0.02), rng.uniform(0.75, 1), rng.uniform(0.8, 1)
        ),
        centre_x=(slot + 0.5) / shapes,
        reach_x=0.25 / shapes,
        pace=rng.uniform(0.1, 0.3, 3),
        phase=rng.uniform(0, 2 * np.pi, 3),
    )


def _shape(
    look: Look, x: NDArray[np.float32], y: NDArray[np.float32], turn: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how much of each pixel the shape covers, and its shading, both (height, width)."""
    angle, distance = np.arctan2(y, x) + turn, np.hypot(x, y)
    edge = 1 + look.bulge * np.cos(look.lobes * angle)
    cover = np.clip(12 * (edge - distance), 0, 1) * np.clip(12 * (distance - look.hole) + 1, 0, 1)
    shade = 0.7 + 0.3 * np.cos(np.pi * look.stripes * distance * np.cos(angle))
    return cover.astype(np.float32), shade.astype(np.float32)


def _background(
    x: NDArray[np.float32], y: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a pale, slowly varying image (height, width, 3)."""
    one = _colour(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.8))
    other = _colour(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.8))
    waves, phase = rng.uniform(-6, 6, 2), rng.uniform(0, 2 * np.pi)
    mix = 0.5 + 0.5 * np.sin(waves[0] * x + waves[1] * y + phase)
    return (one + mix[..., None] * (other - one)).astype(np.float32)


def _colour(hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), dtype=np.float32) * 255
