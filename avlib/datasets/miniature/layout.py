"""What the layouts of the miniatures share: their sizes, names and lists."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from avlib.datasets.miniature.things import THINGS
from avlib.errors import ConfigError
from avlib.io.atomic import atomic_path

_ID_LETTERS = list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def check_size(classes: int, videos: Mapping[str, int], splits: Sequence[str]) -> None:
    """Check that a miniature has a possible number of classes, and videos in each split.

    Args:
        classes: number of classes.
        videos: number of videos of each split, of one class or of all.
        splits: the splits there are.

    Raises:
        ConfigError: if the number of classes or a split is out of range.
    """
    if not 2 <= classes <= len(THINGS):
        raise ConfigError(f"the miniature has 2 to {len(THINGS)} classes, not {classes}")
    if set(videos) != set(splits) or min(videos.values()) < 1:
        raise ConfigError(
            f"the miniature needs at least one video in each of {', '.join(splits)}, "
            f"not {dict(videos)}"
        )


def id_letters(count: int, rng: np.random.Generator) -> str:
    """Return letters, digits and signs that the ids of YouTube consist of."""
    return "".join(rng.choice(_ID_LETTERS, count))


def write_lines(target: Path, lines: Sequence[str]) -> None:
    """Write a text file."""
    with atomic_path(target) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
