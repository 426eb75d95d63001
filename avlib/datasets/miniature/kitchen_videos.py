"""Recordings of the miniatures of retrieval: one action after the other, audible and visible.

Every clip has its own draws, so that a part of a recording is the same whether it is rendered
alone or with the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.miniature.kitchen import ACTIONS, Action
from avlib.datasets.miniature.mp4 import write_mp4
from avlib.datasets.miniature.picture import draw_scene
from avlib.datasets.miniature.sound import band_noise, faded
from avlib.datasets.miniature.video import SAMPLE_RATE, SIZE
from avlib.seeds import generator

FPS = 10  # drawn frames; times are whole numbers of them
LEVELS = {"low": (0.01, 0.03), "moderate": (0.06, 0.15), "high": (0.3, 0.6)}  # peaks of a sound
MURMUR = (0.002, 0.01)  # peak of the noise that is always there
FADE_S = 0.02
_LENGTHS = (10, 40)  # frames of a clip
_LONG_LENGTHS = (110, 150)  # of the first one, which is longer than an input of the networks
_GAPS = (2, 8)  # frames before a clip
_LEAD = 8  # most frames before a clip in which its background is there


@dataclass(frozen=True)
class PlannedClip:
    """An action in a recording.

    Attributes:
        action: what is done.
        level: low, moderate or high: how far its sound stands out.
        start: its first frame of 1 / FPS seconds.
        stop: the one after its last.
    """

    action: Action
    level: str
    start: int
    stop: int

    @property
    def start_s(self) -> float:
        """When it begins."""
        return self.start / FPS

    @property
    def stop_s(self) -> float:
        """When it ends."""
        return self.stop / FPS


@dataclass(frozen=True)
class PlannedRecording:
    """A recording, as one file or as several.

    Attributes:
        video_id: its name.
        paths: its files below the folder of the miniature, in order.
        clips: what happens, in order and without overlap; no action twice.
        frames: its length in frames of 1 / FPS seconds.
        chunk_frames: frames of each file but the last, which has the rest; None: there is one.
    """

    video_id: str
    paths: tuple[str, ...]
    clips: tuple[PlannedClip, ...]
    frames: int
    chunk_frames: int | None = None


def plan_clips(
    video_id: str, count: int, seed: int, resumes_at: int | None = None
) -> list[PlannedClip]:
    """Return the clips of a recording.

    Args:
        video_id: name of the recording, which the draws depend on.
        count: number of clips, at most that of ACTIONS.
        seed: seed of all draws.
        resumes_at: frame at which the second half of the clips begins, after a pause.
    """
    rng = generator(seed, "kitchen", video_id)
    order = rng.permutation(len(ACTIONS))
    clips: list[PlannedClip] = []
    at = 0
    for number in range(count):
        length = int(rng.integers(*(_LENGTHS if number else _LONG_LENGTHS)))
        at += int(rng.integers(*_GAPS))
        if number == count // 2 and resumes_at is not None:
            at, length = resumes_at, _LENGTHS[1]
        level = list(LEVELS)[number % len(LEVELS)]
        clips.append(PlannedClip(ACTIONS[order[number]], level, at, at + length))
        at += length
    return clips


def render_recording(target: Path, recording: PlannedRecording, *, seed: int, shown: int) -> None:
    """Write the files of a recording.

    Args:
        target: folder of the miniature.
        recording: what to render.
        seed: seed of all draws.
        shown: how often a drawn frame is shown; the files have `shown * FPS` frames a second.
    """
    step = recording.chunk_frames or recording.frames
    for path, start in zip(recording.paths, range(0, recording.frames, step), strict=True):
        span = (start, min(start + step, recording.frames))
        write_mp4(
            target / path,
            _pictures(recording, span, shown, seed),
            shown * FPS,
            _sound(recording, span, seed),
            SAMPLE_RATE,
            aac_coder="fast",
        )


def clip_sound(
    action: Action, level: str, is_on: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the sound of an action over quiet noise, (n_samples,) in [-1, 1] at SAMPLE_RATE.

    It is drawn quickly where the number of samples has only small factors.

    Args:
        action: what is done.
        level: key of LEVELS.
        is_on: (n_samples,) whether it is done.
        rng: generator of all draws.
    """
    gain = faded(is_on.astype(np.float64), round(FADE_S * SAMPLE_RATE))
    sound = rng.uniform(*LEVELS[level]) * gain * action.sound(len(gain), SAMPLE_RATE, rng)
    return sound + rng.uniform(*MURMUR) * band_noise(len(gain), SAMPLE_RATE, (50, 6000), rng)


def _segments(recording: PlannedRecording) -> Iterator[tuple[int, int, PlannedClip]]:
    """Yield the number of each clip, and the first frame at which its background is there."""
    before = 0
    for number, clip in enumerate(recording.clips):
        yield number, max(before, clip.start - _LEAD), clip
        before = clip.stop


def _pictures(
    recording: PlannedRecording, span: tuple[int, int], shown: int, seed: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a part of a recording; where nothing happens the last one stays."""
    at, stop = span
    still = np.full((*SIZE[::-1], 3), 96, np.uint8)
    for number, first, clip in _segments(recording):
        if first >= stop or clip.stop <= at:
            continue
        for _ in range(at, first):
            yield from (still for _ in range(shown))
        looks = clip.action.looks
        is_visible = np.tile(np.arange(first, clip.stop) >= clip.start, (len(looks), 1))
        rng = generator(seed, "kitchen picture", recording.video_id, number)
        drawn = draw_scene(looks, is_visible, SIZE, rng)
        for picture in drawn[max(at - first, 0) : stop - first]:
            yield from (picture for _ in range(shown))
        at, still = clip.stop, drawn[-1]
    for _ in range(at, stop):
        yield from (still for _ in range(shown))


def _sound(recording: PlannedRecording, span: tuple[int, int], seed: int) -> NDArray[np.float32]:
    """Return the stereo sound of a part of a recording, digital silence where nothing happens."""
    start, stop = (round(frame * SAMPLE_RATE / FPS) for frame in span)
    mono = np.zeros(stop - start, np.float32)
    for number, first, clip in _segments(recording):
        if first >= span[1] or clip.stop <= span[0]:
            continue
        is_on = np.repeat(np.arange(first, clip.stop) >= clip.start, SAMPLE_RATE // FPS)
        rng = generator(seed, "kitchen sound", recording.video_id, number)
        sound = clip_sound(clip.action, clip.level, is_on, rng)
        at = first * (SAMPLE_RATE // FPS) - start
        part = sound[max(0, -at) : len(mono) - at]
        mono[max(0, at) : max(0, at) + len(part)] = part
    return np.stack([mono, mono])
