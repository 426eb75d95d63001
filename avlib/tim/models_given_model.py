"""Stage check_tim: whether given weights of TIM can be asked about AVE, before any work is done."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from avlib.datasets import ave
from avlib.errors import CheckpointError
from avlib.evaluation.class_names import check_classes
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash, load_metadata, load_state_dict
from avlib.tim.checkpoint import infer_arguments, load_tim
from avlib.tim.models import file_recipe
from avlib.tim.network import Modality
from avlib.tim.recipes import TIM_RECIPES, TimRecipe, TimRecipeName

MODALITY: Modality = "audio_visual"
SIZES = ("d_model", "feedforward_scale", "num_layers", "apply_feature_pooling")


def check_given_tim(path: Path, *, annotations: Path, recipe: str, target: Path) -> None:
    """Write what a model is, if it fits the recipe and the classes of AVE's annotations.

    How wide its features may be is not known before there are some; `predict_tim` checks that.

    Args:
        path: a model of ours, or a published `.pth.tar` file.
        annotations: `Annotations.txt`.
        recipe: name of the recipe, which says how videos are cut into windows.
        target: JSON file to write.

    Raises:
        CheckpointError: if it does not fit; the message says which setting to change, if one
            helps.
        DataError: if the annotations are wrong.
    """
    names = ave.class_names(ave.read_annotations(annotations))
    check_classes(path, {"action": names, "audio": names})
    own = file_recipe(path, recipe, MODALITY)
    found = infer_arguments(load_state_dict(path, allows_foreign=True), path)
    _check_sizes(path, found, own)
    requested = {"model_modality": MODALITY, "data_modality": MODALITY}
    classes = {"visual_classes": (len(names),), "audio_classes": len(names)}
    load_tim(path, nhead=own.nhead, num_feats=own.num_feats, requested=requested | classes)
    report = {"path": str(path), "sha256": file_hash(path), "recipe": own.name}
    write_json(target, report | {"arguments": found, "metadata": load_metadata(path)})


def _check_sizes(path: Path, found: Mapping[str, Any], recipe: TimRecipe) -> None:
    """Check the sizes of the weights, and name the recipe that has them otherwise."""
    expected = asdict(recipe)
    differing = [name for name in SIZES if found[name] != expected[name]]
    if not differing:
        return
    fitting = [
        name
        for name in get_args(TimRecipeName)
        if all(found[size] == getattr(TIM_RECIPES[name], size) for size in SIZES)
    ]
    listed = "; ".join(f"{name} is {found[name]!r}, not {expected[name]!r}" for name in differing)
    remedy = f"set ave.tim.recipe: {fitting[0]}" if fitting else "no recipe of AVE has these sizes"
    raise CheckpointError(f"{path}: not of recipe {recipe.name}: {listed}; {remedy}")
