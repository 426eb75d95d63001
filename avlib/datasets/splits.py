"""The splits of a data set, and the splits of videos that no annotation assigns."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Literal, get_args

Split = Literal["train", "val", "test"]
SPLITS: tuple[str, ...] = get_args(Split)
_ORDER: tuple[Split, ...] = get_args(Split)
EVALUATED_SHARE = 0.15  # of the videos of a class, in val and in test each
# Videos of val below which it has none: fewer choose an epoch by chance, and TIM does better that
# learns from them as well.
LEAST_VAL = 10


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


def stratified_splits(labels: Mapping[str, Collection[str]], seed: int) -> dict[str, Split]:
    """Return a split for each video, such that each class has its share of videos in all splits.

    The videos of the rarest class are shared out first, each to the split that lacks most of the
    class (Sechidis et al., "On the Stratification of Multi-label Data", ECML PKDD 2011). Of a class
    val and test get EVALUATED_SHARE of the videos each, test one at least where it has two, val
    where it has four: of three, a second one to learn from tells more than one that only helps to
    choose the epoch. A val of fewer than LEAST_VAL videos goes to train. Of two videos one is of
    test, whatever their classes.

    Args:
        labels: classes of each video, by its id.
        seed: decides which of a class's videos go where.
    """
    order = sorted(labels, key=lambda video_id: short_hash(str(seed), video_id))
    counts = Counter(label for found in labels.values() for label in set(found))
    needs = {label: _wanted(count) for label, count in counts.items()}
    splits: dict[str, Split] = {}
    while left := [video_id for video_id in order if video_id not in splits]:
        remaining = Counter(label for v in left for label in set(labels[v]))
        if not remaining:  # videos without a class
            splits |= dict.fromkeys(left, "train")
            break
        rarest = min(remaining, key=lambda label: (remaining[label], label))
        for video_id in (v for v in left if rarest in labels[v]):
            splits[video_id] = split = max(_ORDER, key=lambda s: needs[rarest][s])
            for label in set(labels[video_id]):
                needs[label][split] -= 1
    if sum(split == "val" for split in splits.values()) < LEAST_VAL:
        splits = {v: "train" if split == "val" else split for v, split in splits.items()}
    least: tuple[tuple[Split, int], ...] = (("train", 1), ("test", 2))
    for split, n_videos in least:
        if split not in splits.values() and len(order) >= n_videos:
            splits[_spared(splits, labels, order)] = split
    return splits


def _wanted(count: int) -> dict[Split, int]:
    """Return how many of a class's videos each split should have."""
    n_test = max(round(EVALUATED_SHARE * count), 1) if count > 1 else 0
    n_val = n_test if count > 3 else 0
    return {"train": count - n_val - n_test, "val": n_val, "test": n_test}


def _spared(
    splits: Mapping[str, Split], labels: Mapping[str, Collection[str]], order: list[str]
) -> str:
    """Return the video of the largest split whose classes that split has most other videos of."""
    largest = Counter(splits[video_id] for video_id in order).most_common(1)[0][0]
    members = [video_id for video_id in order if splits[video_id] == largest]
    counts = Counter(label for v in members for label in set(labels[v]))
    return max(members, key=lambda v: min((counts[label] for label in labels[v]), default=0))
