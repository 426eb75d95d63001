"""Inputs of golden cases that are made by rule: arrays, sounds and pictures from a few numbers.

The rules are part of format 1 of golden cases: whoever follows them gets the same inputs, so that
they need not be shipped.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rule_array(
    name: str,
    shape: Sequence[int],
    seed: int,
    scale: float = 1.0,
    offset: float = 0.0,
    dtype: str = "float32",
    **changes: Any,
) -> NDArray[Any]:
    """Return normal draws, keyed by `name` and `seed`, times `scale` plus `offset`.

    Args:
        name: key of the generator.
        shape: of the draws.
        seed: key of the generator.
        scale: factor, before the rounding to float32.
        offset: added in float32.
        dtype: of the result.
        changes: in this order `clip` [low, high], `above`: whether values are above that,
            `pad_to`: length of the last axis with zeros at its end.

    Raises:
        TypeError: if there are other changes.
    """
    if unknown := changes.keys() - {"clip", "above", "pad_to"}:
        raise TypeError(f"unknown keys of a rule: {sorted(unknown)}")
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    values: NDArray[Any] = (scale * rng.standard_normal(shape)).astype(np.float32)
    values = values + np.float32(offset)
    if changes.get("clip") is not None:
        low, high = changes["clip"]
        values = np.clip(values, np.float32(low), np.float32(high))
    if changes.get("above") is not None:
        values = values > np.float32(changes["above"])
    if changes.get("pad_to") is not None:
        added = changes["pad_to"] - values.shape[-1]
        values = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, added)])
    return values.astype(dtype)


def sound(
    samples: int,
    rate: int,
    channels: Sequence[Sequence[Mapping[str, Any]]],
    int16: Mapping[str, Any] | None = None,
    dtype: str = "float32",
) -> NDArray[Any]:
    """Return a signal that is the sum of parts: (samples,), or (channels, samples) of several.

    Args:
        samples: length of the signal.
        rate: samples per second.
        channels: parts of each channel, see `_part`.
        int16: rounds as 16-bit files do: `times` 32768 or 32767, `rounding` nearest or truncate.
        dtype: of the result.
    """
    t = np.arange(samples, dtype=np.float64) / rate
    mixed = np.stack([sum((_part(t, **p) for p in parts), np.zeros(samples)) for parts in channels])
    if int16 is not None:
        scaled = mixed * int16["times"]
        scaled = np.trunc(scaled) if int16["rounding"] == "truncate" else np.rint(scaled)
        mixed = np.clip(scaled, -32768, 32767) / 32768
    return (mixed[0] if len(channels) == 1 else mixed).astype(dtype)


def _part(
    t: NDArray[np.float64],
    amplitude: float,
    decay: float = 0.0,
    period: float | None = None,
    **shape: Any,
) -> NDArray[np.float64]:
    """Return one part of a sound.

    Args:
        t: seconds of the samples.
        amplitude: factor.
        decay: of the envelope, in 1/s.
        period: seconds after which the envelope begins anew.
        shape: one of `sine` f, `sweep` [f, slope], `noise` {name, seed}, `impulses` [samples].
    """
    ((kind, given),) = shape.items()
    if kind == "sine":
        x = np.sin(2 * np.pi * given * t)
    elif kind == "sweep":
        x = np.sin(2 * np.pi * (given[0] * t + 0.5 * given[1] * t * t))
    elif kind == "noise":
        x = rule_array(given["name"], [len(t)], given["seed"]).astype(np.float64)
    elif kind == "impulses":
        x = np.zeros(len(t))
        x[given] = 1.0
    else:
        raise ValueError(f"unknown part of a sound: {kind!r}")
    envelope: NDArray[np.float64] = np.exp(-decay * (np.mod(t, period) if period else t))
    return amplitude * x * envelope


def picture(
    kind: str, height: int, width: int, seed: int, count: int | None = None
) -> NDArray[np.uint8]:
    """Return uint8 pictures: `ramp` (count, height, width, 3), `waves` (height, width, 3) RGB."""
    if kind == "ramp":
        i, y, x, c = np.ogrid[:count, :height, :width, :3]
        pattern = 3 * x + 5 * y + 7 * i + 61 * c + (x * y) // 16 + 13 * seed
        return (pattern % 256).astype(np.uint8)
    if kind != "waves":
        raise ValueError(f"unknown kind of picture: {kind!r}")
    y, x = np.mgrid[:height, :width].astype(np.float64)
    red = 128 + 90 * np.sin(x / 7 + seed) * np.cos(y / 11)
    base = np.stack([red, 128 + 100 * np.sin((x + 2 * y) / 5), 255 * x / (width - 1)], axis=-1)
    noise = rule_array("picture", [height, width, 3], seed).astype(np.float64)
    return np.clip(np.rint(base + 12 * noise), 0, 255).astype(np.uint8)
