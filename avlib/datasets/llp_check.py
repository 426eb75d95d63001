"""What does not fit together in the label files of LLP, counted and listed.

Nothing is refused or mended here: published scores count the files as they are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from avlib.datasets.llp import CLASSES, DenseRow, WeakVideo


def check_labels(
    splits: Mapping[str, Sequence[WeakVideo]], dense: Mapping[str, Sequence[DenseRow]]
) -> dict[str, Any]:
    """Return what a reader of the labels should know.

    Args:
        splits: videos of the splits that have dense annotations, `val` and `test`.
        dense: rows of each modality, `audio` and `visual`.

    Returns:
        For each modality of `dense` the number of `rows`; `empty`, rows without length;
        `repeated`, the number of exact repetitions; `overlapping` and `touching`, the numbers of
        rows that begin within or at the end of the row before, by onset, of the same class of a
        video; and `unknown`, the number of rows of each name that is in no split.
        For each split of `splits` the number of `videos`; `repeated_label`, the videos that list
        a class twice; `without_<modality>`, the videos that have no row; and `differing`, the
        videos whose weak labels are other classes than those of all their rows.
    """
    known = {video.filename for videos in splits.values() for video in videos}
    return {
        "dense": {modality: _modality(rows, known) for modality, rows in dense.items()},
        "splits": {split: _split(videos, dense) for split, videos in splits.items()},
    }


def _modality(rows: Sequence[DenseRow], known: set[str]) -> dict[str, Any]:
    neighbours = list(_neighbours(rows))
    return {
        "rows": len(rows),
        "empty": [
            f"{r.filename} {r.onset}-{r.offset} {CLASSES[r.class_id]}" for r in rows if r.is_empty
        ],
        "repeated": len(rows) - len(set(rows)),
        "overlapping": sum(later.onset < row.offset for row, later in neighbours),
        "touching": sum(later.onset == row.offset for row, later in neighbours),
        "unknown": dict(Counter(r.filename for r in rows if r.filename not in known)),
    }


def _neighbours(rows: Sequence[DenseRow]) -> Iterator[tuple[DenseRow, DenseRow]]:
    """Yield rows that follow each other by onset, of one class of a video."""
    groups = defaultdict(list)
    for row in rows:
        groups[row.filename, row.class_id].append(row)
    for group in groups.values():
        group.sort(key=lambda row: row.onset)
        yield from pairwise(group)


def _split(videos: Sequence[WeakVideo], dense: Mapping[str, Sequence[DenseRow]]) -> dict[str, Any]:
    classes: dict[str, set[int]] = defaultdict(set)
    for rows in dense.values():
        for row in rows:
            classes[row.filename].add(row.class_id)
    names = [video.filename for video in videos]
    found: dict[str, Any] = {
        "videos": len(videos),
        "repeated_label": [v.filename for v in videos if len(set(v.class_ids)) < len(v.class_ids)],
    }
    for modality, rows in dense.items():
        annotated = {row.filename for row in rows}
        found[f"without_{modality}"] = [name for name in names if name not in annotated]
    differing = [v.filename for v in videos if set(v.class_ids) != classes[v.filename]]
    return found | {"differing": differing}
