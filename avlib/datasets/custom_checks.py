"""Whether a network can be trained and evaluated on one's own events."""

from collections.abc import Iterable

import pandas as pd

from avlib.datasets.ave import BACKGROUND
from avlib.datasets.splits import SPLITS
from avlib.errors import DataError

SHOWN = 5  # names of classes in a message


def check_events(events: pd.DataFrame, key: str) -> None:
    """Check that there are videos and classes to tell apart.

    Args:
        events: table of kind EVENTS.
        key: of the configuration that names their file, for messages.

    Raises:
        DataError: if there is one video or one class, or no event to train on or to evaluate.
    """
    videos = events["video_id"].unique()
    if len(videos) < 2:
        raise DataError(
            f"{key}: all events are of one video, {videos[0]}; a network is trained on some videos "
            "and evaluated on others: label events of two more"
        )
    labels = sorted(set(events["label"]) - {BACKGROUND})
    if len(labels) < 2:
        found = f"one class, {labels[0]}" if labels else f"no class but {BACKGROUND}"
        raise DataError(
            f"{key}: the events have {found}; a network is trained to tell classes apart: label "
            "events of a second class, or leave the CSV out to find events by their names"
        )
    for split, purpose in (("train", "to train on"), ("test", "to evaluate")):
        if split not in set(events["split"]):
            raise DataError(
                f"{key}: no event {purpose}; give a video of each class the split {split}, or "
                "leave the column `split` out"
            )


def split_notices(events: pd.DataFrame) -> list[str]:
    """Return a line for each split that lacks classes of the others, or all, with the remedy."""
    labels = {split: set(events.loc[events["split"] == split, "label"]) for split in SPLITS}
    effects = {
        "train": "are never predicted",
        "val": "do not count when the best epoch is chosen",
        "test": "are not evaluated",
    }
    lines = []
    if not labels["val"]:
        lines.append(
            "no video is in val: the best epoch is the best one on train; label more videos, or "
            "give some the split val"
        )
        effects.pop("val")
    for split, effect in effects.items():
        lacking: set[str] = set().union(*labels.values()) - labels[split] - {BACKGROUND}
        if lacking:
            lines.append(
                f"{split} has no event of {_listed(lacking)}; classes that it lacks {effect}: "
                "label them in four or more videos, or leave the column `split` out"
            )
    return lines


def _listed(labels: Iterable[str]) -> str:
    names = sorted(labels)
    more = f" and {len(names) - SHOWN} more classes" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
