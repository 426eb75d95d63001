"""Rendered pictures of the miniatures: a coloured shape that moves over a noisy background."""

import colorsys
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


def draw_frames(
    look: Look, is_visible: NDArray[np.bool_], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the frames (T, height, width, 3) of one video.

    Colour, size, path and turning of the shape, and the background, are drawn from `rng`.

    Args:
        look: what the shape looks like.
        is_visible: (T,) whether the shape is in each frame.
        size: width and height in pixels.
        rng: generator of this video.
    """
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = height * rng.uniform(0.24, 0.36)
    colour = _colour(look.hue + rng.uniform(-0.02, 0.02), rng.uniform(0.75, 1), rng.uniform(0.8, 1))
    pace, phase = rng.uniform(0.1, 0.3, 3), rng.uniform(0, 2 * np.pi, 3)  # radians a frame
    background = _background(x / width, y / height, rng)
    frames = np.empty((len(is_visible), height, width, 3), dtype=np.uint8)
    for t, shows_shape in enumerate(is_visible):
        frame = background + rng.normal(0, 3, (height, width, 1)).astype(np.float32)
        if shows_shape:
            swing = np.sin(pace * t + phase)
            from_left = (x - width * (0.5 + 0.25 * swing[0])) / radius
            from_top = (y - height * (0.5 + 0.18 * swing[1])) / radius
            cover, shade = _shape(look, from_left, from_top, 2 * swing[2])
            frame += cover[..., None] * (shade[..., None] * colour - frame)
        frames[t] = np.clip(frame, 0, 255)
    return frames


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
    """Return a pale, slowly varying picture (height, width, 3)."""
    one = _colour(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.8))
    other = _colour(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.8))
    waves, phase = rng.uniform(-6, 6, 2), rng.uniform(0, 2 * np.pi)
    mix = 0.5 + 0.5 * np.sin(waves[0] * x + waves[1] * y + phase)
    return (one + mix[..., None] * (other - one)).astype(np.float32)


def _colour(hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), dtype=np.float32) * 255
