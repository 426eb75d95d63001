"""The miniature AVE: rendered videos with synthesised sound in the dataset's official layout.

Every video has three intervals of two to four seconds: the event (audible and visible), the same
thing audible only, and visible only. Their lengths and their order are drawn so that exchanging the
event with either of the others is equally likely. Audio alone therefore cannot distinguish the
event from the interval that is audible only, nor frames alone from the one that is visible only;
both modalities together can.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from avlib.datasets.miniature.layout import check_size, id_letters, write_lines
from avlib.datasets.miniature.things import THINGS
from avlib.datasets.miniature.video import FPS, render_video
from avlib.seeds import generator

VIDEO_SECONDS = 10  # length of every AVE video
_KINDS = (
    (True, True),
    (True, False),
    (False, True),
)  # audible, visible
_LENGTHS = [n for n in product((2, 3, 4), repeat=3) if 8 <= sum(n) <= VIDEO_SECONDS]
LIST_FILES = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt"}


@dataclass(frozen=True)
class PlannedAveVideo:
    """One video of the miniature.

    Attributes:
        video_id: name of the file without `.mp4`, as nasty as the ids of YouTube are.
        split: train, val or test.
        label: name of the class.
        start_s: first second of the event.
        stop_s: second after the event.
        is_heard: for each second, whether the thing is audible.
        is_seen: for each second, whether the thing is visible.
    """

    video_id: str
    split: str
    label: str
    start_s: int
    stop_s: int
    is_heard: tuple[bool, ...]
    is_seen: tuple[bool, ...]

    @property
    def line(self) -> str:
        """The annotation in AVE's format."""
        return f"{self.label}&{self.video_id}&good&{self.start_s}&{self.stop_s}"


def miniature_plan(
    *, classes: int = 8, videos_per_class: Mapping[str, int], seed: int
) -> list[PlannedAveVideo]:
    """Return what `render_miniature` renders, without rendering it.

    A video depends on the seed, its class, split and number alone, so larger miniatures contain
    the smaller ones.

    Args:
        classes: number of classes, 2 to 12.
        videos_per_class: number of videos of each class by split.
        seed: seed of all draws.

    Raises:
        ConfigError: if the number of classes or a split is out of range.
    """
    check_size(classes, videos_per_class, list(LIST_FILES))
    return [
        _planned(label, split, number, seed)
        for label in list(THINGS)[:classes]
        for split in LIST_FILES
        for number in range(videos_per_class[split])
    ]


def _planned(label: str, split: str, number: int, seed: int) -> PlannedAveVideo:
    rng = generator(seed, "miniature AVE", label, split, number)
    first = "-" if number == 0 else id_letters(1, rng)
    lengths = _LENGTHS[rng.integers(len(_LENGTHS))]
    stretches = [[kind] * length for kind, length in zip(_KINDS, lengths, strict=True)]
    stretches += [[(False, False)]] * (VIDEO_SECONDS - sum(lengths))
    seconds = [second for i in rng.permutation(len(stretches)) for second in stretches[i]]
    start_s = seconds.index((True, True))
    return PlannedAveVideo(
        video_id=first + id_letters(10, rng),
        split=split,
        label=label,
        start_s=start_s,
        stop_s=start_s + lengths[0],
        is_heard=tuple(heard for heard, _ in seconds),
        is_seen=tuple(seen for _, seen in seconds),
    )


def render_miniature(
    target: Path,
    *,
    classes: int = 8,
    videos_per_class: Mapping[str, int],
    seed: int,
    workers: int = 1,
) -> list[PlannedAveVideo]:
    """Write `AVE/<video_id>.mp4`, `Annotations.txt` and the three split lists below `target`.

    The lists are written when all videos are there. The bytes depend on the arguments but not on
    `workers`. Threads suffice to use several cores, since drawing and encoding release Python's
    lock.

    Returns:
        the plan of the videos, in the order of `Annotations.txt`.

    Raises:
        ConfigError: as `miniature_plan`.
    """
    plan = miniature_plan(classes=classes, videos_per_class=videos_per_class, seed=seed)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(_render, target / "AVE", seed=seed), plan))
    for split, name in LIST_FILES.items():
        write_lines(target / name, [video.line for video in plan if video.split == split])
    header = "Category&VideoID&Quality&StartTime&EndTime"
    write_lines(target / "Annotations.txt", [header, *(video.line for video in plan)])
    return plan


def _render(folder: Path, video: PlannedAveVideo, seed: int) -> None:
    render_video(
        folder / f"{video.video_id}.mp4",
        [THINGS[video.label]],
        is_seen=np.repeat([video.is_seen], FPS, axis=1),
        is_heard=np.array([video.is_heard]),
        rng=generator(seed, "miniature AVE", video.video_id),
    )
