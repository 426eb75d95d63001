"""Stage train_parser: a parser trained on split train, the best epoch selected on split val."""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.datasets.llp import read_dense_labels
from avlib.device import resolve_device
from avlib.errors import DataError
from avlib.io.atomic import write_json
from avlib.io.provenance import code_fingerprint
from avlib.training.loop import fit
from avlib.training.state import Progress, remove_states, state_key
from avlib.valor.metrics import TABLE, Events, find_events, parsing_metrics
from avlib.valor.objective import EpochOrders
from avlib.valor.recipes import ParserRecipe, ParserTraining
from avlib.valor.sources import (
    ParserSources,
    complete_videos,
    load_pseudo_labels,
    load_validation_labels,
    load_videos,
)
from avlib.valor.task import ParserCriterion, ParserTask, remove_later_epochs, write_checkpoint
from avlib.valor.videos import ParserVideos
from avlib.valor.weights import network_sizes, new_parser

logger = logging.getLogger(__name__)

CRITERION = "Seg-type"  # Type@AV of segments, as published


@dataclass(frozen=True)
class ParserOutputs:
    """Files that a training writes.

    Attributes:
        state_directory: training state after every epoch; removed at the end.
        best: checkpoint of the best epoch, a plain state dictionary as published.
        last: checkpoint of the last epoch.
        log: one JSON line per epoch.
        metrics: JSON file with the best epoch and its log entry.
        epochs_folder: folder of `checkpoint_epoch_<number>.pt` of every epoch; None: not kept.
    """

    state_directory: Path
    best: Path
    last: Path
    log: Path
    metrics: Path
    epochs_folder: Path | None = None

    def finish(self, model: nn.Module, progress: Progress, summary: Mapping[str, Any]) -> None:
        """Write weights and metrics; remove what only an unfinished training needs."""
        write_checkpoint(self.last, model.state_dict())
        write_checkpoint(self.best, progress.best_model)
        if self.epochs_folder is not None:
            remove_later_epochs(self.epochs_folder, progress.epoch)
        write_json(self.metrics, summary)
        remove_states(self.state_directory)


def train_parser(
    sources: ParserSources,
    variant: str,
    training: ParserTraining,
    *,
    threshold: float,
    device: str,
    outputs: ParserOutputs,
) -> None:
    """Train a variant on split train and select its best epoch on split val.

    Args:
        sources: features and labels.
        variant: key of PARSER_RECIPES.
        training: changes of the recipe; unless it keeps the weights of every epoch, those of an
            earlier training are removed.
        threshold: probabilities at or above it are positive.
        device: auto, cpu or cuda.
        outputs: files to write.

    Raises:
        ConfigError: as `fit_parser`.
        DataError: if a feature or a pseudo label is missing in a given folder or damaged.
    """
    torch.set_num_threads(1)  # another number changes the last bits
    if not training.keep_epochs and outputs.epochs_folder is not None:
        shutil.rmtree(outputs.epochs_folder, ignore_errors=True)
        outputs = replace(outputs, epochs_folder=None)
    names, validated = (complete_videos(sources, split) for split in ("train", "val"))
    truth = Events(**read_dense_labels(sources.labels, validated))
    fit_parser(
        load_videos(sources, names, load_pseudo_labels(sources, names)),
        load_videos(sources, validated, load_validation_labels(sources, validated)),
        recipe=training.recipe(variant),
        criterion=_criterion(truth, threshold),
        criterion_key=_criterion_key(truth, threshold),
        device=resolve_device(device),
        outputs=outputs,
    )


def fit_parser(
    training: ParserVideos,
    validation: ParserVideos,
    *,
    recipe: ParserRecipe,
    criterion: ParserCriterion,
    criterion_key: bytes,
    device: torch.device,
    outputs: ParserOutputs,
) -> None:
    """Train on one split and write the weights of the epoch with the best score on the other.

    Initial weights, order and learning rates equal those of the published program with the
    recipe's seed; dropout does not. Interruptions do not change the bytes.

    Args:
        training: videos to train on.
        validation: videos that the epochs are compared on.
        recipe: architecture and training.
        criterion: from probabilities of the videos (N, K) and segments (N, T, 2, K) of
            `validation` to the score and what to log; published is Type@AV.
        criterion_key: fingerprint of the criterion.
        device: torch device.
        outputs: files to write.

    Raises:
        ConfigError: if pseudo labels are needed and not there, or the loss is not finite.
        DataError: if a split is empty or unlike the other, or a feature is not finite.
    """
    task, drawn = _first_task(training, validation, recipe, criterion, device)
    task.epochs_folder = outputs.epochs_folder
    key = _state_key(recipe, device, drawn, training, validation, criterion_key)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        progress = fit(task, directory=outputs.state_directory, key=key, log=outputs.log)
    outputs.finish(task.model, progress, _summary(recipe, progress, training, validation))


def _first_task(
    training: ParserVideos,
    validation: ParserVideos,
    recipe: ParserRecipe,
    criterion: ParserCriterion,
    device: torch.device,
) -> tuple[ParserTask, Tensor]:
    """Return the training with first weights, and the state of the generator after them."""
    _check_splits(training, validation)
    sizes = network_sizes(recipe, training.widths, num_classes=training.num_classes)
    model, drawn = new_parser(recipe.seed, recipe.network, **sizes)
    task = ParserTask(
        model.to(device),
        recipe,
        orders=EpochOrders(drawn, len(training)),
        training=training,
        validation=validation,
        criterion=criterion,
    )
    return task, drawn


def _criterion(truth: Events, threshold: float) -> ParserCriterion:
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


def _check_splits(training: ParserVideos, validation: ParserVideos) -> None:
    for name, videos in (("train", training), ("val", validation)):
        if not len(videos):
            raise DataError(f"split {name} has no videos; check its list and its features")
    for name in ("widths", "num_classes"):
        found = getattr(training, name), getattr(validation, name)
        if found[0] != found[1]:
            raise DataError(f"{name}: {found[0]} in split train, {found[1]} in split val")


def _state_key(
    recipe: ParserRecipe,
    device: torch.device,
    drawn: Tensor,
    training: ParserVideos,
    validation: ParserVideos,
    criterion_key: bytes,
) -> str:
    """Return the fingerprint of everything that the result depends on."""
    code = code_fingerprint("avlib.valor.training")
    return state_key(
        [
            repr((recipe, device.type, code)).encode(),
            drawn.numpy().tobytes(),
            criterion_key,
            *training.fingerprint(),
            *validation.fingerprint(),
        ]
    )


def _summary(
    recipe: ParserRecipe,
    progress: Progress,
    training: ParserVideos,
    validation: ParserVideos,
) -> dict[str, Any]:
    best = progress.log[progress.best_epoch - 1]
    logger.info("best epoch %d: %s", progress.best_epoch, json.dumps(best["val"]))
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.lr,
        "metrics": {"val": best["val"]},
        "counts": {"videos": {"train": len(training), "val": len(validation)}},
    }
