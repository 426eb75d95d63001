"""Weights of TIM with the recipe that they belong to: new, saved, loaded, checked."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from avlib.errors import CheckpointError, ConfigError
from avlib.evaluation.class_names import Classes, check_trained_classes
from avlib.extractors.weights import write_report
from avlib.io.checkpoints import read_weights
from avlib.io.metadata import load_metadata
from avlib.io.weights import lost_settings, save_weights
from avlib.tim.checkpoint import infer_arguments, load_tim, new_tim
from avlib.tim.network import TIM
from avlib.tim.recipes import (
    MODELS,
    PUBLISHED_RECIPES,
    TIM_RECIPES,
    ModelName,
    RecipeName,
    TimRecipe,
)
from avlib.tim.splits import SplitWindows
from avlib.tim.tables import VISUAL_HEADS, read_head_classes

RATES = ("enc_dropout", "feat_dropout", "seq_dropout")
SIZES = ("d_model", "feedforward_scale", "num_layers", "apply_feature_pooling")


def model_arguments(recipe: TimRecipe, classes: Classes, split: SplitWindows) -> dict[str, Any]:
    """Return the arguments of `TIM`: those of the recipe, and those that follow from the data.

    Args:
        recipe: for which features and labels, and how.
        classes: names of the classes of each head.
        split: windows whose features say how wide they are.

    Raises:
        ConfigError: if the recipe pools grids and the features are none, or the other way round.
    """
    visual, audio = (
        files.shape if files is not None else (0, 0)
        for files in (split.dataset.visual, split.dataset.audio)
    )
    is_grid = len(visual) == 4
    if recipe.model_modality == "audio_visual" and is_grid != recipe.apply_feature_pooling:
        found = "grids of 7 x 7" if is_grid else "no grids"
        raise ConfigError(
            f"recipe {recipe.name} is {'' if recipe.apply_feature_pooling else 'not '}for visual "
            f"features on grids, and these are {found}; use recipe "
            f"{'ave_vgg' if is_grid else 'ave'} or features: {'omnivore_asf' if is_grid else 'vgg'}"
        )
    names = ("d_model", "feedforward_scale", "nhead", "num_layers", "num_feats")
    chosen = ("model_modality", "data_modality", "apply_feature_pooling", *RATES)
    heads = () if recipe.data_modality == "audio" else VISUAL_HEADS
    has_audio = recipe.data_modality != "visual"
    return {
        **{name: getattr(recipe, name) for name in (*names, *chosen)},
        "visual_input_dim": visual[-1],
        "audio_input_dim": audio[-1],
        "visual_classes": tuple(len(classes[head]) for head in heads if head in classes),
        "audio_classes": len(classes["audio"]) if has_audio else 0,
    }


def build_model(
    recipe: TimRecipe,
    classes: Classes,
    split: SplitWindows,
    *,
    seed: int,
    initial_weights: Path | None,
) -> tuple[TIM, dict[str, Any]]:
    """Return a model with its first weights, and the arguments that it was made with.

    Raises:
        ConfigError: as `model_arguments`.
        CheckpointError: if the initial weights are for features of other widths, other classes
            or other sizes; the message names both.
    """
    arguments = model_arguments(recipe, classes, split)
    if initial_weights is None:
        return new_tim(seed, **arguments), arguments
    return _load(initial_weights, arguments), arguments


def save_model(
    target: Path,
    weights: Mapping[str, Tensor],
    recipe: TimRecipe,
    arguments: Mapping[str, Any],
    classes: Classes,
) -> None:
    """Write weights with all that is needed to build their model again."""
    metadata = {"recipe": asdict(recipe), "arguments": arguments, "classes": classes}
    text = {name: json.dumps(value, ensure_ascii=False) for name, value in metadata.items()}
    save_weights(target, weights, text)


def file_recipe(path: Path, name: str, model: ModelName, key: str = "tim") -> TimRecipe:
    """Return the recipe of a model file: the one it holds, else the published one of that name.

    Args:
        path: the file.
        name: of the recipe that the windows were made for.
        model: which features it is to take and which labels to predict.
        key: of the section of TIM in the configuration.

    Raises:
        CheckpointError: if the file is of another model or for other windows, or holds no recipe
            and that name is of none that was published.
    """
    text = load_metadata(path).get("recipe")
    if text is None:
        if name not in PUBLISHED_RECIPES:
            raise lost_settings(path, "its `recipe`")
        return TIM_RECIPES[name].of_model(model)
    recipe = TimRecipe(**json.loads(text))
    found = (recipe.model_modality, recipe.data_modality)
    if found != MODELS[model]:
        names = [name for name, modalities in MODELS.items() if modalities == found]
        of_file = names[0] if names else f"of features {found[0]} and labels {found[1]}"
        raise CheckpointError(
            f"{path}: weights of model {of_file}, expected {model}; set {key}.models"
        )
    other = TIM_RECIPES[name]
    if not recipe.has_windows_of(other):
        raise CheckpointError(
            f"{path}: a model of recipe {recipe.name} for windows of {recipe.num_feats} features "
            f"in {recipe.window_s:g} s, but those of recipe {name} have {other.num_feats} in "
            f"{other.window_s:g} s; set {key}.recipe: {recipe.name}"
        )
    return recipe


def load_model(path: Path, recipe: TimRecipe, classes: Classes, split: SplitWindows) -> TIM:
    """Return the model of a file, which fits the classes and the features of a split.

    Args:
        path: a model of ours, or a published `.pth.tar` file.
        recipe: from `file_recipe`.
        classes: names of the classes of each head.
        split: windows of which it is to predict the queries.

    Raises:
        ConfigError: as `model_arguments`.
        CheckpointError: if it does not fit; the message names what the file and the data have.
    """
    check_trained_classes(path, classes)
    return _load(path, model_arguments(recipe, classes, split))


def _load(path: Path, arguments: Mapping[str, Any]) -> TIM:
    given = {name: arguments[name] for name in ("nhead", "num_feats", *RATES)}
    requested = {name: value for name, value in arguments.items() if name not in given}
    return load_tim(path, **given, requested=requested)


def check_weights(
    checkpoint: Path,
    target: Path,
    *,
    classes: Path | None = None,
    recipe: str,
    model: ModelName,
    key: str,
) -> None:
    """Write what given weights are, if they fit the recipe and the classes of the study.

    The widths of the features are not known before there are some; `predict_tim` checks them.

    Args:
        checkpoint: a model of ours, or a published `.pth.tar` file.
        target: JSON file to write.
        classes: JSON with the names of the classes; None: not known yet.
        recipe: name of the recipe, which says how videos are cut into windows.
        model: which features it is to take and which labels to predict.
        key: of the section of TIM in the configuration.

    Raises:
        CheckpointError: if it does not fit; the message says which setting to change, if one
            helps.
    """
    requested = _requested(checkpoint, classes, model)
    stored = read_weights(checkpoint, allows_foreign=True)
    found = infer_arguments(stored.state, checkpoint)
    _check_model(checkpoint, found, model, key)
    if "recipe" not in stored.settings:
        _check_sizes(checkpoint, found, TIM_RECIPES[recipe].of_model(model), key)
    own = file_recipe(checkpoint, recipe, model, key)
    _check_sizes(checkpoint, found, own, key)
    load_tim(checkpoint, nhead=own.nhead, num_feats=own.num_feats, requested=requested)
    write_report(target, checkpoint, {"recipe": own.name, "arguments": found})


def _requested(checkpoint: Path, classes: Path | None, model: ModelName) -> dict[str, Any]:
    """Return what a network must take and predict, after checking the classes, if known."""
    features, labels = MODELS[model]
    requested: dict[str, Any] = {"model_modality": features, "data_modality": labels}
    if classes is not None:
        names = read_head_classes(classes)
        check_trained_classes(checkpoint, names)
        visual = tuple(len(names[head]) for head in VISUAL_HEADS if head in names)
        requested["visual_classes"] = () if labels == "audio" else visual
        requested["audio_classes"] = 0 if labels == "visual" else len(names.get("audio", ()))
    return requested


def _check_model(path: Path, found: Mapping[str, Any], model: ModelName, key: str) -> None:
    """Check which features a network takes and which labels it predicts."""
    names = ("model_modality", "data_modality")
    of_file = tuple(found[name] for name in names)
    if of_file == MODELS[model]:
        return
    differing = "; ".join(
        f"{name} is {value!r}, not {expected!r}"
        for name, value, expected in zip(names, of_file, MODELS[model], strict=True)
        if value != expected
    )
    fitting = [name for name, modalities in MODELS.items() if modalities == of_file]
    remedy = f"set {key}.models: [{fitting[0]}]" if fitting else "no model is of these"
    raise CheckpointError(f"{path}: not model {model}: {differing}; {remedy}")


def _check_sizes(path: Path, found: Mapping[str, Any], recipe: TimRecipe, key: str) -> None:
    """Check the sizes of the weights, and name the recipe that has them otherwise."""
    expected = asdict(recipe)
    differing = [name for name in SIZES if found[name] != expected[name]]
    if not differing:
        return
    fitting = [
        name
        for name in get_args(RecipeName)
        if all(found[size] == getattr(TIM_RECIPES[name], size) for size in SIZES)
    ]
    listed = "; ".join(f"{name} is {found[name]!r}, not {expected[name]!r}" for name in differing)
    remedy = f"set {key}.recipe: {fitting[0]}" if fitting else "no recipe has these sizes"
    raise CheckpointError(f"{path}: not of recipe {recipe.name}: {listed}; {remedy}")
