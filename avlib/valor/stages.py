"""Stages of the study of LLP: a parser's training, its answers, and its metrics.

Sources: Tian et al., ECCV 2020 (HAN); Lai et al., NeurIPS 2023 (VALOR). Videos without a feature
or a pseudo label, because they are gone or broken, are left out and named.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.datasets.llp import WeakVideo, dense_labels, read_dense, read_videos, weak_labels
from avlib.device import resolve_device
from avlib.errors import DataError
from avlib.io.arrays import write_arrays
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash, load_state_dict
from avlib.io.provenance import code_fingerprint
from avlib.valor.feature_folders import FeatureFolder, videos_with_features, videos_with_files
from avlib.valor.metrics import TABLE, Events, find_events, parsing_metrics
from avlib.valor.objective import load_event_parser, network_sizes
from avlib.valor.pseudo_labels import read_pseudo_labels
from avlib.valor.recipes import EVENT_PARSING_RECIPES, MODALITIES, EventParsingRecipe
from avlib.valor.task import Criterion, predict
from avlib.valor.training import ParsingOutputs, train_event_parser
from avlib.valor.videos import ParsingVideos

logger = logging.getLogger(__name__)

CRITERION = "Seg-type"  # Type@AV of the segments, as published
WIDTHS_OF_WEIGHTS = {"audio": "fc_a.weight", "visual": "fc_v.weight", "motion": "fc_st.weight"}


@dataclass(frozen=True)
class FeatureSource:
    """Where features of one kind are.

    Attributes:
        kind: key of `avlib.valor.feature_folders.FEATURES`.
        folder: of `<video_id>.npy`.
        indices: tables of kind FEATURES, where they were made here; a given folder has all videos.
    """

    kind: str
    folder: Path
    indices: Sequence[Path] = ()


@dataclass(frozen=True)
class PseudoLabelSource:
    """Where the segment labels of a teacher are.

    Attributes:
        folder: of `<video_id>.npy`.
        is_given: whether it came from outside, and so has all videos.
    """

    folder: Path
    is_given: bool


@dataclass(frozen=True)
class StudyFiles:
    """What a parser learns from or is asked about.

    Attributes:
        labels: tables of LLP by name: train, val, test, audio and visual.
        features: of `audio`, `visual` (2-D) and `motion` (3-D).
        pseudo_labels: of `audio` and `visual`; None for a network that needs none.
        skips_missing: whether videos that given folders lack are left out; else they are an error.
    """

    labels: Mapping[str, Path]
    features: Mapping[str, FeatureSource]
    pseudo_labels: Mapping[str, PseudoLabelSource] | None = None
    skips_missing: bool = False


def study_files(
    labels: Mapping[str, str],
    features: Mapping[str, Mapping[str, Any]],
    pseudo_labels: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    skips_missing: bool,
) -> StudyFiles:
    """Return what a parser learns from or is asked about, from paths as the workflow has them.

    Args:
        labels: paths by name.
        features: `kind`, `folder` and `indices` of each modality.
        pseudo_labels: `folder` and `is_given` of each modality.
        skips_missing: see `StudyFiles`.
    """
    return StudyFiles(
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


def variant_recipe(
    variant: str,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
) -> EventParsingRecipe:
    """Return the published recipe of a variant with some of its values changed."""
    recipe = EVENT_PARSING_RECIPES[variant]
    return replace(
        recipe,
        epochs=epochs or recipe.epochs,
        batch_size=batch_size or recipe.batch_size,
        lr=learning_rate or recipe.lr,
    )


def check_given_parser(path: Path, variant: str, *, target: Path) -> None:
    """Write what a checkpoint is, if it is of a variant's network with the classes of LLP.

    Raises:
        CheckpointError: if it cannot be read, or does not fit.
    """
    widths = open_given_parser(path, variant)
    write_json(target, {"variant": variant, "widths": widths, "sha256": file_hash(path)})


def open_given_parser(path: Path, variant: str) -> dict[str, int]:
    """Return the widths of the features that a checkpoint of a variant takes, by modality.

    Raises:
        CheckpointError: as `check_given_parser`.
    """
    recipe, state = EVENT_PARSING_RECIPES[variant], load_state_dict(path)
    found = {m: state[name].shape[-1] for m, name in WIDTHS_OF_WEIGHTS.items() if name in state}
    sizes = network_sizes(recipe, found if len(found) == len(MODALITIES) else None)
    load_event_parser(path, recipe.network, **sizes)
    return found


def train_parser(
    files: StudyFiles,
    *,
    recipe: EventParsingRecipe,
    device: str,
    threshold: float,
    keeps_epochs: bool,
    outputs: ParsingOutputs,
) -> None:
    """Train a variant on split train; split val says which epoch is best.

    Args:
        files: what it learns.
        recipe: how.
        device: auto, cpu or cuda.
        threshold: probabilities at or above it are positive.
        keeps_epochs: whether the weights of every epoch are kept; those of an earlier training are
            removed if not.
        outputs: files to write.

    Raises:
        ConfigError: as `train_event_parser`.
        DataError: if a feature or a pseudo label is missing in a given folder, or wrong.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    if not keeps_epochs and outputs.epochs_folder is not None:
        shutil.rmtree(outputs.epochs_folder, ignore_errors=True)
        outputs = replace(outputs, epochs_folder=None)
    names, validated = (_usable(files, split) for split in ("train", "val"))
    truth = dense_events(files.labels, validated)
    train_event_parser(
        _load(files, names, segment_labels=_segment_labels(files, names)),
        _load(files, validated, segment_labels=_optional_segment_labels(files, validated)),
        recipe=recipe,
        criterion=_criterion(truth, threshold),
        criterion_key=_criterion_key(truth, threshold),
        device=resolve_device(device),
        outputs=outputs,
    )


def predict_parser(
    files: StudyFiles, *, recipe: EventParsingRecipe, weights: Path, device: str, target: Path
) -> None:
    """Write what a variant says of split test.

    Args:
        files: what it is asked.
        recipe: of the network.
        weights: a plain state dictionary.
        device: auto, cpu or cuda.
        target: `.npz` file with `video_ids` (N,), `video_probs` (N, K) and `segment_probs`
            (N, T, 2, K), where modality 0 is sound and 1 is picture.

    Raises:
        CheckpointError: if the weights do not fit.
        DataError: if there are no videos, or a feature is missing in a given folder, or wrong.
    """
    torch.set_num_threads(1)
    videos = _usable(files, "test")
    if not videos:
        raise DataError(f"{files.labels['test']}: no video of it has all features")
    data = _load(files, videos)
    sizes = network_sizes(recipe, data.widths, num_classes=data.num_classes)
    model = load_event_parser(weights, recipe.network, **sizes).to(resolve_device(device))
    whole, segments, _ = predict(model, data, recipe.batch_size, lambda: None)
    arrays = {"video_probs": whole, "segment_probs": segments}
    write_arrays({"video_ids": np.array(data.video_ids), **arrays}, target)


def dense_events(labels: Mapping[str, Path], videos: Sequence[WeakVideo]) -> Events:
    """Return the dense labels of videos, (N, K, T) of sound and of picture."""
    names = [video.filename for video in videos]
    return Events(*(dense_labels(names, read_dense(labels[m])) for m in ("audio", "visual")))


def _criterion(truth: Events, threshold: float) -> Criterion:
    def score(
        whole: NDArray[np.float32], segments: NDArray[np.float32]
    ) -> tuple[float, dict[str, Any]]:
        metrics = parsing_metrics(find_events(whole, segments, threshold), truth)
        return metrics[CRITERION], {name: metrics[name] for name in TABLE}

    return score


def _criterion_key(truth: Events, threshold: float) -> bytes:
    code = code_fingerprint("avlib.valor.metrics")
    masks = [np.ascontiguousarray(mask).tobytes() for mask in truth]
    return b"".join([repr((threshold, code)).encode(), *masks])


def _usable(files: StudyFiles, split: str) -> list[WeakVideo]:
    """Return the videos of a split that have all features, and labels of teachers to learn."""
    videos = read_videos(files.labels[split])
    available = {video.video_id for video in videos}
    for source in files.features.values():
        if source.indices:
            available &= videos_with_features(source.indices)
        elif files.skips_missing:
            available &= videos_with_files(source.folder)
    for labels in (files.pseudo_labels or {}).values():
        if split == "train" and (files.skips_missing or not labels.is_given):
            available &= videos_with_files(labels.folder)
    found = [video for video in videos if video.video_id in available]
    if len(found) < len(videos):
        lost = [video.video_id for video in videos if video.video_id not in available]
        names = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
        logger.warning("%d of %d %s videos are left out: %s", len(lost), len(videos), split, names)
    return found


def _load(
    files: StudyFiles,
    videos: Sequence[WeakVideo],
    segment_labels: Mapping[str, NDArray[np.uint8]] | None = None,
) -> ParsingVideos:
    video_ids = [video.video_id for video in videos]
    folders = {
        name: FeatureFolder(source.folder, source.kind, video_ids)
        for name, source in files.features.items()
    }
    return ParsingVideos(folders, weak_labels(videos), segment_labels)


def _segment_labels(
    files: StudyFiles, videos: Sequence[WeakVideo]
) -> dict[str, NDArray[np.uint8]] | None:
    if files.pseudo_labels is None:
        return None
    video_ids = [video.video_id for video in videos]
    return {
        name: read_pseudo_labels(source.folder, video_ids)
        for name, source in files.pseudo_labels.items()
    }


def _optional_segment_labels(
    files: StudyFiles, videos: Sequence[WeakVideo]
) -> dict[str, NDArray[np.uint8]] | None:
    """Return the labels of validated videos, which only their loss needs, if all have some."""
    folders = [source.folder for source in (files.pseudo_labels or {}).values()]
    lacking = [
        video.video_id
        for video in videos
        if not all((folder / f"{video.video_id}.npy").is_file() for folder in folders)
    ]
    if lacking:
        logger.warning(
            "%d of %d val videos have no pseudo labels, %s the first; there is no loss of val",
            len(lacking),
            len(videos),
            lacking[0],
        )
        return None
    return _segment_labels(files, videos)
