"""The miniature AVE: rendered videos with synthesised sound in the dataset's official layout.

Every video has three stretches of two to four seconds: the event (sound and picture), the sound
without the picture and the picture without the sound. Their lengths and their order are drawn so
that exchanging the event with either of the others is equally likely. The sound alone therefore
cannot tell the event from the sound without picture, nor the picture alone from the picture
without sound; only both together can.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.miniature.mp4 import write_mp4
from avlib.datasets.miniature.picture import draw_frames
from avlib.datasets.miniature.sound import Timbre, band_noise, gate, synthesise
from avlib.datasets.miniature.things import THINGS
from avlib.errors import ConfigError
from avlib.io.atomic import atomic_path
from avlib.seeds import generator

SECONDS = 10  # length of every AVE video
FPS = 8
SIZE = (128, 96)  # width, height
SAMPLE_RATE = 22_050
_ID_LETTERS = list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_KINDS = ((True, True), (True, False), (False, True))  # heard and seen: event, sound, picture
_LENGTHS = [n for n in product((2, 3, 4), repeat=3) if 8 <= sum(n) <= SECONDS]
LIST_FILES = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt"}


@dataclass(frozen=True)
class PlannedVideo:
    """One video of the miniature.

    Attributes:
        video_id: name of the file without `.mp4`, as nasty as the ids of YouTube are.
        split: train, val or test.
        label: name of the class.
        start_s: first second of the event.
        stop_s: second after the event.
        is_heard: for each second, whether the thing sounds.
        is_seen: for each second, whether the thing is in the picture.
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
) -> list[PlannedVideo]:
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
    if not 2 <= classes <= len(THINGS):
        raise ConfigError(f"the miniature has 2 to {len(THINGS)} classes, not {classes}")
    if set(videos_per_class) != set(LIST_FILES) or min(videos_per_class.values()) < 1:
        raise ConfigError(
            f"the miniature needs at least one video a class in train, val and test, "
            f"not {dict(videos_per_class)}"
        )
    return [
        _planned(label, split, number, seed)
        for label in list(THINGS)[:classes]
        for split in LIST_FILES
        for number in range(videos_per_class[split])
    ]


def _planned(label: str, split: str, number: int, seed: int) -> PlannedVideo:
    rng = generator(seed, "miniature AVE", label, split, number)
    first = "-" if number == 0 else "".join(rng.choice(_ID_LETTERS, 1))
    lengths = _LENGTHS[rng.integers(len(_LENGTHS))]
    stretches = [[kind] * length for kind, length in zip(_KINDS, lengths, strict=True)]
    stretches += [[(False, False)]] * (SECONDS - sum(lengths))
    seconds = [second for i in rng.permutation(len(stretches)) for second in stretches[i]]
    start_s = seconds.index((True, True))
    return PlannedVideo(
        video_id=first + "".join(rng.choice(_ID_LETTERS, 10)),
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
) -> list[PlannedVideo]:
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
        _write_lines(target / name, [video.line for video in plan if video.split == split])
    header = "Category&VideoID&Quality&StartTime&EndTime"
    _write_lines(target / "Annotations.txt", [header, *(video.line for video in plan)])
    return plan


def _render(folder: Path, video: PlannedVideo, seed: int) -> None:
    rng = generator(seed, "miniature AVE", video.video_id)
    timbre, look = THINGS[video.label]
    frames = draw_frames(look, np.repeat(video.is_seen, FPS), SIZE, rng)
    sound = _soundtrack(timbre, np.array(video.is_heard), rng)
    write_mp4(folder / f"{video.video_id}.mp4", frames, FPS, sound, SAMPLE_RATE)


def _soundtrack(
    timbre: Timbre, is_heard: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return (2, n_samples): the sound at a random level and place, over a murmur all the time."""
    n_samples = SECONDS * SAMPLE_RATE
    sound = synthesise(timbre, n_samples, SAMPLE_RATE, rng) * gate(is_heard, SAMPLE_RATE)
    murmur = band_noise(n_samples, SAMPLE_RATE, (50, 6000), rng)
    mono = rng.uniform(0.2, 0.6) * sound + rng.uniform(0.002, 0.01) * murmur
    left = rng.uniform(0.4, 1.0)
    return np.stack([left * mono, (1.4 - left) * mono]).astype(np.float32)


def _write_lines(target: Path, lines: list[str]) -> None:
    with atomic_path(target) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
