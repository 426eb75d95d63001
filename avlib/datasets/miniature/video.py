"""One rendered video of a miniature: a thing that is seen, heard or both."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.miniature.mp4 import write_mp4
from avlib.datasets.miniature.picture import draw_frames
from avlib.datasets.miniature.sound import Timbre, band_noise, gate, synthesise
from avlib.datasets.miniature.things import THINGS

FPS = 8
SIZE = (128, 96)  # width, height
SAMPLE_RATE = 22_050


def render_video(
    target: Path,
    thing: str,
    *,
    is_seen: NDArray[np.bool_],
    is_heard: NDArray[np.bool_] | None,
    rng: np.random.Generator,
    aac_coder: Literal["twoloop", "fast"] = "twoloop",
) -> None:
    """Write a video of a thing over a background and a murmur.

    Args:
        target: file to write.
        thing: name in `THINGS`.
        is_seen: (T,) whether the thing is in each frame.
        is_heard: (seconds,) whether it sounds in each second; the sound ends with the picture.
            None: the video has no sound stream.
        rng: generator of this video.
        aac_coder: as `write_mp4` takes it.
    """
    timbre, look = THINGS[thing]
    frames = draw_frames(look, is_seen, SIZE, rng)
    sound = None
    if is_heard is not None:
        sound = _soundtrack(timbre, is_heard, rng)[:, : len(frames) * SAMPLE_RATE // FPS]
    write_mp4(target, frames, FPS, sound, SAMPLE_RATE, aac_coder=aac_coder)


def _soundtrack(
    timbre: Timbre, is_heard: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return (2, n_samples): the sound at a random level and place, over a murmur all the time."""
    n_samples = len(is_heard) * SAMPLE_RATE
    sound = synthesise(timbre, n_samples, SAMPLE_RATE, rng) * gate(is_heard, SAMPLE_RATE)
    murmur = band_noise(n_samples, SAMPLE_RATE, (50, 6000), rng)
    mono = rng.uniform(0.2, 0.6) * sound + rng.uniform(0.002, 0.01) * murmur
    left = rng.uniform(0.4, 1.0)
    return np.stack([left * mono, (1.4 - left) * mono]).astype(np.float32)
