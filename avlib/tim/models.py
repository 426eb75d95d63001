"""Models of TIM by recipe: new ones, those of a file, and how they are kept in one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from avlib.errors import CheckpointError, ConfigError
from avlib.evaluation.class_names import Classes, check_classes
from avlib.io.checkpoints import load_metadata
from avlib.io.weights import save_weights
from avlib.tim.checkpoint import load_tim, new_tim
from avlib.tim.network import TIM, Modality
from avlib.tim.recipes import TIM_RECIPES, TimRecipe
from avlib.tim.splits import VISUAL_HEADS, Split
from avlib.tim.windows import WindowSettings

RATES = ("enc_dropout", "feat_dropout", "seq_dropout")


def of_modality(recipe: TimRecipe, modality: Modality) -> TimRecipe:
    """Return the recipe of a model that sees `modality`, and, of one only, learns its labels.

    A model of one modality does without the pooling that sound guides.
    """
    if modality == "audio_visual":
        return replace(recipe, model_modality=modality)
    return replace(
        recipe, model_modality=modality, data_modality=modality, apply_feature_pooling=False
    )


def window_settings(recipe: TimRecipe) -> WindowSettings:
    """Return how videos are cut into windows for a recipe."""
    return WindowSettings(
        recipe.num_feats, recipe.feat_stride, recipe.feat_gap_s, recipe.window_stride_s
    )


def model_arguments(recipe: TimRecipe, classes: Classes, split: Split) -> dict[str, Any]:
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
    recipe: TimRecipe, classes: Classes, split: Split, *, seed: int, initial_weights: Path | None
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


def file_recipe(path: Path, name: str, modality: Modality) -> TimRecipe:
    """Return the recipe of a model file: the one it holds, else the published one of that name.

    Args:
        path: the file.
        name: of the recipe that the windows were made for.
        modality: what the model is to see.

    Raises:
        CheckpointError: if the file is for another modality or other windows.
    """
    text = load_metadata(path).get("recipe")
    if text is None:
        return of_modality(TIM_RECIPES[name], modality)
    recipe = TimRecipe(**json.loads(text))
    if recipe.model_modality != modality:
        raise CheckpointError(f"{path}: sees {recipe.model_modality}, expected {modality}")
    made_for, windows = window_settings(recipe), window_settings(TIM_RECIPES[name])
    if made_for != windows:
        raise CheckpointError(
            f"{path}: a model of recipe {recipe.name} for windows of {made_for.num_feats} features "
            f"in {made_for.window_s:g} s, but those of recipe {name} have {windows.num_feats} in "
            f"{windows.window_s:g} s; set ave.tim.recipe: {recipe.name}"
        )
    return recipe


def load_model(path: Path, recipe: TimRecipe, classes: Classes, split: Split) -> TIM:
    """Return the model of a file, which fits the classes and the features of a split.

    Args:
        path: a model of ours, or a published `.pth.tar` file.
        recipe: from `file_recipe`.
        classes: names of the classes of each head.
        split: what it is to be asked about.

    Raises:
        ConfigError: as `model_arguments`.
        CheckpointError: if it does not fit; the message names what the file and the data have.
    """
    check_classes(path, classes)
    return _load(path, model_arguments(recipe, classes, split))


def _load(path: Path, arguments: Mapping[str, Any]) -> TIM:
    given = {name: arguments[name] for name in ("nhead", "num_feats", *RATES)}
    requested = {name: value for name, value in arguments.items() if name not in given}
    return load_tim(path, **given, requested=requested)
