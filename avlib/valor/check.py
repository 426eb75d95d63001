"""Stage check_llp: validate labels and given folders, and list inconsistencies of the labels.

Inconsistencies are counted and listed, not corrected: published scores use the files unchanged.
"""

import logging
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

logger = logging.getLogger(__name__)

NAMES_LISTED = 10  # of missing videos


def check_llp(
    labels: Mapping[str, Path],
    *,
    features: Mapping[str, Path],
    pseudo_labels: Mapping[str, Path],
    skips_missing: bool,
    target: Path,
) -> None:
    """Write a summary of the labels and given folders, if all of them can be used.

    Args:
        labels: label files by name: train, val, test, audio and visual.
        features: given folders of features by kind.
        pseudo_labels: given folders of pseudo labels by modality, which have to hold split train.
        skips_missing: whether videos missing in given folders are left out; else they are an error.
        target: JSON file to write.

    Raises:
        DataError: if labels cannot be read, or a given folder lacks videos or holds arrays of
            another shape; the message names the file, and the row or the expected shape.
    """
    splits = read_splits({split: labels[split] for split in SPLITS})
    dense = {modality: read_dense(labels[modality]) for modality in DENSE}
    video_ids = {split: [v.video_id for v in videos] for split, videos in splits.items()}
    everything = [video_id for ids in video_ids.values() for video_id in ids]
    folders: dict[str, Any] = {}
    for kind, folder in features.items():
        there, folders[f"features.{kind}"] = count_folder(folder, everything)
        FeatureFolder(folder, kind, there if skips_missing else everything)
    for modality, folder in pseudo_labels.items():
        there, folders[f"pseudo_labels.{modality}"] = count_folder(folder, video_ids["train"])
        read_pseudo_labels(folder, there if skips_missing else video_ids["train"])
    for name, counts in folders.items():
        logger.info("%s: %s", name, counts)
    found = check_labels({split: splits[split] for split in ("val", "test")}, dense)
    write_json(target, found | {"train": {"videos": len(splits["train"])}, "folders": folders})


def count_folder(folder: Path, video_ids: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the videos that have a file in a folder, and how many files there are.

    Args:
        folder: folder of `<video id>.npy`.
        video_ids: videos that are looked for.

    Returns:
        The videos with a file; and `found`: number of `.npy` files; `used`: number of files of
        `video_ids`; `left_out`: as `missing`, if any, the `count` of videos without a file and up
        to NAMES_LISTED `names` of them; `passed_over`: number of files of other videos by suffix.
    """
    files = videos_with_files(folder)
    there = [video_id for video_id in video_ids if video_id in files]
    missing = [video_id for video_id in video_ids if video_id not in files]
    others = len(files) - len(there)
    left_out = {"missing": {"count": len(missing), "names": missing[:NAMES_LISTED]}}
    return there, {
        "found": len(files),
        "used": len(there),
        "left_out": left_out if missing else {},
        "passed_over": {".npy": others} if others else {},
    }


def check_labels(
    splits: Mapping[str, Sequence[WeakVideo]], dense: Mapping[str, Sequence[DenseRow]]
) -> dict[str, Any]:
    """Return statistics and inconsistencies of the labels.

    Args:
        splits: videos of the splits with dense annotations, `val` and `test`.
        dense: rows of each modality, `audio` and `visual`.

    Returns:
        For each modality of `dense` the number of `rows`; `empty`: rows of zero length;
        `repeated`: number of exact duplicates; `overlapping` and `touching`: numbers of rows that
        begin within or at the end of the previous row, by onset, of the same class and video; and
        `unknown`: number of rows of each name that is in no split.
        For each split of `splits` the number of `videos`; `repeated_label`: videos that list a
        class twice; `without_<modality>`: videos without a row; and `differing`: videos whose weak
        labels differ from the classes of all their rows.
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
    """Yield pairs of consecutive rows, by onset, of each class of a video."""
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
