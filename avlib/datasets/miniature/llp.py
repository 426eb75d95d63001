"""The miniature LLP: rendered videos of one to three events, in the layout of the data set.

The audio and the visual part of an event overlap but differ in time; about every fifth event is
only audible and as many are only visible. Events may overlap. As in the official files, there is a
dense row of zero length and one with a damaged name.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.llp import DENSE_COLUMNS, ID_LENGTH, LABEL_FILES, SECONDS, WEAK_COLUMNS
from avlib.datasets.miniature.layout import check_size, id_letters, write_lines
from avlib.datasets.miniature.scenes import LLP_THINGS
from avlib.datasets.miniature.video import FPS, render_video
from avlib.datasets.splits import SPLITS
from avlib.seeds import generator

VIDEO_FOLDER = "raw_videos"
_COUNTS = (2, 3, 1)  # events per video, in turn
_LENGTHS_S = range(2, 6)  # of a run of seconds
_TWO_STRETCHES, _ONLY_HEARD, _ONLY_SEEN = 0.3, 0.2, 0.2  # probabilities for an event
_FIRST_LETTERS = {0: "-", 1: "_"}  # of the ids, by number of the video modulo 6
_MUTE = ("train", 1)  # the video without an audio stream


@dataclass(frozen=True)
class PlannedEvent:
    """One class of a video.

    Attributes:
        label: name of the class.
        is_heard: for each second, whether the thing is audible.
        is_seen: for each second, whether the thing is visible.
    """

    label: str
    is_heard: tuple[bool, ...]
    is_seen: tuple[bool, ...]


@dataclass(frozen=True)
class PlannedVideo:
    """One video of the miniature.

    Attributes:
        video_id: name of the file without `.mp4`; like ids of YouTube, it may begin with `-`.
        split: train, val or test.
        start_s: nominal start of the clip in the whole video, in seconds.
        events: one per class of the weak label, audible or visible or both.
        has_sound: whether there is an audio stream.
    """

    video_id: str
    split: str
    start_s: int
    events: tuple[PlannedEvent, ...]
    has_sound: bool

    @property
    def filename(self) -> str:
        """The name of the video in the label files."""
        return f"{self.video_id}_{self.start_s}_{self.start_s + SECONDS}"

    @property
    def path(self) -> str:
        """The file below the folder of the miniature."""
        return f"{VIDEO_FOLDER}/{self.video_id}.mp4"


def miniature_plan(*, classes: int = 8, videos: Mapping[str, int], seed: int) -> list[PlannedVideo]:
    """Return the videos that `render_miniature` renders.

    A video depends only on the seed, the number of classes, its split and its number, so a larger
    miniature of the same classes contains the smaller ones. The class of its first event and the
    number of its events follow from its number, so that small splits are balanced.

    Args:
        classes: number of classes, 2 to 12.
        videos: number of videos of the splits train, val and test.
        seed: seed of all draws.

    Raises:
        ConfigError: if the number of classes or of videos is out of range.
    """
    check_size(classes, videos, SPLITS)
    return [
        _planned(split, number, classes, seed)
        for split in SPLITS
        for number in range(videos[split])
    ]


def _planned(split: str, number: int, classes: int, seed: int) -> PlannedVideo:
    rng = generator(seed, "miniature LLP", split, number)
    name = id_letters(ID_LENGTH, rng)
    labels = list(LLP_THINGS)[:classes]
    first = labels.pop(number % classes)
    is_mute = (split, number) == _MUTE
    # Shifted by one with each round of the classes, so that each class gets all counts.
    count = 1 if is_mute else _COUNTS[(number % classes + number // classes) % len(_COUNTS)]
    others = [str(label) for label in rng.permutation(labels)[: count - 1]]
    return PlannedVideo(
        video_id=_FIRST_LETTERS.get(number % 6, name[0]) + name[1:],
        split=split,
        start_s=int(rng.integers(300)),
        events=tuple(_event(label, rng, is_mute=is_mute) for label in [first, *others]),
        has_sound=not is_mute,
    )


def _event(label: str, rng: np.random.Generator, *, is_mute: bool) -> PlannedEvent:
    """Draw when a thing is audible and visible: at overlapping times, or only one of both."""
    is_heard, is_seen = _stretches(rng), _stretches(rng)
    while not (is_heard & is_seen).any() or (is_heard == is_seen).all():
        is_seen = _stretches(rng)
    chance = rng.random()
    if is_mute or chance < _ONLY_SEEN:
        is_heard[:] = False
    elif chance < _ONLY_SEEN + _ONLY_HEARD:
        is_seen[:] = False
    return PlannedEvent(label, tuple(is_heard.tolist()), tuple(is_seen.tolist()))


def _stretches(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw (SECONDS,) with one or two runs of seconds, which may touch."""
    is_on = np.zeros(SECONDS, dtype=np.bool_)
    for _ in range(2 if rng.random() < _TWO_STRETCHES else 1):
        length = int(rng.choice(_LENGTHS_S))
        start = int(rng.integers(SECONDS - length + 1))
        is_on[start : start + length] = True
    return is_on


def render_miniature(
    target: Path, *, classes: int = 8, videos: Mapping[str, int], seed: int, workers: int = 1
) -> list[PlannedVideo]:
    """Write `raw_videos/<video_id>.mp4` and the six label files below `target`.

    The label files are written after all videos. The bytes depend on the arguments but not on
    `workers`, the number of threads.

    Returns:
        The planned videos, in the order of the full list.

    Raises:
        ConfigError: as `miniature_plan`.
    """
    plan = miniature_plan(classes=classes, videos=videos, seed=seed)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(_render, target, seed=seed), plan))
    for split in ("full", *SPLITS):
        members = [video for video in plan if split in ("full", video.split)]
        rows = [(v.filename, ",".join(event.label for event in v.events)) for v in members]
        _write_rows(target / LABEL_FILES[split], WEAK_COLUMNS, rows)
    annotated = [video for video in plan if video.split != "train"]
    slips = _slips(next(video for video in plan if video.split == "test"))
    heard = [row for v in annotated for e in v.events for row in _dense(v, e.label, e.is_heard)]
    seen = [row for v in annotated for e in v.events for row in _dense(v, e.label, e.is_seen)]
    _write_rows(target / LABEL_FILES["audio"], DENSE_COLUMNS, [*heard, *slips])
    _write_rows(target / LABEL_FILES["visual"], DENSE_COLUMNS, seen)
    return plan


def _dense(video: PlannedVideo, label: str, is_on: Sequence[bool]) -> list[tuple[str, ...]]:
    """Return a row for each run of seconds of an event."""
    rows: list[tuple[str, ...]] = []
    second = 0
    for value, stretch in groupby(is_on):
        onset, second = second, second + len(list(stretch))
        if value:
            rows.append((video.filename, str(onset), str(second), label))
    return rows


def _slips(video: PlannedVideo) -> list[tuple[str, ...]]:
    """Return a row of zero length, and one with a truncated name."""
    label = video.events[0].label
    return [(video.filename, "9", "9", label), (video.filename[3:], "0", "4", label)]


def _write_rows(target: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    write_lines(target, ["\t".join(row) for row in [columns, *rows]])


def _render(target: Path, video: PlannedVideo, seed: int) -> None:
    is_heard = np.array([event.is_heard for event in video.events])
    is_seen = np.array([event.is_seen for event in video.events])
    render_video(
        target / video.path,
        [LLP_THINGS[event.label] for event in video.events],
        is_seen=np.repeat(is_seen, FPS, axis=1),
        is_heard=is_heard if video.has_sound else None,
        rng=generator(seed, "miniature LLP", video.video_id),
        aac_coder="fast",
    )
