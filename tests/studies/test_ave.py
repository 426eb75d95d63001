from pathlib import Path

import pytest

from avlib.errors import ConfigError
from avlib.studies import load_config
from avlib.studies.ave import Ave
from avlib.studies.base import Place
from avlib.studies.packaged import PACKAGED_FILES
from avlib.tim.recipes import TIM_RECIPES


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A working folder in which the packaged weights are installed."""
    for path in PACKAGED_FILES:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("installed")
def test_an_official_study_without_checkpoints_takes_the_packaged_networks():
    study = Ave(source="official")
    assert (study.kind, study.recipe) == ("packaged", "packaged")
    assert study.extractor_names() == ("efficientnet_lite0", "yamnet")
    assert study.interval_rule() == {"interval_s": 1.0, "hop_s": 1.0, "seconds": 10}
    assert study.media().sample_rate == 16_000


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "other",
    [
        {"source": "miniature"},
        {"features": "omnivore_asf"},
        {"checkpoints": {"asf": "asf.pyth"}},
        {"checkpoints": {"tim": "tim.pth.tar"}},
        {"tim": {"recipe": "small"}},
    ],
)
def test_other_weights_and_the_miniature_do_without_the_packaged_networks(other):
    study = Ave(**{"source": "official"} | other)
    assert study.kind == "omnivore_asf"
    assert study.extractor_names() == ("omnivore", "asf")


def test_without_installed_packages_features_are_those_that_need_no_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = Ave(source="official")
    assert (study.kind, study.recipe) == ("statistics", "packaged")
    assert {weights.origin for weights in study.weights().values()} == {"none", "trained"}  # TIM
    assert Ave().kind == "omnivore_asf"


def notices(study):
    return study.notices(Place(Path("results/ave"), 0))


def test_features_that_weights_would_better_are_said_before_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (line,) = notices(Ave(source="official"))
    assert line.startswith("no weights are there, so features are statistics")
    assert notices(Ave(source="official", features="statistics")) == []
    (line,) = notices(Ave(source="official", features="omnivore_asf"))
    assert line.startswith("omnivore and asf will be trained on the same videos as TIM")
    given = {"omnivore": "omnivore.torch", "asf": "asf.pyth"}
    assert notices(Ave(source="official", checkpoints=given)) == []
    assert notices(Ave()) == []


@pytest.mark.parametrize(
    ("settings", "is_weighed"),
    [
        ({"source": "official"}, True),
        ({"source": "official", "features": "omnivore_asf"}, True),
        ({"features": "packaged"}, True),
        # Figures of the miniature and of published weights are of the joint model alone.
        ({}, False),
        ({"source": "official", "checkpoints": {"omnivore": "o.torch", "asf": "a.pyth"}}, False),
        ({"source": "official", "features": "vgg"}, False),
        ({"source": "official", "tim": {"models": ["audio_visual"]}}, False),
    ],
)
def test_the_validation_split_decides_between_joint_and_single_answers(
    tmp_path, monkeypatch, settings, is_weighed
):
    monkeypatch.chdir(tmp_path)
    assert Ave(**settings).weighs_models is is_weighed


def test_given_weights_of_a_packaged_network_are_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Ave(source="official", checkpoints={"yamnet": "yamnet.pth"}).kind == "packaged"


def test_windows_of_the_packaged_recipe_are_the_ten_seconds_of_a_video():
    recipe = TIM_RECIPES[Ave(features="packaged").recipe]
    assert (recipe.num_feats, recipe.window_s) == (10, 10)
    assert recipe.includes_end_row and not TIM_RECIPES["ave"].includes_end_row


def test_features_of_other_networks_are_found_in_their_own_folders():
    folders = {
        kind: Ave(features=kind).feature_source("audio", Place(Path("r"), 0)).folders
        for kind in ("omnivore_asf", "vgg", "packaged", "statistics")
    }
    assert len({str(folder) for (folder,) in folders.values()}) == 4


@pytest.mark.parametrize(("key", "value"), [("videos", "AVE"), ("splits", {"test": "testSet.txt"})])
def test_paths_beside_the_rendered_miniature_name_the_remedy(key, value):
    with pytest.raises(ConfigError, match=rf"ave\.{key}.* is given, .*; set ave\.source: official"):
        load_config({"ave": {key: value}})
