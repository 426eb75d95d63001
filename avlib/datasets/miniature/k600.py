"""The miniature Kinetics-600: rendered videos with sound in the folders of the dataset.

In about 30 % of the videos of each class the thing is not audible, in about 30 % others it is not
visible. Audio alone and frames alone therefore identify the class of a part of the videos; both
together identify it in all. A few videos of each folder have no audio stream, and a few are shorter
than an audio image, as some of Kinetics are; in these the thing is visible.
"""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from avlib.datasets.miniature.layout import check_size, id_letters, write_lines
from avlib.datasets.miniature.things import THINGS
from avlib.datasets.miniature.video import FPS, render_video
from avlib.seeds import generator

LONG_SECONDS = 4  # length of a video, but for the short ones
SHORT_FRAMES = range(4, 8)  # 0.5 to 0.875 s, where an audio image needs 0.96 s
FOLDERS = ("train", "val")
LABEL_LIST = "kinetics_600_label_list.txt"
_BOTH, _UNHEARD, _UNSEEN = (True, True), (False, True), (True, False)  # audible, visible
_KINDS = (*(_BOTH, _UNHEARD, _UNSEEN) * 3, _BOTH)
_LONG_STARTS_S = (0, 40, 440)  # after which a video of 4 s has a name that ends in 4, 44 and 444
_THINGS = {re.sub("[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in THINGS}


@dataclass(frozen=True)
class PlannedKineticsVideo:
    """One video of the miniature.

    Attributes:
        video_id: name of the file without `.mp4`, `v_<11 characters>_<start>_<stop>`.
        folder: train or val.
        label: name of the class, as Kinetics writes names.
        frames: number of frames.
        has_sound: whether there is an audio stream.
        is_heard: whether the thing is audible; otherwise there is background noise alone.
        is_seen: whether the thing is visible; otherwise there is a background alone.
    """

    video_id: str
    folder: str
    label: str
    frames: int
    has_sound: bool
    is_heard: bool
    is_seen: bool

    @property
    def path(self) -> str:
        """The file below the folder of the miniature."""
        return f"{self.folder}/{self.label}/{self.video_id}.mp4"


def miniature_plan(
    *, classes: int = 8, videos_per_class: Mapping[str, int], seed: int
) -> list[PlannedKineticsVideo]:
    """Return what `render_miniature` renders, without rendering it.

    A video depends on the seed, its class, folder and number alone, so larger miniatures contain
    the smaller ones. What it lacks depends on class and number, so that small folders are balanced.

    Args:
        classes: number of classes, 2 to 12.
        videos_per_class: number of videos of each class in the folders train and val.
        seed: seed of all draws.

    Raises:
        ConfigError: if the number of classes or of videos is out of range.
    """
    check_size(classes, videos_per_class, FOLDERS)
    return [
        _planned(folder, class_number, number, seed)
        for class_number in range(classes)
        for folder in FOLDERS
        for number in range(videos_per_class[folder])
    ]


def _planned(folder: str, class_number: int, number: int, seed: int) -> PlannedKineticsVideo:
    label = list(_THINGS)[class_number]
    rng = generator(seed, "miniature Kinetics-600", folder, label, number)
    name, start_s = id_letters(11, rng), int(rng.integers(300))
    if (class_number + number) % 4 == 0:
        name = f"-{name[1:]}"
    elif (class_number + number) % 4 == 1:
        start_s = int(rng.choice(_LONG_STARTS_S))
    is_heard, is_seen = _KINDS[(7 * class_number + number) % len(_KINDS)]
    # Of each fourth video, one class in twelve has it without sound and the next has it short.
    turn = (class_number - 5 * (number // 4)) % len(_THINGS) if number % 4 == 0 else None
    if turn == 0:
        is_heard, is_seen = _UNHEARD
    elif turn == 1:
        is_heard, is_seen = _BOTH
    return PlannedKineticsVideo(
        video_id=f"v_{name}_{start_s:06}_{start_s + LONG_SECONDS:06}",
        folder=folder,
        label=label,
        frames=int(rng.choice(SHORT_FRAMES)) if turn == 1 else LONG_SECONDS * FPS,
        has_sound=turn != 0,
        is_heard=is_heard,
        is_seen=is_seen,
    )


def render_miniature(
    target: Path,
    *,
    classes: int = 8,
    videos_per_class: Mapping[str, int],
    seed: int,
    workers: int = 1,
) -> list[PlannedKineticsVideo]:
    """Write `{train,val}/<class>/<video_id>.mp4` and the list of classes below `target`.

    The list is written when all videos are there. The bytes depend on the arguments but not on
    `workers`, which are threads.

    Returns:
        the plan of the videos.

    Raises:
        ConfigError: as `miniature_plan`.
    """
    plan = miniature_plan(classes=classes, videos_per_class=videos_per_class, seed=seed)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(_render, target, seed=seed), plan))
    names = sorted({video.label for video in plan})
    write_lines(target / LABEL_LIST, [f"{number}\t{name}" for number, name in enumerate(names)])
    return plan


def _render(target: Path, video: PlannedKineticsVideo, seed: int) -> None:
    render_video(
        target / video.path,
        [THINGS[_THINGS[video.label]]],
        is_seen=np.full((1, video.frames), video.is_seen),
        is_heard=np.full((1, LONG_SECONDS), video.is_heard) if video.has_sound else None,
        rng=generator(seed, "miniature Kinetics-600", video.video_id),
        aac_coder="fast",  # which takes a quarter of the time, and most of it is the encoder's
    )
