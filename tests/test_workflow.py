from pathlib import Path
from types import SimpleNamespace

import pytest

from avlib.config import load_config
from avlib.errors import ConfigError
from avlib.workflow import Workflow


def ask(question, values, **wildcards):
    studies = Workflow(load_config(values), results=Path("results"), rescan=False)
    return getattr(studies, question)(SimpleNamespace(**wildcards))


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights"
    path.touch()
    return str(path)


def test_training_splits_have_the_views_of_the_preset():
    settings = {"custom": {"preset": "epic_sounds"}}
    found = ask("extraction", settings, study="custom", extractor="asf")
    assert found["views"] == {"train": 3, "val": 1, "test": 1}


def test_published_omnivore_weights_have_four_views(weights):
    given = {"ave": {"checkpoints": {"omnivore": weights}}}
    wildcards = {"study": "ave", "extractor": "omnivore"}
    assert ask("extraction", given, **wildcards)["views"] == {"train": 4, "val": 1, "test": 1}
    assert ask("extraction", {}, **wildcards)["views"]["train"] < 4


@pytest.mark.parametrize(
    ("ave", "recipe"),
    [
        ({}, "small"),
        ({"checkpoints": {"asf": "{}"}}, "small"),
        ({"checkpoints": {"asf": "{}", "omnivore": "{}"}}, "ave"),
        ({"features": "vgg"}, "ave_vgg"),
        ({"tim": {"recipe": "ave"}}, "ave"),
    ],
)
def test_the_recipe_follows_from_the_features(ave, recipe, weights):
    if "checkpoints" in ave:
        ave = {"checkpoints": dict.fromkeys(ave["checkpoints"], weights)}
    assert ask("recipe", {"ave": ave}, study="ave") == recipe


def test_vgg_features_without_weights_are_refused_with_the_remedy():
    with pytest.raises(ConfigError, match=r"ave.checkpoints.vgg19: .* give them, or `untrained`"):
        ask("weights", {"ave": {"features": "vgg"}}, study="ave", extractor="vgg19")


def test_given_tim_weights_are_evaluated_alone(weights):
    given = {"ave": {"checkpoints": {"tim": weights}}}
    assert ask("models", given, study="ave") == [weights]
    assert ask("modalities", given, study="ave") == ["audio_visual"]


def test_an_official_study_needs_a_list_to_train_on(tmp_path):
    lists = {"test": str(tmp_path / "testSet.txt")}
    ave = {"source": "official", "annotations": "Annotations.txt", "splits": lists}
    with pytest.raises(ConfigError, match=r"ave.splits.train: name the list of its videos"):
        ask("training_splits", {"ave": ave}, study="ave")


def test_a_study_of_sound_has_no_pictures():
    with pytest.raises(ConfigError, match="custom has features of its sound only"):
        ask("omnivore_training", {}, study="custom")
