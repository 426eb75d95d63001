"""The miniature EPIC-KITCHENS-100 with EPIC-SOUNDS, in the official layout.

A verb is a tool with a rhythm, a noun is a thing with a pitch, and a sound is a rhythm and a pitch
with a thing. So the verb of an action is one of two by its frames, and one of three by its
sound; both together tell it. One participant is filmed for training, another for validation alone.
Numbers and names of classes are those of the real data set.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from avlib.datasets.miniature.performances import (
    FPS,
    SIZE,
    Performance,
    plan_performances,
    render_videos,
)
from avlib.errors import ConfigError
from avlib.io.atomic import atomic_path

ANNOTATION_FILES = {
    "actions.train": "EPIC_100_train.csv",
    "actions.val": "EPIC_100_validation.csv",
    "actions.test": "EPIC_100_test_timestamps.csv",
    "sounds.train": "EPIC_Sounds_train.csv",
    "sounds.val": "EPIC_Sounds_validation.csv",
    "sounds.test": "EPIC_Sounds_recognition_test_timestamps.csv",
    "video_info": "EPIC_100_video_info.csv",
}
SECONDS = 40  # length of a video
SOUND_RATE = 24_000  # Hz of the samples that the tables of EPIC-SOUNDS count
NAME = "miniature EPIC-KITCHENS"
# By tool and rhythm, by thing and pitch, and by rhythm, pitch and thing.
VERBS = (((2, "wash"), (7, "cut")), ((10, "mix"), (15, "shake")), ((9, "pour"), (1, "put")))
NOUNS = (((23, "box"), (5, "pan")), ((15, "bottle"), (10, "glass")), ((17, "cloth"), (19, "bag")))
SOUNDS = (
    (
        ((8, "stir / mix / whisk"), (5, "water"), (33, "kettle / mixer / appliance")),
        ((9, "slide object"), (19, "pour"), (41, "spray")),
    ),
    (
        ((21, "wood-only collision"), (6, "plastic-only collision"), (36, "cloth-only collision")),
        ((0, "metal-only collision"), (20, "glass-only collision"), (18, "paper-only collision")),
    ),
)
_SPAN = ("participant_id", "video_id")
_ACTION_TIMES = (
    *("narration_timestamp", "start_timestamp", "stop_timestamp"),
    *("start_frame", "stop_frame"),
)
_ACTION_LABELS = (
    *("narration", "verb", "verb_class", "noun", "noun_class"),
    *("all_nouns", "all_noun_classes"),
)
_SOUND_TIMES = ("start_timestamp", "stop_timestamp", "start_sample", "stop_sample")
_SOUND_LABELS = ("description", "class", "class_id")

Row = tuple[object, ...]


class PlannedEpicVideo(NamedTuple):
    """One video of the miniature: its name, its split, and what happens in it."""

    video_id: str
    split: str
    performances: list[Performance]

    @property
    def action_rows(self) -> Iterator[Row]:
        """Rows of the table of actions; those of the test split have no labels."""
        for number, performance in enumerate(self.performances):
            start, stop = performance.seen
            times = (_timestamp(frame / FPS) for frame in ((start + stop) // 2, start, stop))
            row = (*self._named(number), *times, max(1, start), stop)
            yield row if self.split == "test" else (*row, *_action_labels(performance))

    @property
    def sound_rows(self) -> Iterator[Row]:
        """Rows of the table of sounds; those of the test split have no labels."""
        for number, performance in enumerate(self.performances):
            times = [frame / FPS for frame in performance.heard]
            samples = [round(SOUND_RATE * time) for time in times]
            row = (*self._named(number), *map(_timestamp, times), *samples)
            class_id, name = SOUNDS[performance.rhythm][performance.pitch][performance.thing]
            yield row if self.split == "test" else (*row, name, name, class_id)

    def _named(self, number: int) -> Row:
        return f"{self.video_id}_{number}", self.video_id.partition("_")[0], self.video_id


def _action_labels(performance: Performance) -> Row:
    verb_class, verb = VERBS[performance.tool][performance.rhythm]
    noun_class, noun = NOUNS[performance.thing][performance.pitch]
    return f"{verb} {noun}", verb, verb_class, noun, noun_class, [noun], [noun_class]


def _timestamp(time_s: float) -> str:
    """Return a time below an hour as `HH:MM:SS.fff`."""
    minutes, thousandths = divmod(round(1000 * time_s), 60_000)
    return f"00:{minutes:02}:{thousandths // 1000:02}.{thousandths % 1000:03}"


def miniature_splits(
    *, train_videos: int, val_videos: int, test_videos: int
) -> list[tuple[str, str]]:
    """Return each (video_id, split)."""
    train = [(f"P01_{i + 1:02}", "train") for i in range(train_videos)]
    # Every second one is of a participant who is not in train.
    val = [(f"P0{1 + i % 2}_{101 + i}", "val") for i in range(val_videos)]
    test = [(f"P02_{i + 1:02}", "test") for i in range(test_videos)]
    return [*train, *val, *test]


def miniature_plan(
    *, train_videos: int, val_videos: int, test_videos: int, seed: int
) -> list[PlannedEpicVideo]:
    """Return what `render_miniature` renders, without rendering it.

    Raises:
        ConfigError: if a split has no videos.
    """
    counts = {"train_videos": train_videos, "val_videos": val_videos, "test_videos": test_videos}
    if min(counts.values()) < 1:
        raise ConfigError(f"the miniature needs at least one video of each split, not {counts}")
    return [
        PlannedEpicVideo(video_id, split, plan_performances(NAME, video_id, SECONDS * FPS, seed))
        for video_id, split in miniature_splits(**counts)
    ]


def render_miniature(
    target: Path,
    *,
    train_videos: int,
    val_videos: int,
    test_videos: int,
    seed: int,
    workers: int = 1,
) -> list[PlannedEpicVideo]:
    """Write `videos/<video_id>.mp4` and the files of ANNOTATION_FILES below `target`.

    The tables are written when all videos are there. The bytes depend on the arguments but not on
    `workers`.

    Returns:
        the plan of the videos.

    Raises:
        ConfigError: as `miniature_plan`.
    """
    plan = miniature_plan(
        train_videos=train_videos, val_videos=val_videos, test_videos=test_videos, seed=seed
    )
    happens = {video.video_id: video.performances for video in plan}
    render_videos(target / "videos", NAME, happens, SECONDS * FPS, seed=seed, workers=workers)
    write_tables(target, plan)
    return plan


def write_tables(target: Path, plan: Sequence[PlannedEpicVideo]) -> None:
    """Write the files of ANNOTATION_FILES."""
    for split in ("train", "val", "test"):
        videos = [video for video in plan if video.split == split]
        has_labels = split != "test"
        columns = ("narration_id", *_SPAN, *_ACTION_TIMES, *(_ACTION_LABELS if has_labels else ()))
        rows = [row for video in videos for row in video.action_rows]
        _write(target / ANNOTATION_FILES[f"actions.{split}"], columns, rows)
        columns = ("annotation_id", *_SPAN, *_SOUND_TIMES, *(_SOUND_LABELS if has_labels else ()))
        rows = [row for video in videos for row in video.sound_rows]
        _write(target / ANNOTATION_FILES[f"sounds.{split}"], columns, rows)
    size = f"{SIZE[0]}x{SIZE[1]}"
    lengths: list[Row] = [(video.video_id, float(SECONDS), float(FPS), size) for video in plan]
    columns = ("video_id", "duration", "fps", "resolution")
    _write(target / ANNOTATION_FILES["video_info"], columns, lengths)


def _write(target: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    with atomic_path(target) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
