"""Training of a parser of audio-visual events to its checkpoints, after one of the recipes."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avlib.errors import DataError
from avlib.io.atomic import write_json
from avlib.io.provenance import code_fingerprint
from avlib.training.loop import fit
from avlib.training.state import Progress, remove_states, state_key
from avlib.valor.objective import EpochOrders, network_sizes, new_event_parser
from avlib.valor.recipes import EventParsingRecipe
from avlib.valor.task import Criterion, EventParsing, remove_later_epochs, write_checkpoint
from avlib.valor.videos import ParsingVideos

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ParsingOutputs:
    """Where a training writes.

    Attributes:
        state_directory: its state after every epoch; emptied at the end.
        best: checkpoint of the best epoch, a plain state dictionary as published.
        last: checkpoint of the last epoch.
        log: JSON lines, one an epoch.
        metrics: JSON file with the best epoch and what was logged of it.
        epochs_folder: for `checkpoint_epoch_<number>.pt` of every epoch; None for none.
    """

    state_directory: Path
    best: Path
    last: Path
    log: Path
    metrics: Path
    epochs_folder: Path | None = None


def train_event_parser(
    training: ParsingVideos,
    validation: ParsingVideos,
    *,
    recipe: EventParsingRecipe,
    criterion: Criterion,
    criterion_key: bytes,
    device: torch.device,
    outputs: ParsingOutputs,
) -> None:
    """Train on one split and write the weights of the epoch that is best on the other.

    First weights and orders are those of the published program with the recipe's seed, and so are
    the rates; dropout is not. The result is the same bytes after any interruption, and for the
    same number of torch threads on the same machine.

    Args:
        training: videos to learn.
        validation: videos that decide which epoch is best.
        recipe: how.
        criterion: from probabilities of the videos (N, K) and segments (N, T, 2, K) of
            `validation`, in their order: the score, and what to log; published is Type@AV.
        criterion_key: what tells the criterion from any other.
        device: torch device.
        outputs: files to write.

    Raises:
        ConfigError: if the recipe needs labels that there are not, or the loss is no longer finite.
        DataError: if there is nothing to learn or to validate on, the splits do not go together,
            or a feature holds values that are no numbers.
    """
    _check_splits(training, validation)
    sizes = network_sizes(recipe, training.widths, num_classes=training.num_classes)
    model, drawn = new_event_parser(recipe.seed, recipe.network, **sizes)
    key = _state_key(recipe, device, drawn, training, validation, criterion_key)
    task = EventParsing(
        model.to(device),
        recipe,
        orders=EpochOrders(drawn, len(training)),
        training=training,
        validation=validation,
        criterion=criterion,
        epochs_folder=outputs.epochs_folder,
    )
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        progress = fit(
            task, seed=recipe.seed, directory=outputs.state_directory, key=key, log=outputs.log
        )
    write_checkpoint(outputs.last, model.state_dict())
    write_checkpoint(outputs.best, progress.best_model)
    if outputs.epochs_folder is not None:
        remove_later_epochs(outputs.epochs_folder, recipe.epochs)
    write_json(outputs.metrics, _summary(recipe, progress, training, validation))
    remove_states(outputs.state_directory)


def _check_splits(training: ParsingVideos, validation: ParsingVideos) -> None:
    for name, videos in (("train", training), ("val", validation)):
        if not len(videos):
            raise DataError(f"split {name} has no videos; check its list and its features")
    for name in ("widths", "num_classes"):
        found = getattr(training, name), getattr(validation, name)
        if found[0] != found[1]:
            raise DataError(f"{name}: {found[0]} in split train, {found[1]} in split val")


def _state_key(
    recipe: EventParsingRecipe,
    device: torch.device,
    drawn: Tensor,
    training: ParsingVideos,
    validation: ParsingVideos,
    criterion_key: bytes,
) -> str:
    """Return the key of everything that decides the result."""
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
    recipe: EventParsingRecipe,
    progress: Progress,
    training: ParsingVideos,
    validation: ParsingVideos,
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
