from pathlib import Path
from types import SimpleNamespace

import pytest

from avlib.errors import ConfigError
from avlib.soundtracks.recipes import SoundtrackTraining
from avlib.studies import config_hash, load_config
from avlib.tim.recipes import TimTraining
from avlib.workflow import Workflow


def ask(question, values, **wildcards):
    asked = Workflow(load_config(values), results=Path("results"), rescan=False)
    paper, name = question.split(".")
    return getattr(getattr(asked, paper), name)(SimpleNamespace(**wildcards))


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights"
    path.touch()
    return str(path)


def test_training_splits_have_the_views_of_the_preset():
    settings = {"custom": {"preset": "epic_sounds"}}
    found = ask("extractors.extraction", settings, study="custom", extractor="asf")
    assert found["views"] == {"train": 3, "val": 1, "test": 1}


def test_published_omnivore_weights_have_four_views(weights):
    given = {"ave": {"checkpoints": {"omnivore": weights}}}
    wildcards = {"study": "ave", "extractor": "omnivore"}
    assert ask("extractors.extraction", given, **wildcards)["views"] == {
        "train": 4,
        "val": 1,
        "test": 1,
    }
    assert ask("extractors.extraction", {}, **wildcards)["views"]["train"] < 4


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
    assert ask("tim.recipe", {"ave": ave}, study="ave") == recipe


def test_vgg_features_without_weights_are_refused_with_the_remedy():
    with pytest.raises(ConfigError, match=r"ave.checkpoints.vgg19: .* give them, or `untrained`"):
        ask("extractors.weights", {"ave": {"features": "vgg"}}, study="ave", extractor="vgg19")


def test_given_tim_weights_are_evaluated_alone(weights):
    given = {"ave": {"checkpoints": {"tim": weights}}}
    assert ask("tim.models", given, study="ave") == [weights]
    assert ask("tim.model_names", given, study="ave") == ["audio_visual"]


def test_only_the_first_model_starts_from_given_weights(weights):
    given = {"ave": {"tim": {"checkpoint": weights}}}
    found = {
        model: ask("tim.initial_weights", given, study="ave", model=model)
        for model in ("audio_visual", "audio", "visual")
    }
    assert found == {"audio_visual": [weights], "audio": [], "visual": []}
    assert ask("tim.initial_weights", {}, study="ave", model="audio_visual") == []
    absent = {"ave": {"tim": {"checkpoint": weights + "_absent"}}}
    with pytest.raises(ConfigError, match=r"ave.tim.checkpoint: .*weights_absent is no file"):
        ask("tim.initial_weights", absent, study="ave", model="audio_visual")
    settings = ask("tim.settings", given, study="ave", model="audio_visual")
    assert TimTraining(**settings).adjusted_recipe("audio_visual").name == "small"


def test_omnivore_is_trained_at_the_rate_of_its_frames():
    training = ask("extractors.omnivore_training", {}, study="ave")
    packs = ask("media.frames", {}, study="ave")
    assert training["rate"] == packs["rate_fps"]


def test_a_model_of_one_modality_has_no_head_to_select_by():
    ave = {"ave": {"tim": {"select_by": "audio"}}}
    found = {
        model: ask("tim.settings", ave, study="ave", model=model)["select_by"]
        for model in ("audio_visual", "audio", "visual")
    }
    assert found == {"audio_visual": "audio", "audio": None, "visual": None}


def test_the_number_of_processes_is_no_reason_to_train_again():
    one, two = (
        ask("tim.settings", {"ave": {"tim": tim}}, study="ave", model="audio")
        for tim in ({"parts": 2}, {"parts": 2, "processes": 2})
    )
    assert one == two
    assert ask("tim.processes", {"ave": {"tim": {"parts": 2, "processes": 2}}}, study="ave") == 2


@pytest.mark.parametrize("modality", ["visual", "audio"])
def test_published_features_share_no_folder_with_extracted_ones(modality, weights):
    given = {"features": "vgg", "vgg_features": {"visual": weights, "audio": weights}}
    (published, index), (extracted, other_index) = (
        (
            Path(ask("tim.feature_folders", {"ave": ave}, study="ave")[modality][0]),
            Path(ask("tim.feature_index", {"ave": ave}, study="ave")[modality][0]),
        )
        for ave in (given, {"features": "vgg"})
    )
    assert published.name == extracted.name
    assert index == published / "index.parquet"
    assert other_index == extracted / "index.parquet"
    assert published.parent == Path("results/ave/published")
    assert extracted.parent == Path("results/ave/features")


def test_given_tim_weights_are_checked(weights):
    given = {"ave": {"checkpoints": {"tim": weights}}}
    assert ask("tim.checked", given, study="ave") == ["results/ave/model/tim/given.json"]
    assert ask("tim.checked", {}, study="ave") == []


@pytest.mark.parametrize(
    ("values", "differs"),
    [
        ({"seed": 1}, True),
        ({"dtype": "bfloat16"}, True),
        ({"allow_tf32": True}, True),
        ({"device": "cpu"}, True),
        ({"ave": {"shards": 8}}, True),
        ({"custom": {"shards": 8}}, False),
    ],
)
def test_the_config_hash_covers_all_that_concerns_the_study(values, differs):
    found = ask("files.summary", values, study="ave")["config_hash"]
    assert (found != config_hash(load_config({}), "ave")) == differs


def test_an_official_study_needs_a_list_to_train_on(tmp_path):
    lists = {"test": str(tmp_path / "testSet.txt")}
    ave = {"source": "official", "annotations": "Annotations.txt", "splits": lists}
    with pytest.raises(ConfigError, match=r"ave.splits.train: name the list of its videos"):
        ask("tim.training_splits", {"ave": ave}, study="ave")


def test_a_study_without_visual_features_trains_no_visual_network():
    with pytest.raises(ConfigError, match="custom has no such results; it trains no visual"):
        ask("extractors.omnivore_training", {}, study="custom")


@pytest.mark.parametrize(
    ("study", "settings", "recipe"),
    [
        ("k600", {}, "miniature"),
        ("k600", {"source": "official", "videos": "x"}, "kinetics600"),
        ("sounds", {"folder": "x"}, "small"),
        ("sounds", {"training": {"recipe": "kinetics600"}}, "kinetics600"),
    ],
)
def test_the_recipe_of_soundtracks_follows_from_the_source(study, settings, recipe):
    values = {study: settings}
    training = ask("soundtracks.training", values, study=study)
    assert SoundtrackTraining(**training).recipe == recipe


def test_published_images_are_relative_to_the_clip():
    official = {"k600": {"source": "official", "videos": "x"}}
    expected = {"variant": "librosa_0_8", "reference": "clip", "dtype": "float32"}
    assert ask("soundtracks.mel", official, study="k600") == expected


def test_given_weights_leave_no_fold_out(weights, tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").touch()
    (tmp_path / "folds.csv").write_text("file,label,fold\na.wav,x,1\nb.wav,y,2\n")
    sounds = {"folder": tmp_path, "table": tmp_path / "folds.csv"}
    assert ask("soundtracks.folds", {"sounds": sounds}, study="sounds") == ["1", "2"]
    given = {"sounds": {**sounds, "checkpoints": {"soundtrack": weights}}}
    with pytest.raises(ConfigError, match="weights are given, so no fold is left out"):
        ask("soundtracks.folds", given, study="sounds")


def test_features_of_a_study_of_soundtracks_are_refused():
    with pytest.raises(ConfigError, match="k600 has no network asf; it has soundtrack, omnivore"):
        ask("extractors.weights", {}, study="k600", extractor="asf")
    with pytest.raises(ConfigError, match="ave has no such results; studies that do: k600, sounds"):
        ask("soundtracks.mel", {}, study="ave")


def test_kinds_of_features_that_see_the_same_frames_are_made_by_one_job(tmp_path):
    def kinds(llp):
        config = load_config({"llp": llp})
        return Workflow(config, results=Path("results"), rescan=False).valor.frame_kinds

    assert kinds({}) == ["res152", "r2plus1d_18", "clip"]
    assert kinds({"variants": ["han"]}) == ["res152", "r2plus1d_18"]
    given = {"res152": str(tmp_path), "r2plus1d_18": str(tmp_path)}
    assert kinds({"features": given}) == []  # CLIP is alone
    official = {"source": "official", "labels": str(tmp_path), "videos": str(tmp_path)}
    weights = {"res152": "res152.pth", "r2plus1d_18": "r2plus1d_18.pth"}
    assert kinds(official | {"checkpoints": weights}) == ["res152", "r2plus1d_18"]
