"""Actions of the miniatures of long videos: each is seen and heard, and neither tells all of it.

An action has a tool and a thing, which are seen, and a rhythm and a pitch, which are heard. A star
stands for the tool and a disc for the thing, each in one of three colours. Classes combine what is
seen with what is heard, so that frames alone leave two of them possible, and sound alone three.
Actions overlap their neighbours, and each is audible in another interval than it is visible.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.miniature.mp4 import write_mp4
from avlib.datasets.miniature.picture import Look, draw_scene
from avlib.datasets.miniature.sound import Timbre, band_noise, faded, synthesise
from avlib.datasets.miniature.video import SAMPLE_RATE
from avlib.seeds import generator

# Width and height: networks see the middle square of a frame, and the conversion to YUV reads what
# happens to lie in memory behind rows of other widths than multiples of 64.
SIZE = (128, 128)
FPS = 10  # frames a second; all times are whole numbers of them
LANES = 4  # parts of the width, of which actions take two in turn: at most two overlap
TOOLS = tuple(Look(hue, lobes=5, bulge=0.35) for hue in (1 / 6, 1 / 2, 5 / 6))
THINGS = tuple(Look(hue) for hue in (0.0, 1 / 3, 2 / 3))
PULSES_HZ = (0.0, 4.0)  # 0: steady
DECAY_S = 0.06
PITCHES = (((180, 240), (1, 2, 3, 4)), ((1400, 1800), (1, 2)))  # range in Hz, partials
FADE_S = 0.02
_LENGTHS = (15, 35)  # frames of an action
_GAPS = (-6, 8)  # frames from one to the next, which may begin before
_SHIFTS = (-4, 5)  # frames from the ends of what is seen to those of what is heard
_LEAD = 8  # frames before the first action, and least of them behind the last


@dataclass(frozen=True)
class Performance:
    """One action of a video.

    Attributes:
        tool: number in TOOLS, seen.
        thing: number in THINGS, seen.
        rhythm: number in PULSES_HZ, heard.
        pitch: number in PITCHES, heard.
        seen: first frame of 1 / FPS seconds and the one after the last, in which it is visible.
        heard: those in which it is audible.
    """

    tool: int
    thing: int
    rhythm: int
    pitch: int
    seen: tuple[int, int]
    heard: tuple[int, int]

    @property
    def looks(self) -> tuple[Look, Look]:
        """How tool and thing look."""
        return TOOLS[self.tool], THINGS[self.thing]

    @property
    def timbre(self) -> Timbre:
        """How it sounds."""
        pitch_hz, partials = PITCHES[self.pitch]
        return Timbre(pitch_hz, partials, pulse_hz=PULSES_HZ[self.rhythm], decay_s=DECAY_S)


KINDS = tuple(
    product(range(len(TOOLS)), range(len(THINGS)), range(len(PULSES_HZ)), range(len(PITCHES)))
)


def plan_performances(name: str, video_id: str, frames: int, seed: int) -> list[Performance]:
    """Return what happens in a video; it depends on the arguments alone.

    Args:
        name: of the miniature.
        video_id: name of the video.
        frames: its length in frames of 1 / FPS seconds.
        seed: seed of all draws.
    """
    rng = generator(seed, "performances", name, video_id)
    found: list[Performance] = []
    at, kinds = _LEAD, list[int]()
    while (stop := at + int(rng.integers(*_LENGTHS))) + _LEAD <= frames:
        kinds = kinds or rng.permutation(len(KINDS)).tolist()
        begins, ends = (int(shift) for shift in rng.integers(*_SHIFTS, 2))
        heard = (at + begins, stop + ends)
        tool, thing, rhythm, pitch = KINDS[kinds.pop()]
        found.append(Performance(tool, thing, rhythm, pitch, (at, stop), heard))
        at = stop + int(rng.integers(*_GAPS))
    return found


def render_videos(
    folder: Path,
    name: str,
    happens: Mapping[str, list[Performance]],
    frames: int,
    *,
    seed: int,
    workers: int,
) -> None:
    """Write `<video_id>.mp4` of each video; the bytes do not depend on `workers`.

    Args:
        folder: where they go.
        name: of the miniature.
        happens: what happens in each video, by its name.
        frames: their length in frames of 1 / FPS seconds.
        seed: seed of all draws.
        workers: threads, which suffice since drawing and encoding release Python's lock.
    """

    def render(video_id: str) -> None:
        rng = generator(seed, name, video_id)
        _render(folder / f"{video_id}.mp4", happens[video_id], frames, rng)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(render, happens))


def _render(
    target: Path, performances: list[Performance], frames: int, rng: np.random.Generator
) -> None:
    """Write a video of actions over a background and quiet noise.

    Args:
        target: file to write.
        performances: what happens.
        frames: its length in frames of 1 / FPS seconds.
        rng: generator of this video.
    """
    number = np.arange(frames)
    spans = [performance.seen for performance in performances for _ in performance.looks]
    is_visible = np.array([(start <= number) & (number < stop) for start, stop in spans])
    looks = [look for performance in performances for look in performance.looks]
    pictures = draw_scene(looks, is_visible, SIZE, rng, lanes=LANES)
    write_mp4(
        target, pictures, FPS, _sound(performances, frames, rng), SAMPLE_RATE, aac_coder="fast"
    )


def _sound(
    performances: list[Performance], frames: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the stereo sound (2, n_samples) in [-1, 1]."""
    per_frame = SAMPLE_RATE // FPS
    mono = rng.uniform(0.002, 0.01) * band_noise(frames * per_frame, SAMPLE_RATE, (50, 6000), rng)
    for performance in performances:
        start, stop = (per_frame * frame for frame in performance.heard)
        gain = faded(np.ones(stop - start), round(FADE_S * SAMPLE_RATE))
        sound = synthesise(performance.timbre, stop - start, SAMPLE_RATE, rng)
        mono[start:stop] += rng.uniform(0.2, 0.6) * gain * sound
    mono /= max(1.0, np.abs(mono).max())
    return np.stack([mono, mono]).astype(np.float32)
