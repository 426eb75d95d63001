"""What the training on labelled events has in common, whatever the network and the modality."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from avlib.errors import ConfigError, DataError
from avlib.io.atomic import write_json
from avlib.io.weights import save_weights
from avlib.training.event_task import EventRecognition
from avlib.training.events import LabelledEvents
from avlib.training.loop import fit
from avlib.training.state import remove_states, state_key

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

Events = TypeVar("Events", bound=LabelledEvents)


@dataclass(frozen=True)
class Outputs:
    """Where a training writes.

    Attributes:
        state_directory: its state after every epoch; emptied at the end.
        model_path: safetensors file of the best weights.
        log_path: JSON lines, one an epoch.
        metrics_path: JSON file with the metrics of the best weights, and counts of events.
    """

    state_directory: Path
    model_path: Path
    log_path: Path
    metrics_path: Path


def check_classes(
    events: "pd.DataFrame", heads: Sequence[str], classes: Mapping[str, Sequence[str]], recipe: str
) -> None:
    """Refuse events whose class numbers do not fit the classes.

    Args:
        events: table of events.
        heads: its columns with the class numbers.
        classes: names of the classes, by column.
        recipe: name for the message.

    Raises:
        ConfigError: if the classes are those of other columns.
        DataError: if a class number is out of range.
    """
    if set(classes) != set(heads):
        raise ConfigError(
            f"recipe {recipe} needs the classes of {list(heads)}, got {list(classes)}"
        )
    for head in heads:
        wrong = events[~events[head].between(0, len(classes[head]) - 1)]
        if len(wrong):
            row = wrong.iloc[0]
            raise DataError(
                f"event {row.event_id}: {head} is {row[head]}, expected 0 to "
                f"{len(classes[head]) - 1}"
            )


def split_events(
    events: "pd.DataFrame", choose: Callable[["pd.DataFrame"], Events], *, needed: str
) -> dict[str, Events]:
    """Return the usable events of each split.

    Args:
        events: table of events.
        choose: keeps those of one split that can be used.
        needed: what the others lack, for the messages.

    Raises:
        DataError: if no event of `train` is left.
    """
    splits = {split: choose(events[events.split == split]) for split in ("train", "val", "test")}
    for split, part in splits.items():
        logger.info(
            "%s: %d events, %d left out without %s", split, len(part), part.n_left_out, needed
        )
    if not len(splits["train"]):
        raise DataError(
            f"no event of split train has any {needed} "
            f"({splits['train'].n_left_out} are without); check the splits and the packs"
        )
    if not len(splits["val"]):
        logger.warning("no event of split val has any %s: train itself is validated", needed)
    return splits


def held_out(splits: Mapping[str, LabelledEvents]) -> str:
    """Return the split that decides which weights are best."""
    return "val" if len(splits["val"]) else "train"


def train_on_events(
    task: EventRecognition,
    splits: Mapping[str, LabelledEvents],
    outputs: Outputs,
    *,
    settings: object,
    classes: Mapping[str, Sequence[str]],
    description: Mapping[str, Any],
) -> None:
    """Train, keep the weights that are best in validation, and describe them.

    Args:
        task: what is trained.
        splits: its events, by split.
        outputs: files to write.
        settings: what decides the result beside seed, first weights, device and events; a
            training that was interrupted under other settings begins anew.
        classes: names of the classes of each head; metadata of the weights.
        description: more metadata, which is also in the metrics.

    Raises:
        ConfigError: if the loss is no longer finite.
    """
    key = _state_key(task, splits, settings)
    validated_on = held_out(splits)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        progress = fit(
            task, seed=task.seed, directory=outputs.state_directory, key=key, log=outputs.log_path
        )
        task.model.load_state_dict(progress.best_model)
        scored = {s: splits[s] for s in (validated_on, "test") if len(splits[s])}
        results = {split: task.evaluate(part, lambda: None) for split, part in scored.items()}
    metadata = {"classes": json.dumps(classes, ensure_ascii=False)}
    metadata |= {name: str(value) for name, value in description.items()}
    save_weights(outputs.model_path, task.weights(), metadata)
    counts = {
        "events": {split: len(part) for split, part in splits.items()},
        "events_left_out": {split: part.n_left_out for split, part in splits.items()},
    }
    outcome = {"best_epoch": progress.best_epoch, "validated_on": validated_on, "metrics": results}
    write_json(
        outputs.metrics_path, {**description, "seed": task.seed, **outcome, "counts": counts}
    )
    remove_states(outputs.state_directory)


def _state_key(
    task: EventRecognition, splits: Mapping[str, LabelledEvents], settings: object
) -> str:
    """Return the key of everything that decides the result."""
    weights = task.model.state_dict()
    return state_key(
        [
            repr((settings, task.seed, task.device, *weights)).encode(),
            *(tensor.cpu().numpy().tobytes() for tensor in weights.values()),
            *(part for events in splits.values() for part in events.fingerprint()),
        ]
    )
