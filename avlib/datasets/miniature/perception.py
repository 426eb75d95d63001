"""The miniature Perception Test, in the official layout.

An action is a tool and a thing with a rhythm, and a sound is a rhythm and a pitch with a thing.
So an action is one of two by its frames alone, and a sound is one of three by what is heard.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from avlib.datasets.miniature.performances import (
    FPS,
    PITCHES,
    PULSES_HZ,
    SIZE,
    THINGS,
    TOOLS,
    Performance,
    plan_performances,
    render_videos,
)
from avlib.datasets.perception_test import TRACKS, US_PER_S
from avlib.errors import ConfigError
from avlib.io.atomic import atomic_path, write_json

ANNOTATION_FILES = {
    "annotations.train": "all_train.json",
    "annotations.val": "all_valid.json",
    "ids.train": "localisation_challenge_train_id_list.csv",
    "ids.val": "localisation_challenge_valid_id_list.csv",
    "label_map": "label_map.json",
}
SECONDS = 25  # length of a video
NAME = "miniature Perception Test"
_TOOLS, _THINGS = ("yellow", "cyan", "pink"), ("red", "green", "blue")
_RHYTHMS, _PITCHES = ("steady", "beating"), ("low", "high")
# What a class consists of, by the number of its label; the numbers have gaps, as the real ones.
ACTIONS = {
    2 * k + 1: kind
    for k, kind in enumerate(product(range(len(TOOLS)), range(len(THINGS)), range(len(PULSES_HZ))))
}
SOUNDS = {
    k + (k > 2): kind
    for k, kind in enumerate(
        product(range(len(PULSES_HZ)), range(len(PITCHES)), range(len(THINGS)))
    )
}
_ACTION_IDS, _SOUND_IDS = ({kind: number for number, kind in x.items()} for x in (ACTIONS, SOUNDS))


class PlannedPerceptionVideo(NamedTuple):
    """One video of the miniature: its name, its split, and what happens in it."""

    video_id: str
    split: str
    performances: list[Performance]

    @property
    def annotation(self) -> dict[str, Any]:
        """Its object in the annotation file."""
        visual, audio = (key for key, _ in TRACKS.values())
        return {
            "metadata": {
                "split": self.split,
                "video_id": self.video_id,
                "frame_rate": float(FPS),
                "num_frames": SECONDS * FPS,
                "resolution": list(SIZE[::-1]),
            },
            visual: [_action(i, p) for i, p in enumerate(self.performances)],
            audio: [_sound(i, p) for i, p in enumerate(self.performances)],
        }


def _action(number: int, performance: Performance) -> dict[str, Any]:
    tool, thing, rhythm = kind = performance.tool, performance.thing, performance.rhythm
    label = f"{_RHYTHMS[rhythm]} {_TOOLS[tool]} star at a {_THINGS[thing]} disc"
    return _segment(number, label, _ACTION_IDS[kind], performance.seen)


def _sound(number: int, performance: Performance) -> dict[str, Any]:
    rhythm, pitch, thing = kind = performance.rhythm, performance.pitch, performance.thing
    label = f"{_RHYTHMS[rhythm]} {_PITCHES[pitch]} tone of a {_THINGS[thing]} disc"
    return _segment(number, label, _SOUND_IDS[kind], performance.heard)


def _segment(number: int, label: str, label_id: int, frames: tuple[int, int]) -> dict[str, Any]:
    times = [frame * US_PER_S // FPS for frame in frames]
    values = {"id": number, "label": label, "label_id": label_id}
    return values | {"timestamps": times, "frame_ids": list(frames)}


def miniature_splits(*, train_videos: int, val_videos: int) -> list[tuple[str, str]]:
    """Return each (video_id, split)."""
    splits = ["train"] * train_videos + ["val"] * val_videos
    return [(f"video_{i}", split) for i, split in enumerate(splits)]


def miniature_plan(
    *, train_videos: int, val_videos: int, seed: int
) -> list[PlannedPerceptionVideo]:
    """Return what `render_miniature` renders, without rendering it.

    Raises:
        ConfigError: if a split has no videos.
    """
    counts = {"train_videos": train_videos, "val_videos": val_videos}
    if min(counts.values()) < 1:
        raise ConfigError(f"the miniature needs at least one video of each split, not {counts}")
    return [
        PlannedPerceptionVideo(
            video_id, split, plan_performances(NAME, video_id, SECONDS * FPS, seed)
        )
        for video_id, split in miniature_splits(**counts)
    ]


def render_miniature(
    target: Path, *, train_videos: int, val_videos: int, seed: int, workers: int = 1
) -> list[PlannedPerceptionVideo]:
    """Write `videos/<video_id>.mp4` and the files of ANNOTATION_FILES below `target`.

    The annotations are written when all videos are there. The bytes depend on the arguments but
    not on `workers`.

    Returns:
        the plan of the videos.

    Raises:
        ConfigError: as `miniature_plan`.
    """
    plan = miniature_plan(train_videos=train_videos, val_videos=val_videos, seed=seed)
    happens = {video.video_id: video.performances for video in plan}
    render_videos(target / "videos", NAME, happens, SECONDS * FPS, seed=seed, workers=workers)
    write_annotations(target, plan)
    return plan


def write_annotations(target: Path, plan: Sequence[PlannedPerceptionVideo]) -> None:
    """Write the files of ANNOTATION_FILES."""
    for split in ("train", "val"):
        videos = {video.video_id: video.annotation for video in plan if video.split == split}
        write_json(target / ANNOTATION_FILES[f"annotations.{split}"], videos)
        with atomic_path(target / ANNOTATION_FILES[f"ids.{split}"]) as partial:
            partial.write_text(",".join(videos) + "\n", encoding="utf-8")
    columns = (column for _, column in TRACKS.values())
    label_map = {
        column: {str(label_id): number for number, label_id in enumerate(labels)}
        for column, labels in zip(columns, (ACTIONS, SOUNDS), strict=True)
    }
    write_json(target / ANNOTATION_FILES["label_map"], label_map)
