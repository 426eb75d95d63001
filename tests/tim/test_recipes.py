from dataclasses import replace

import pytest
from pydantic import ValidationError

from avlib.tim.recipes import TIM_RECIPES, TimTraining


def test_recipes_carry_their_names():
    assert set(TIM_RECIPES) >= {
        "epic",
        "epic_visual",
        "epic_sounds",
        "perception",
        "ave_vgg",
        "ave",
        "small",
    }
    assert all(name == recipe.name for name, recipe in TIM_RECIPES.items())


@pytest.mark.parametrize(
    ("name", "window_s"),
    [("epic", 30), ("perception", 20), ("ave", 10), ("ave_vgg", 10), ("small_events", 10)],
)
def test_windows_are_as_long_as_published(name, window_s):
    assert TIM_RECIPES[name].window_s == pytest.approx(window_s)


FIELDS = (
    *("d_model", "feat_dropout", "seq_dropout", "lr", "lambda_audio", "lambda_drloc"),
    *("mixup_alpha", "apply_feature_pooling", "epochs", "batch_size", "num_layers"),
)


def test_the_published_commands_are_kept():
    numbers = {
        name: [getattr(recipe, field) for field in FIELDS] for name, recipe in TIM_RECIPES.items()
    }
    assert numbers["epic"] == [512, 0.5, 0.5, 1e-4, 0.01, 0.3, 0.2, False, 100, 64, 4]
    assert numbers["perception"] == [512, 0.1, 0.1, 1e-4, 1.0, 0.3, 0.2, False, 100, 64, 4]
    assert numbers["ave_vgg"] == [256, 0.1, 0.1, 5e-4, 0.1, 0.1, 0.5, True, 100, 64, 4]
    assert numbers["ave"] == [256, 0.1, 0.5, 5e-4, 1.0, 0.1, 0.5, False, 100, 64, 4]


@pytest.mark.parametrize(
    ("name", "modality"), [("epic_visual", "visual"), ("epic_sounds", "audio")]
)
def test_variants_see_and_learn_one_modality(name, modality):
    recipe = TIM_RECIPES[name]
    assert recipe.model_modality == recipe.data_modality == modality


def test_settings_say_what_differs_from_the_recipe():
    settings = TimTraining(recipe="ave", epochs=7)
    assert settings.adjusted_recipe("audio_visual") == replace(TIM_RECIPES["ave"], epochs=7)


def test_a_model_of_one_modality_predicts_its_labels_without_pooling():
    recipe = TimTraining(recipe="ave_vgg").adjusted_recipe("audio")
    assert (recipe.model_modality, recipe.data_modality) == ("audio", "audio")
    assert not recipe.apply_feature_pooling


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"recipe": "tiny"},
            "'small', 'small_events', 'packaged', 'ave', 'ave_vgg', 'epic' or 'perception'",
        ),
        ({"parts": 3, "processes": 2}, r"processes \(2\) must divide parts \(3\)"),
        ({"processes": 2}, "2 processes share the parts; set parts as well"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        TimTraining(**settings)


def test_a_batch_is_computed_in_parts_of_bounded_size():
    """Those of rendered videos and of AVE are whole, so that their results stay as they are."""
    parts = {name: recipe.parts for name, recipe in TIM_RECIPES.items()}
    assert {name for name, count in parts.items() if count == 1} == {
        *("small", "small_events", "packaged", "ave", "ave_vgg")
    }
    assert (parts["epic"], parts["perception"]) == (4, 4)
    whole = TimTraining(recipe="ave", batch_size=512).adjusted_recipe("visual")
    assert whole.parts == 7
    assert whole.parts == whole.of_model("audio_visual").parts


def test_a_training_needs_the_name_of_a_recipe():
    with pytest.raises(ValueError, match="no recipe, expected one of"):
        TimTraining().adjusted_recipe("visual")
