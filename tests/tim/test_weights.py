"""Given weights of TIM are checked before any work."""

import json
from dataclasses import replace

import pytest
import torch
from golden.fill import fill_by_rule
from tiny_golden import contents
from tiny_weights import saved_again

from avlib.errors import CheckpointError
from avlib.tim.network import TIM
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.weights import check_weights, file_recipe, save_model

LABELS = ["Dog", "Cat"]
CLASSES = [*LABELS, "background"]
SIZES = ("d_model", "feedforward_scale", "nhead", "num_layers", "num_feats")


def model_of(name, modality="audio_visual", n_classes=3):
    """A model with the sizes of a recipe, and the arguments that it was made with."""
    recipe = TIM_RECIPES[name].of_model(modality)
    is_visual, is_audio = (modality in ("audio_visual", m) for m in ("visual", "audio"))
    arguments = {size: getattr(recipe, size) for size in SIZES} | {
        "model_modality": modality,
        "data_modality": modality,
        "apply_feature_pooling": recipe.apply_feature_pooling,
        "visual_input_dim": 6 if is_visual else 0,
        "audio_input_dim": 5 if is_audio else 0,
        "visual_classes": (n_classes,) if is_visual else (),
        "audio_classes": n_classes if is_audio else 0,
    }
    return TIM(**arguments), arguments


def published(path, *args, **kwargs):
    """A file as the authors' program writes it."""
    model, _ = model_of(*args, **kwargs)
    torch.save({"state_dict": model.state_dict()}, path)
    return path


def ours(path, name, classes=CLASSES, **changes):
    """A file of ours, with what it was trained for."""
    model, arguments = model_of(name)
    recipe = replace(TIM_RECIPES[name], **changes)
    named = {"action": classes, "audio": classes}
    save_model(path, model.state_dict(), recipe, arguments, named)
    return path


def check(path, recipe):
    classes = path.with_name("classes.json")
    classes.write_text(json.dumps({"class_id": CLASSES}))
    target = path.with_name("given.json")
    check_weights(path, target, classes=classes, recipe=recipe, model="audio_visual", key="own.tim")
    return json.loads(target.read_text())


@pytest.mark.parametrize("recipe", ["ave", "ave_vgg"])
def test_weights_of_the_recipe_are_accepted(tmp_path, recipe):
    report = check(published(tmp_path / "tim.pth.tar", recipe), recipe)
    assert report["recipe"] == recipe
    assert report["arguments"]["audio_classes"] == len(CLASSES)


@pytest.mark.parametrize("recipe", ["small", "ave"])
def test_weights_of_ours_are_accepted_and_keep_recipe_and_classes_when_saved_again(
    tmp_path, recipe
):
    path = ours(tmp_path / "tim.safetensors", recipe, nhead=4)
    report = check(path, recipe)
    assert report["recipe"] == recipe
    for again in saved_again(path, tmp_path):
        assert check(again, recipe)["metadata"] == report["metadata"]
        assert file_recipe(again, recipe, "audio_visual", "ave.tim").nhead == 4
    other = ours(tmp_path / "other.safetensors", recipe, classes=["Cat", "Dog", "background"])
    for again in saved_again(other, tmp_path):
        with pytest.raises(CheckpointError, match="class 0 is 'Cat', that of the study is 'Dog'"):
            check(again, recipe)


def test_weights_of_ours_without_their_recipe_are_refused(tmp_path):
    path = published(tmp_path / "tim.pth.tar", "small")
    with pytest.raises(CheckpointError, match=r"its `recipe`.* avlib\.settings, is missing"):
        check(path, "small")


@pytest.mark.parametrize(
    ("recipe", "of_file", "difference"),
    [
        ("small", "ave", "d_model is 256, not 128; num_layers is 4, not 2"),
        ("ave", "small", "d_model is 128, not 256"),
        ("ave", "ave_vgg", "apply_feature_pooling is True, not False"),
    ],
)
def test_the_recipe_of_other_sizes_is_named(tmp_path, recipe, of_file, difference):
    path = published(tmp_path / "tim.pth.tar", of_file)
    expected = rf"{difference}.*; set own\.tim\.recipe: {of_file}$"
    with pytest.raises(CheckpointError, match=expected):
        check(path, recipe)
    assert not (tmp_path / "given.json").exists()


def test_sizes_of_no_recipe_are_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(TIM_RECIPES, "epic", replace(TIM_RECIPES["epic"], num_layers=3))
        path = published(tmp_path / "tim.pth.tar", "epic")
    with pytest.raises(CheckpointError, match="no recipe has these sizes"):
        check(path, "ave")


def test_a_model_of_other_windows_is_refused_with_the_recipe_to_set(tmp_path):
    path = ours(tmp_path / "tim.safetensors", "ave_vgg")
    expected = r"windows of 10 features in 10 s, .* 25 in 10 s; set own\.tim\.recipe: ave_vgg"
    with pytest.raises(CheckpointError, match=expected):
        check(path, "ave")


def test_a_model_of_one_modality_is_refused(tmp_path):
    path = published(tmp_path / "tim.pth.tar", "ave", modality="audio")
    with pytest.raises(CheckpointError, match="model_modality is 'audio', not 'audio_visual'"):
        check(path, "ave")


def test_other_classes_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="audio_classes is 29, not 3"):
        check(published(tmp_path / "tim.pth.tar", "ave", n_classes=29), "ave")
    path = ours(tmp_path / "tim.safetensors", "ave", classes=["Cat", "Dog", "background"])
    with pytest.raises(CheckpointError, match="class 0 is 'Cat', that of the study is 'Dog'"):
        check(path, "ave")


PUBLISHED = contents("tim_recognition/state_dict_shapes.json")
EPIC_CLASSES = {"verb_class": 97, "noun_class": 300, "action_class": 3806, "class_id": 44}
PERCEPTION_CLASSES = {"action_class": 63, "class_id": 17}


def published_case(folder, name, classes):
    """The weights of a published network, filled by rule, and the classes of its study."""
    arguments, expected = PUBLISHED[name]["arguments"], PUBLISHED[name]["expected"]
    model = TIM(**(arguments | {"visual_classes": tuple(arguments["visual_classes"])}))
    fill_by_rule(model, 1)
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert shapes == expected["shapes"]["value"]
    torch.save({"epoch": 100, "state_dict": model.state_dict()}, folder / "tim.pth.tar")
    named = {column: [str(k) for k in range(count)] for column, count in classes.items()}
    (folder / "classes.json").write_text(json.dumps(named))
    return folder / "tim.pth.tar", folder / "classes.json"


@pytest.mark.parametrize(
    ("name", "recipe", "model", "classes"),
    [
        ("epic_joint", "epic", "audio_visual", EPIC_CLASSES),
        ("epic_visual_only", "epic", "visual", EPIC_CLASSES),
        ("perception_joint", "perception", "audio_visual", PERCEPTION_CLASSES),
    ],
)
def test_the_published_networks_load_strictly(tmp_path, name, recipe, model, classes):
    path, classes_file = published_case(tmp_path, name, classes)
    check_weights(
        path, tmp_path / "given.json", classes=classes_file, recipe=recipe, model=model, key="e.tim"
    )
    report = json.loads((tmp_path / "given.json").read_text())
    assert report["recipe"] == recipe
    assert (
        report["arguments"]["visual_input_dim"] == PUBLISHED[name]["arguments"]["visual_input_dim"]
    )
    weights = torch.load(path, weights_only=True)["state_dict"]
    torch.save(weights | {"extra.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"extra\.weight"):
        check_weights(path, tmp_path / "other.json", recipe=recipe, model=model, key="e.tim")


def test_weights_of_another_model_name_the_model_to_set(tmp_path):
    path, classes = published_case(tmp_path, "epic_visual_only", EPIC_CLASSES)
    with pytest.raises(CheckpointError, match=r"set epic\.tim\.models: \[visual\]$"):
        check_weights(
            path,
            tmp_path / "given.json",
            classes=classes,
            recipe="epic",
            model="audio_visual",
            key="epic.tim",
        )


def test_what_is_no_tim_is_refused(tmp_path):
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, tmp_path / "tim.pth.tar")
    with pytest.raises(CheckpointError, match="no weights of TIM"):
        check(tmp_path / "tim.pth.tar", "ave")
