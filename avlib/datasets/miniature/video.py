"""One rendered video of a miniature: things that are visible, audible or both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.miniature.mp4 import write_mp4
from avlib.datasets.miniature.picture import Look, draw_scene
from avlib.datasets.miniature.sound import Timbre, band_noise, gate, synthesise

FPS = 8
SIZE = (128, 96)  # width, height
SAMPLE_RATE = 22_050


def render_video(
    target: Path,
    things: Sequence[tuple[Timbre, Look]],
    *,
    is_seen: NDArray[np.bool_],
    is_heard: NDArray[np.bool_] | None,
    rng: np.random.Generator,
    aac_coder: Literal["twoloop", "fast"] = "twoloop",
) -> None:
    """Write a video of things over a background and quiet noise.

    Args:
        target: file to write.
        things: n, how each sounds and looks.
        is_seen: (n, T) whether it is visible in each frame.
        is_heard: (n, seconds) whether it is audible in each second; audio ends with the frames.
            None: the video has no audio stream.
        rng: generator of this video.
        aac_coder: as `write_mp4` takes it.
    """
    frames = draw_scene([look for _, look in things], is_seen, SIZE, rng)
    sound = None
    if is_heard is not None:
        sound = mix_sounds([timbre for timbre, _ in things], is_heard, rng)
        sound = sound[:, : len(frames) * SAMPLE_RATE // FPS]
    write_mp4(target, frames, FPS, sound, SAMPLE_RATE, aac_coder=aac_coder)


def mix_sounds(
    timbres: Sequence[Timbre], is_heard: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return (2, seconds * SAMPLE_RATE) in [-1, 1]: sounds over quiet noise that never stops.

    Their levels and their place between left and right are drawn from `rng`.

    Args:
        timbres: n, how each thing sounds.
        is_heard: (n, seconds) whether it is audible in each second.
        rng: generator of this video.
    """
    n_samples = is_heard.shape[1] * SAMPLE_RATE
    sounds = [
        synthesise(timbre, n_samples, SAMPLE_RATE, rng) * gate(is_on, SAMPLE_RATE)
        for timbre, is_on in zip(timbres, is_heard, strict=True)
    ]
    murmur = band_noise(n_samples, SAMPLE_RATE, (50, 6000), rng)
    mono = np.zeros(n_samples)
    for sound in sounds:
        mono += rng.uniform(0.2, 0.6) * sound
    mono += rng.uniform(0.002, 0.01) * murmur
    mono /= max(1.0, np.abs(mono).max())
    left = rng.uniform(0.4, 1.0)
    return np.stack([left * mono, (1.4 - left) * mono]).astype(np.float32)
