"""The splits of a data set, and the split of a video that no annotation assigns."""

import hashlib
from typing import Literal, get_args

Split = Literal["train", "val", "test"]
SPLITS: tuple[str, ...] = get_args(Split)


def split_of(video_id: str) -> Split:
    """Return the split that a hash of the id assigns: 80 % train, 10 % val, 10 % test.

    It depends on the id alone, so that further videos never move the others.
    """
    share = share_of(video_id)
    return "train" if share < 0.8 else "val" if share < 0.9 else "test"


def share_of(video_id: str) -> float:
    """Return the place in [0, 1) that a hash of the id gives a video among all others."""
    return int(short_hash(video_id), 16) / 16**16


def short_hash(*parts: str) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
