"""Stage weigh_models: how the models of a study answer together, by the validation split."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from avlib.device import resolve_device
from avlib.io.atomic import write_json
from avlib.tim.ensemble import (
    DEFAULT,
    Ensemble,
    answer,
    choose,
    model_answer,
    seconds_of,
)
from avlib.tim.prediction import predictions_of
from avlib.tim.recipes import ModelName
from avlib.tim.splits import InputFiles
from avlib.tim.tables import read_head_classes
from avlib.tim.windows import WindowIndex

VAL = "val"

logger = logging.getLogger(__name__)


def weigh_models(
    models: Mapping[ModelName, Path],
    files: InputFiles,
    *,
    recipe: str,
    device: str,
    target: Path,
) -> None:
    """Write the weights of models in their joint answer, and the accuracies that decided.

    Args:
        models: weights of each model by its name.
        files: windows of split val, or of none where there is no such split; without windows the
            default weights are written.
        recipe: name of the recipe that the windows were made for.
        device: cpu, cuda, or auto for cuda where there is one.
        target: JSON file to write.

    Raises:
        CheckpointError, DataError: as `predict_tim`.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    chosen = DEFAULT
    accuracy: dict[str, float] = {}
    if any(len(WindowIndex.load(path)) for path in files.windows.values()):
        chosen, accuracy = _chosen(models, files, recipe, resolve_device(device))
    logger.info("weights %s, pooling %g", chosen.weights, chosen.pooling)
    write_json(target, asdict(chosen) | {"validation_accuracy": accuracy})


def _chosen(
    models: Mapping[ModelName, Path], files: InputFiles, recipe: str, device: torch.device
) -> tuple[Ensemble, dict[str, float]]:
    """Return the chosen ensemble, and the accuracy of each model, the default and the chosen."""
    predictions = predictions_of(
        models, files, recipe=recipe, split=VAL, device=device, dtype=torch.float32
    )
    first = next(iter(predictions.values()))
    seconds = seconds_of(first, read_head_classes(files.classes)["action"])
    probs = {model: model_answer(found) for model, found in predictions.items()}
    labels = first.split.visual["action_class"].to_numpy(np.int64)
    is_seen = ~np.any([np.isnan(p).any(axis=1) for p in probs.values()], axis=0)
    seconds = seconds._replace(video=seconds.video[is_seen], start_s=seconds.start_s[is_seen])
    probs, labels = {m: p[is_seen] for m, p in probs.items()}, labels[is_seen]
    chosen = choose(probs, labels, seconds)
    found = {str(m): float((p.argmax(axis=1) == labels).mean()) for m, p in probs.items()}
    for name, ensemble in (("default", DEFAULT), ("chosen", chosen)):
        right = answer(ensemble, probs, seconds).argmax(axis=1) == labels
        found[name] = float(right.mean())
    return chosen, found
