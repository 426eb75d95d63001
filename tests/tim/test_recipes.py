import pytest

from avlib.tim.recipes import TIM_RECIPES


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
    [("epic", 30), ("perception", 20), ("ave", 10), ("ave_vgg", 10), ("small", 10)],
)
def test_windows_are_as_long_as_published(name, window_s):
    recipe = TIM_RECIPES[name]
    assert recipe.num_feats * recipe.feat_gap_s * recipe.feat_stride == pytest.approx(window_s)


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
