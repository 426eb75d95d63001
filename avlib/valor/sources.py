"""Where the features and labels of LLP are, and which videos have all that the parser needs.

Videos without a feature or pseudo labels, for example because their files are missing or damaged,
are left out with a warning.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.llp import WeakVideo, read_videos, weak_labels
from avlib.valor.feature_folders import FeatureFolder, videos_with_features, videos_with_files
from avlib.valor.pseudo_labels import read_pseudo_labels
from avlib.valor.videos import ParserVideos

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureSource:
    """Features of one kind.

    Attributes:
        kind: key of `avlib.valor.feature_folders.FEATURE_KINDS`.
        folder: folder of `<video_id>.npy`.
        indices: tables of kind FEATURES, if the features were extracted here; without any, the
            folder is a given one and has to hold all videos.
    """

    kind: str
    folder: Path
    indices: Sequence[Path] = ()


@dataclass(frozen=True)
class PseudoLabelSource:
    """Pseudo labels of one teacher.

    Attributes:
        folder: folder of `<video_id>.npy`.
        is_given: whether it is a given folder, which has to hold all videos.
    """

    folder: Path
    is_given: bool


@dataclass(frozen=True)
class ParserSources:
    """Files that the parser is trained on or predicts from.

    Attributes:
        labels: tables of LLP by name: train, val, test, audio and visual.
        features: of `audio`, `visual` (2-D) and `motion` (3-D).
        pseudo_labels: of `audio` and `visual`; None if none are needed.
        skips_missing: whether videos missing in given folders are left out; else they are an error.
    """

    labels: Mapping[str, Path]
    features: Mapping[str, FeatureSource]
    pseudo_labels: Mapping[str, PseudoLabelSource] | None = None
    skips_missing: bool = False


def parser_sources(
    labels: Mapping[str, str],
    features: Mapping[str, Mapping[str, Any]],
    pseudo_labels: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    skips_missing: bool,
) -> ParserSources:
    """Return sources from paths as strings, as the workflow passes them to a job.

    Args:
        labels: paths by name.
        features: `kind`, `folder` and `indices` of each modality.
        pseudo_labels: `folder` and `is_given` of each modality.
        skips_missing: see `ParserSources`.
    """
    return ParserSources(
        labels={name: Path(path) for name, path in labels.items()},
        features={
            name: FeatureSource(f["kind"], Path(f["folder"]), [Path(p) for p in f["indices"]])
            for name, f in features.items()
        },
        pseudo_labels=None
        if pseudo_labels is None
        else {
            name: PseudoLabelSource(Path(p["folder"]), p["is_given"])
            for name, p in pseudo_labels.items()
        },
        skips_missing=skips_missing,
    )


def complete_videos(sources: ParserSources, split: str) -> list[WeakVideo]:
    """Return the videos of a split that have all features and, for training, pseudo labels.

    Args:
        sources: files.
        split: train, val or test.

    Raises:
        DataError: if the list of the split cannot be read.
    """
    videos = read_videos(sources.labels[split])
    available = {video.video_id for video in videos}
    for source in sources.features.values():
        if source.indices:
            available &= videos_with_features(source.indices)
        elif sources.skips_missing:
            available &= videos_with_files(source.folder)
    for labels in (sources.pseudo_labels or {}).values():
        if split == "train" and (sources.skips_missing or not labels.is_given):
            available &= videos_with_files(labels.folder)
    found = [video for video in videos if video.video_id in available]
    if len(found) < len(videos):
        lost = [video.video_id for video in videos if video.video_id not in available]
        names = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
        logger.warning("%d of %d %s videos are left out: %s", len(lost), len(videos), split, names)
    return found


def load_videos(
    sources: ParserSources,
    videos: Sequence[WeakVideo],
    segment_labels: Mapping[str, NDArray[np.uint8]] | None = None,
) -> ParserVideos:
    """Return the features and labels of videos.

    Args:
        sources: files.
        videos: from `complete_videos`.
        segment_labels: pseudo labels of these videos by modality; None without any.

    Raises:
        DataError: as `FeatureFolder`.
    """
    video_ids = [video.video_id for video in videos]
    folders = {
        name: FeatureFolder(source.folder, source.kind, video_ids)
        for name, source in sources.features.items()
    }
    return ParserVideos(folders, weak_labels(videos), segment_labels)


def load_pseudo_labels(
    sources: ParserSources, videos: Sequence[WeakVideo]
) -> dict[str, NDArray[np.uint8]] | None:
    """Return the pseudo labels of videos by modality, (N, T, K) each; None if none are needed.

    Raises:
        DataError: as `read_pseudo_labels`.
    """
    if sources.pseudo_labels is None:
        return None
    video_ids = [video.video_id for video in videos]
    return {
        name: read_pseudo_labels(source.folder, video_ids)
        for name, source in sources.pseudo_labels.items()
    }


def load_validation_labels(
    sources: ParserSources, videos: Sequence[WeakVideo]
) -> dict[str, NDArray[np.uint8]] | None:
    """Return the pseudo labels of validation videos if all have any, else None.

    Only the validation loss needs them.

    Raises:
        DataError: as `read_pseudo_labels`.
    """
    folders = [source.folder for source in (sources.pseudo_labels or {}).values()]
    lacking = [
        video.video_id
        for video in videos
        if not all((folder / f"{video.video_id}.npy").is_file() for folder in folders)
    ]
    if lacking:
        logger.warning(
            "%d of %d val videos have no pseudo labels, for example %s; no validation loss",
            len(lacking),
            len(videos),
            lacking[0],
        )
        return None
    return load_pseudo_labels(sources, videos)
