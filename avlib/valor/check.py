"""Whether the files of a study of LLP can be used, and what does not fit together in its labels.

Disagreements of the labels are counted and listed, not mended: published scores count the files as
they are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from avlib.datasets.llp import CLASSES, DENSE, DenseRow, WeakVideo, read_dense, read_splits
from avlib.datasets.splits import SPLITS
from avlib.io.atomic import write_json
from avlib.valor.feature_folders import FeatureFolder, videos_with_files
from avlib.valor.pseudo_labels import read_pseudo_labels


def check_study(
    labels: Mapping[str, Path],
    *,
    features: Mapping[str, Path],
    pseudo_labels: Mapping[str, Path],
    skips_missing: bool,
    target: Path,
) -> None:
    """Write what the labels have and where they disagree, if all given files can be used.

    Args:
        labels: label files by name, as `label_files` returns them.
        features: given folders of features by kind.
        pseudo_labels: given folders of pseudo labels by modality; those of split train are asked.
        skips_missing: whether videos that given folders lack are left out; else they are an error.
        target: JSON file to write.

    Raises:
        DataError: naming the file and the row or what is expected, if labels cannot be read, or a
            given folder lacks videos or holds arrays of another shape.
    """
    splits = read_splits({split: labels[split] for split in SPLITS})
    dense = {modality: read_dense(labels[modality]) for modality in DENSE}
    video_ids = {split: [v.video_id for v in videos] for split, videos in splits.items()}
    everything = [video_id for ids in video_ids.values() for video_id in ids]
    for kind, folder in features.items():
        FeatureFolder(folder, kind, _wanted(everything, folder, skips_missing))
    for folder in pseudo_labels.values():
        read_pseudo_labels(folder, _wanted(video_ids["train"], folder, skips_missing))
    found = check_labels({split: splits[split] for split in ("val", "test")}, dense)
    write_json(target, found | {"train": {"videos": len(splits["train"])}})


def _wanted(video_ids: Sequence[str], folder: Path, skips_missing: bool) -> Sequence[str]:
    if not skips_missing:
        return video_ids
    there = videos_with_files(folder)
    return [video_id for video_id in video_ids if video_id in there]


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
