"""Stage predict_tim: predictions of trained or published models for the queries of a split."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.device import precision, resolve_device
from avlib.errors import DataError
from avlib.io.atomic import write_json
from avlib.io.tables import write_parts
from avlib.tim.ensemble import joint_answer, read_ensemble
from avlib.tim.inference import Predictions, predict
from avlib.tim.network import TIM
from avlib.tim.published_predictions import PublishedPredictions, write_predictions
from avlib.tim.recipes import ModelName, TimRecipe
from avlib.tim.scores import Probs, combine
from avlib.tim.splits import InputFiles, SplitWindows, read_split
from avlib.tim.tables import LABEL_COLUMNS, PREDICTIONS, read_head_classes
from avlib.tim.weights import file_recipe, load_model

logger = logging.getLogger(__name__)

COMBINED = "combined"  # the name of the mean of both heads
# Of models in the tables.
ORDER: tuple[ModelName, ...] = ("audio_visual", "audio", "visual", "actions", "sounds")


@dataclass(frozen=True, kw_only=True)
class PredictionFiles(InputFiles):
    """What a prediction reads and writes: the windows of the split, and the models.

    Attributes:
        models: our safetensors files or published `.pth.tar` files, by name.
        table: of kind PREDICTIONS, to write.
        published: the pickle that the authors' program writes, of the model of both modalities, or
            the only one; None: it is not written.
        losses: JSON with `loss` and `views` by model and head: the mean over all pairs of a window
            and a labelled query, and their number; None: it is not written.
        ensemble: JSON of how the models answer together, which is then the combined prediction of
            the model of both modalities; None: that is the mean of its two heads.
    """

    models: Mapping[ModelName, Path]
    table: Path
    published: Path | None
    losses: Path | None = None
    ensemble: Path | None = None


def predict_tim(
    files: PredictionFiles,
    *,
    recipe: str,
    split: str,
    device: str,
    mixed_precision: bool = False,
) -> None:
    """Write the predictions of each model for all queries of a split that have features.

    Args:
        files: windows, queries, features, classes, models, and what is written.
        recipe: name of the recipe that the windows were made for, which is also that of published
            files, as they do not hold it.
        split: train, val or test.
        device: cpu, cuda, or auto for cuda where there is one.
        mixed_precision: whether to compute in float16 on cuda and in bfloat16 on the CPU, where
            that is safe.

    Raises:
        CheckpointError: if a model does not fit the windows, the classes or the features.
        DataError: if windows, tables and features do not go together, or there are no windows.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    classes = read_head_classes(files.classes)
    place = resolve_device(device)
    dtype = precision(place, is_mixed=mixed_precision)
    predictions = predictions_of(
        files.models, files, recipe=recipe, split=split, device=place, dtype=dtype
    )
    joint = _joint_answer(files, predictions, classes)
    parts = [part for m, found in predictions.items() for part in tables(found, m, classes, joint)]
    write_parts(parts, files.table, PREDICTIONS)
    if files.published is not None:
        write_predictions(published(next(iter(predictions.values()))), files.published)
    if files.losses is not None:
        write_json(files.losses, {m: found.losses.entries() for m, found in predictions.items()})


def predictions_of(
    models: Mapping[ModelName, Path],
    files: InputFiles,
    *,
    recipe: str,
    split: str,
    device: torch.device,
    dtype: torch.dtype,
) -> dict[ModelName, Predictions]:
    """Return the predictions of models for a split, in the order that they have in tables.

    Raises:
        CheckpointError, DataError: as `predict_tim`.
    """
    classes = read_head_classes(files.classes)
    found: dict[ModelName, Predictions] = {}
    for name, path in sorted(models.items(), key=lambda model: ORDER.index(model[0])):
        model, windows, made_by = _open(files, path, name, recipe, split, classes)
        found[name] = predict(
            model.to(device),
            windows,
            batch_size=made_by.batch_size,
            label_smoothing=made_by.label_smoothing,
            precision=dtype,
        )
    return found


def _joint_answer(
    files: PredictionFiles,
    predictions: Mapping[ModelName, Predictions],
    classes: Mapping[str, Sequence[str]],
) -> Probs | None:
    """Return what the models answer together, (N, K), where that is asked for."""
    if files.ensemble is None:
        return None
    ensemble = read_ensemble(files.ensemble)
    members = {name: predictions[name] for name in ensemble.weights}
    return joint_answer(ensemble, members, classes["action"])


def _open(
    files: InputFiles,
    path: Path,
    name: ModelName,
    recipe_name: str,
    split_name: str,
    classes: Mapping[str, Sequence[str]],
) -> tuple[TIM, SplitWindows, TimRecipe]:
    """Return a model, the windows with its queries, and the recipe that it was made by."""
    recipe = file_recipe(path, recipe_name, name)
    split = read_split(split_name, files, recipe, classes)
    if not len(split.items):
        raise DataError(
            f"{files.windows[split_name]}: no window; no {split_name} video has features"
        )
    logger.info("%s: %d windows of %s", path, len(split.items), split_name)
    return load_model(path, recipe, classes, split), split, recipe


def tables(
    predictions: Predictions,
    model: ModelName,
    classes: Mapping[str, Sequence[str]],
    joint: Probs | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield the rows of PREDICTIONS of each head; of queries without features there are none.

    Where every segment is a query in both label spaces, as in AVE, the mean of both predictions
    is the head `combined`, or `joint`, (N, K), where that is given.
    """
    split = predictions.split
    visual, audio = predictions.visual.probs(), predictions.audio.probs()
    for scores, queries, probs in (
        (predictions.visual, split.visual, visual),
        (predictions.audio, split.audio, audio),
    ):
        for head in probs:
            yield _table(queries, head, scores.is_seen, probs[head], model, classes)
    if split.is_paired and "action" in visual and "audio" in audio:
        is_seen = predictions.visual.is_seen & predictions.audio.is_seen
        both = combine(visual["action"], audio["audio"]) if joint is None else joint
        yield _table(split.visual, COMBINED, is_seen, both, model, classes)


def _table(
    queries: pd.DataFrame,
    head: str,
    is_seen: NDArray[np.bool_],
    probs: NDArray[np.float32],
    model: ModelName,
    classes: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    names_of = "action" if head == COMBINED else head
    names = np.array(classes[names_of], dtype=object)
    rows, probs = queries[is_seen], probs[is_seen]
    truth = rows[LABEL_COLUMNS[names_of]].astype("Int64")
    predicted = probs.argmax(axis=1)
    return pd.DataFrame(
        {
            **{n: rows[n] for n in ("annotation_id", "video_id", "split", "start_s", "stop_s")},
            "modality": model,
            "head": head,
            "class_id": truth,
            "label": [None if pd.isna(number) else names[number] for number in truth],
            "predicted_class": predicted,
            "predicted_label": names[predicted],
            "probs": list(probs),
        }
    )


def published(predictions: Predictions) -> PublishedPredictions:
    """Return predictions as the authors' program writes them."""
    probs: dict[str, NDArray[np.float32]] = {}
    ids: list[list[str]] = []
    for scores, queries in (
        (predictions.visual, predictions.split.visual),
        (predictions.audio, predictions.split.audio),
    ):
        probs |= {head: p[scores.is_seen] for head, p in scores.probs().items()}
        ids.append(queries["annotation_id"][scores.is_seen].to_list())
    visual_ids, audio_ids = ids
    return PublishedPredictions(probs, visual_ids, audio_ids)
