"""Synthesised sounds of the miniatures: one timbre for each class, in a few numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Timbre:
    """How a thing sounds.

    Attributes:
        pitch_hz: range from which the pitch of a video is drawn.
        partials: frequencies of the tones, as multiples of the pitch.
        sweep: how far the pitch swings (share of the pitch) and how often (Hz).
        noise: share of noise in the sound, 0 to 1.
        noise_hz: band of that noise.
        pulse_hz: strokes a second; 0 is a steady sound.
        decay_s: time in which a stroke falls to 1/e.
    """

    pitch_hz: tuple[float, float]
    partials: tuple[float, ...] = (1.0,)
    sweep: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.0
    noise_hz: tuple[float, float] = (100.0, 8000.0)
    pulse_hz: float = 0.0
    decay_s: float = 0.1


def synthesise(
    timbre: Timbre, n_samples: int, sample_rate: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return (n_samples,) of the sound with a peak of 1; pitch and phases are drawn from `rng`."""
    seconds = np.arange(n_samples) / sample_rate
    depth, rate_hz = timbre.sweep
    swing = 1 + depth * np.sin(2 * np.pi * (rate_hz * seconds + rng.random()))
    turns = np.cumsum(rng.uniform(*timbre.pitch_hz) * swing) / sample_rate
    tone = np.zeros(n_samples)
    for number, ratio in enumerate(timbre.partials, start=1):
        tone += np.sin(2 * np.pi * (ratio * turns + rng.random())) / number
    noise = band_noise(n_samples, sample_rate, timbre.noise_hz, rng)
    sound = (1 - timbre.noise) * tone / np.abs(tone).max() + timbre.noise * noise
    if timbre.pulse_hz:
        sound *= strokes(seconds, timbre.pulse_hz, timbre.decay_s, rng)
    return sound / np.abs(sound).max()


def strokes(
    seconds: NDArray[np.float64], pulse_hz: float, decay_s: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the gain of strokes at these times, whose rate and phase are drawn from `rng`."""
    period_s = 1 / (pulse_hz * rng.uniform(0.9, 1.1))
    return np.exp(-((seconds + rng.uniform(0, period_s)) % period_s) / decay_s)


def band_noise(
    n_samples: int, sample_rate: int, band_hz: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return (n_samples,) of noise whose frequencies lie in `band_hz`, with a peak of 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequencies = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    spectrum[(frequencies < band_hz[0]) | (frequencies > band_hz[1])] = 0
    noise = np.fft.irfft(spectrum, n_samples)
    return noise / np.abs(noise).max()


def gate(is_on: NDArray[np.bool_], sample_rate: int, ramp_s: float = 0.02) -> NDArray[np.float64]:
    """Return the gain (seconds * sample_rate,) that is 1 where `is_on` and 0 elsewhere.

    Args:
        is_on: (seconds,) whether it is audible in each second.
        sample_rate: samples per second.
        ramp_s: length of the linear fade at each change, which starts with the second.
    """
    return faded(np.repeat(is_on.astype(np.float64), sample_rate), round(ramp_s * sample_rate))


def faded(gain: NDArray[np.float64], n_ramp: int) -> NDArray[np.float64]:
    """Return a gain (n_samples,) of 0 and 1 with ramps of `n_ramp` samples after its changes."""
    before = np.concatenate([np.zeros(n_ramp), gain])
    total = np.cumsum(before)
    return (total[n_ramp:] - total[:-n_ramp]) / n_ramp
