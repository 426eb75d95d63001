import json
import re
from pathlib import Path

import pytest
import yaml

from avlib.errors import ConfigError
from avlib.schemas import schemas
from avlib.studies import Config, config_hash, load_config, read_config
from avlib.studies.base import Place

ROOT = Path(__file__).parents[2]


def test_config_yaml_holds_every_key_with_its_default():
    values = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert values == Config().model_dump(mode="json")


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "configs").glob("*.yaml")))
def test_every_overlay_is_valid_and_changes_something(name):
    overlay = read_config(ROOT / "config.yaml", [ROOT / "configs" / name])
    assert overlay != Config()


def test_the_overlay_for_own_videos_has_at_most_four_lines():
    lines = (ROOT / "configs" / "custom.yaml").read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("#")]) <= 4


def test_the_schemas_are_those_of_the_code():
    files = {p.name: json.loads(p.read_text()) for p in (ROOT / "schemas").glob("*.json")}
    assert files == schemas(), "run: make schemas"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sed": 1}, "config key sed does not exist; did you mean seed?"),
        ({"ave": {"shard": 2}}, "config key ave.shard does not exist; did you mean ave.shards?"),
        (
            {"custom": {"pretraining": {"epoch": 3}}},
            "config key custom.pretraining.epoch does not exist; "
            "did you mean custom.pretraining.epochs?",
        ),
        ({"ave": {"checkpoints": {"afs": "x"}}}, "did you mean ave.checkpoints.asf?"),
        ({"device": "gpu"}, "config key device: .*'cpu'.* got 'gpu'"),
        ({"ave": {"shards": 3}}, "config key ave.shards: must be a power of two"),
        ({"ave": {"feature_shards": 8}}, "config key ave: feature_shards may be at most shards"),
        ({"custom": {"name": "../x"}}, "config key custom.name"),
        ({"custom": {"name": "ave"}}, "custom.name may not be the name of another study"),
        ({"sounds": {"name": "custom"}}, "sounds.name may not be the name of another study"),
        ({"k600": {"source": "official"}}, "source official and videos belong together"),
        ({"k600": {"video_scores": {"list": "x"}}}, "give both files, scores and list, or none"),
        ({"k600": {"mel": {"referense": "clip"}}}, "did you mean k600.mel.reference?"),
        ({"sounds": {"network": {"name": "resnet20"}}}, "config key sounds.network.name"),
        ({"ave": {"checkpoints": {"asf": 3}}}, "config key ave.checkpoints.asf"),
        (
            {"ave": {"vgg_features": {"visual": "v.h5", "audio": "a.h5"}}},
            "vgg_features are given, but features is omnivore_asf; set ave.features: vgg",
        ),
        (
            {"ave": {"tim": {"recipe": "ave_vgg"}}},
            "tim.recipe ave_vgg is for features: vgg, but features is omnivore_asf",
        ),
        (
            {"ave": {"tim": {"recipe": "small"}, "features": "vgg"}},
            "tim.recipe small is for features: omnivore_asf, but features is vgg",
        ),
        (
            {"ave": {"tim": {"recipe": "ave"}, "features": "vgg"}},
            "set ave.tim.recipe: null, or ave.features: omnivore_asf",
        ),
        (
            {"ave": {"tim": {"recipe": "small"}, "features": "packaged"}},
            "tim.recipe small is for features: omnivore_asf, but features is packaged",
        ),
        (
            {"ave": {"tim": {"recipe": "packaged"}}},
            "tim.recipe packaged is for features: packaged, but features is omnivore_asf",
        ),
    ],
)
def test_a_wrong_key_is_named_in_one_line(values, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")) as error:
        load_config(values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "ave",
    [
        {"features": "vgg", "tim": {"recipe": "ave_vgg"}},
        {"features": "vgg", "vgg_features": {"visual": "v.h5", "audio": "a.h5"}},
        {"tim": {"recipe": "ave"}},
    ],
)
def test_features_and_recipes_that_go_together_are_accepted(ave):
    assert load_config({"ave": ave}).ave.kind == ave.get("features", "omnivore_asf")


def test_every_study_has_a_name_which_is_by_default_that_of_its_section():
    config = Config()
    assert list(config.sections) == list(config.studies)
    assert all(study.section == section for section, study in config.sections.items())
    other = load_config({"ave": {"name": "ave_again"}})
    assert "ave_again" in other.studies and "ave" not in other.studies
    assert other.ave.key("videos") == "ave.videos"


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({}, ["ave"]),
        ({"seed": 1}, ["ave"]),
        ({"llp": {"shards": 4}}, ["llp"]),
        ({"sounds": {"folder": "x"}}, ["sounds"]),
        ({"custom": {"name": "mine", "videos": "x"}}, ["custom"]),
        ({"ave": {"shards": 8}, "k600": {"shards": 8}}, ["ave", "k600"]),
    ],
)
def test_a_run_without_a_target_makes_the_studies_that_are_configured(values, chosen):
    assert [study.section for study in load_config(values).chosen] == chosen


def test_another_name_is_another_configuration():
    first, second = load_config({}), load_config({"ave": {"name": "other"}})
    assert config_hash(first, "ave") != config_hash(second, "other")


@pytest.mark.parametrize(
    ("section", "values", "key"),
    [
        ("ave", {"source": "official", "videos": ".", "annotations": "gone"}, "ave.annotations"),
        ("custom", {"videos": "gone"}, "custom.videos"),
        ("custom", {"sound": "gone"}, "custom.sound"),
        (
            "custom",
            {"name": "mine", "videos": ".", "annotation_format": "epic_sounds"}
            | {"splits": {"train": "gone"}},
            "custom.splits.train",
        ),
        ("k600", {"source": "official", "videos": "gone"}, "k600.videos"),
        ("k600", {"source": "official", "videos": ".", "classes": "gone"}, "k600.classes"),
        ("llp", {"source": "official", "labels": "gone", "videos": "."}, "llp.labels"),
        ("sounds", {"folder": "gone"}, "sounds.folder"),
        ("sounds", {"folder": ".", "table": "gone"}, "sounds.table"),
    ],
)
def test_a_message_about_a_path_names_its_whole_key(section, values, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = load_config({section: values}).sections[section]
    with pytest.raises(ConfigError, match=rf"^{re.escape(key)}: .*gone") as error:
        study.list_videos(Place(tmp_path, seed=0))
    assert "\n" not in str(error.value)


def test_a_leading_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    config = load_config({"custom": {"videos": "~/videos", "checkpoints": {"asf": "~/a.pyth"}}})
    assert config.custom.videos == Path("/home/someone/videos")
    assert config.custom.checkpoints.asf == Path("/home/someone/a.pyth")
    with pytest.raises(ConfigError, match=r"custom\.videos: .*unknown user"):
        load_config({"custom": {"videos": "~nobody_has_this_name/videos"}})


def test_settings_cannot_be_changed_after_loading():
    with pytest.raises(ValueError, match="frozen"):
        Config().seed = 1
