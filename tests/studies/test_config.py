import json
from pathlib import Path

import pytest
import yaml

from avlib.doctor import read_config
from avlib.errors import ConfigError
from avlib.schemas import schemas
from avlib.studies import Config, load_config

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
    assert load_config({"ave": ave}).ave.features == ave.get("features", "omnivore_asf")


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
