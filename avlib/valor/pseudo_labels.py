"""Pseudo labels of segments: thresholded logits of the teachers, gated by the weak labels.

Source: Lai et al., "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser" (VALOR), NeurIPS 2023, and its published code. A folder of pseudo labels, published or made
here, has one file `<video id>.npy` per video, (10, 25) of 0 and 1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avlib.datasets.llp import CLASSES, SECONDS, WeakVideo, weak_labels
from avlib.errors import DataError
from avlib.io.arrays import read_arrays
from avlib.io.atomic import atomic_folder

# Published thresholds of the logits, by class.
# fmt: off
CLIP_THRESHOLDS = (
    20, 15, 18, 14, 15, 18, 18, 15, 15, 15, 15, 18, 15, 15, 15, 15, 15, 15, 15, 16, 14, 15, 15, 15,
    18,
)
CLAP_THRESHOLDS = (
    0, 0, 1, 4, 6, -2, 4, 4, 2, 2, 2, 1, 2, 3, 0, 2, 2, 2, 0, 2, -1, 2, 3, 3, 0,
)
# fmt: on
THRESHOLDS = {"audio": CLAP_THRESHOLDS, "visual": CLIP_THRESHOLDS}


def pseudo_labels(logits: ArrayLike, weak: ArrayLike, thresholds: ArrayLike) -> NDArray[np.int64]:
    """Return 1 for segments with a logit above the threshold of a class of their video, else 0.

    Args:
        logits: (..., T, K) of a teacher.
        weak: (..., K) weak labels of the videos, non-zero for classes of the video.
        thresholds: (K,), in the precision of the logits; a logit equal to its threshold is
            negative.

    Returns:
        (..., T, K).

    Raises:
        ValueError: if the shapes do not match, or a logit is NaN.
    """
    scores, labels = np.asarray(logits), np.asarray(weak)
    limits = np.asarray(thresholds, dtype=np.result_type(scores, np.float16))
    if scores.ndim < 2 or labels.shape != (*scores.shape[:-2], scores.shape[-1]):
        raise ValueError(
            f"expected logits (..., T, K) and weak labels (..., K), got {scores.shape} and "
            f"{labels.shape}"
        )
    if limits.shape != scores.shape[-1:]:
        raise ValueError(f"expected {scores.shape[-1]} thresholds, got the shape {limits.shape}")
    if np.isnan(scores).any():
        raise ValueError(f"{np.isnan(scores).sum()} logits are NaN")
    return ((scores > limits) & (labels != 0)[..., None, :]).astype(np.int64)


def make_pseudo_labels(
    logits: Path,
    videos: Sequence[WeakVideo],
    *,
    thresholds: ArrayLike,
    dtype: Literal["int64", "uint8"],
    target: Path,
) -> None:
    """Write a folder of pseudo labels from stored logits.

    Args:
        logits: `.npz` file with `video_ids` (N,) and `logits` (N, T, K) of a teacher.
        videos: videos with weak labels; those without logits get no file.
        thresholds: (K,), see `pseudo_labels`.
        dtype: int64 as published, or uint8, an eighth of the size.
        target: folder to write, whole or not at all.

    Raises:
        DataError: if the logits cannot be read, or are of none of the videos.
    """
    arrays = read_arrays(logits)
    rows = dict(zip(arrays["video_ids"].tolist(), arrays["logits"], strict=True))
    found = [video for video in videos if video.video_id in rows]
    if not found:
        raise DataError(f"{logits}: holds none of {len(videos)} videos; compute it again")
    scores = np.stack([rows[video.video_id] for video in found])
    labels = pseudo_labels(scores, weak_labels(found), thresholds)
    with atomic_folder(target) as partial:
        for video, segments in zip(found, labels.astype(dtype), strict=True):
            np.save(partial / f"{video.video_id}.npy", segments, allow_pickle=False)


def read_pseudo_labels(folder: Path, video_ids: Sequence[str]) -> NDArray[np.uint8]:
    """Return the pseudo labels of videos from a folder: (N, T, K) of 0 and 1.

    Args:
        folder: folder of one modality, published or made here.
        video_ids: N ids of 11 characters.

    Raises:
        DataError: with the number of missing files; or with the name of a file that cannot be
            read, or holds anything but (10, 25) integers or booleans of 0 and 1.
    """
    paths = [folder / f"{video_id}.npy" for video_id in video_ids]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        few = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise DataError(
            f"{folder}: {len(missing)} of {len(paths)} videos have no pseudo labels: {few}; "
            "correct the folder, or leave it out so that they are made"
        )
    labels = np.empty((len(paths), SECONDS, len(CLASSES)), dtype=np.uint8)
    for row, path in zip(labels, paths, strict=True):
        row[:] = _read(path)
    return labels


def _read(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        remedy = f"replace it, or delete {path.parent} if the workflow has made it"
        raise DataError(f"{path}: not a readable .npy file ({error}); {remedy}") from error
    expected = f"expected {SECONDS} segments by {len(CLASSES)} classes"
    if not isinstance(array, np.ndarray) or array.shape != (SECONDS, len(CLASSES)):
        found = getattr(array, "shape", "several arrays")
        raise DataError(f"{path}: pseudo labels of shape {found}, {expected}")
    if array.dtype.kind not in "iub":
        raise DataError(f"{path}: holds {array.dtype}, expected integers or booleans")
    if not np.isin(array, (0, 1)).all():
        raise DataError(f"{path}: holds values from {array.min()} to {array.max()}, expected 0, 1")
    return array
