"""The sections of EPIC-KITCHENS and Perception Test, and what follows from them."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from frame_files import pack_tar, write_frames

from avlib.datasets.miniature.epic import ANNOTATION_FILES
from avlib.errors import ConfigError
from avlib.studies import load_config
from avlib.studies.base import Place
from avlib.tim.recipes import MODELS, TIM_RECIPES, TimTraining
from avlib.workflow import Workflow

ACTIONS = (
    "narration_id,video_id,start_timestamp,stop_timestamp,verb,noun,verb_class,noun_class\n"
    "P01_{0}_0,P01_{0},00:00:01.00,00:00:02.00,take,plate,0,2\n"
)
SOUNDS = (
    "annotation_id,video_id,start_timestamp,stop_timestamp,class,class_id\n"
    "P01_{0}_0,P01_{0},00:00:01.000,00:00:02.000,water,5\n"
)
VIDEO_INFO = "video_id,duration,fps\nP01_1,4.0,50.0\nP01_2,4.0,59.94\n"


@pytest.fixture
def official(tmp_path):
    """The settings of a study of two videos in the official layout, in `tmp_path`."""
    for split, number in (("train", 1), ("val", 2)):
        (tmp_path / f"actions_{split}.csv").write_text(ACTIONS.format(number))
        (tmp_path / f"sounds_{split}.csv").write_text(SOUNDS.format(number))
    (tmp_path / "video_info.csv").write_text(VIDEO_INFO)
    tables = {
        key: {split: str(tmp_path / f"{key}_{split}.csv") for split in ("train", "val")}
        for key in ("actions", "sounds")
    }
    return {"source": "official", "video_info": str(tmp_path / "video_info.csv"), **tables}


def epic(settings):
    return load_config({"epic": settings}).epic


def ask(question, values, study="epic", **wildcards):
    asked = Workflow(load_config({study: values}), results=Path("results"), rescan=False)
    paper, name = question.split(".")
    return getattr(getattr(asked, paper), name)(SimpleNamespace(study=study, **wildcards))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"visual": {"extractor": "omnivore"}}, "did you mean epic.visual.extractors?"),
        ({"visual": {"extractors": []}}, "config key epic.visual.extractors"),
        ({"tim": {"models": []}}, "config key epic.tim.models"),
        ({"tim": {"models": ["audio", "audio"]}}, "config key epic.tim.models: names a model twi"),
        ({"tim": {"models": ["verbs"]}}, "config key epic.tim.models"),
        (
            {"checkpoints": {"tim": "x"}, "tim": {"models": ["visual", "audio"]}},
            "epic.checkpoints.tim is one model; name it alone as epic.tim.models",
        ),
        ({"videos": "v"}, "epic.videos is given, but the data set is rendered; set epic.source"),
        (
            {"actions": {"val": "v.csv"}},
            "epic.actions.val is given, but the data set is rendered; set epic.source: official",
        ),
        (
            {"source": "official", "videos": "v", "frames": "f"},
            "give epic.videos or epic.frames, not both",
        ),
        (
            {"source": "official", "published": {"visual": ["v"]}},
            "not the audio ones that the models take; name them as epic.published.audio",
        ),
        (
            {"source": "official", "published": {"visual": ["v"], "audio": "a"}}
            | {"actions": {"val": "v.csv"}},
            "name the table as epic.intervals.val",
        ),
        ({"submission": {"data": 6}}, "config key epic.submission.data"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_in_one_line(values, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        epic(values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("recipe", ["epic", "perception", "ave", "small", "small_events"])
def test_every_combination_of_features_and_labels_is_a_model(recipe):
    settings = TimTraining(recipe=recipe)
    found = {name: settings.adjusted_recipe(name) for name in MODELS}
    assert {(r.model_modality, r.data_modality) for r in found.values()} == {
        ("audio_visual", "audio_visual"),
        ("audio_visual", "visual"),
        ("audio_visual", "audio"),
        ("visual", "visual"),
        ("audio", "audio"),
    }
    assert found["audio_visual"] == TIM_RECIPES[recipe]
    assert all(r.has_windows_of(TIM_RECIPES[recipe]) for r in found.values())


GIVEN = {"asf": "a.pyth", "omnivore": "o.torch", "videomae": "v.tar"}
PUBLISHED = {
    "source": "official",
    "published": {"visual": ["omnivore", "videomae"], "audio": "asf"},
}


@pytest.mark.parametrize(
    ("study", "values", "recipe"),
    [
        ("epic", {}, "small_events"),
        ("epic", {"checkpoints": {"asf": "a.pyth"}}, "small_events"),
        ("epic", {"checkpoints": {"asf": "a.pyth"}, "tim": {"models": ["audio"]}}, "epic"),
        ("epic", {"checkpoints": GIVEN}, "epic"),
        ("epic", PUBLISHED, "epic"),
        ("epic", {"tim": {"recipe": "ave"}}, "ave"),
        ("perception", {}, "small_events"),
        ("perception", {"checkpoints": GIVEN}, "perception"),
        ("perception", PUBLISHED, "perception"),
    ],
)
def test_the_recipe_is_the_published_one_where_the_features_are(study, values, recipe):
    assert ask("tim.recipe", values, study=study) == recipe


def test_a_model_hears_and_sees_only_its_own_features():
    both = {"visual": {"extractors": ["omnivore", "videomae"]}}
    assert epic(both).extractor_names() == ("omnivore", "videomae", "asf")
    assert epic(both | {"tim": {"models": ["visual"]}}).extractor_names() == (
        "omnivore",
        "videomae",
    )
    sounds = both | {"tim": {"models": ["sounds"]}}  # from the features of both modalities
    assert epic(sounds).extractor_names() == ("omnivore", "videomae", "asf")
    assert ask("tim.feature_folders", both, model="audio") == {
        "audio": ["results/epic/features/asf"]
    }
    assert ask("tim.feature_folders", both, model="actions")["visual"] == [
        "results/epic/features/omnivore",
        "results/epic/features/videomae",
    ]


def test_validation_is_evaluated_and_test_is_handed_in(official):
    assert ask("tim.evaluated_split", {}) == "val"
    assert ask("tim.evaluated_windows", {}) == "results/epic/tim/windows/val.npz"
    place = Place(Path("results/epic"), 0)
    assert "results/epic/submission.zip" in epic({}).targets(place)
    assert ask("tim.submission_model_names", {"tim": {"models": ["audio", "actions"]}}) == [
        "actions"
    ]
    assert "results/epic/submission.zip" not in epic(official).targets(place)
    with pytest.raises(ConfigError, match=r"^epic\.actions\.test: name the table"):
        epic(official).submitted_model()
    perception = load_config({}).perception
    with pytest.raises(ConfigError, match="takes part in no challenge"):
        perception.submitted_model()


def test_labels_that_a_model_predicts_have_to_be_given(official):
    place = Place(Path("results/epic"), 0)
    without = {key: value for key, value in official.items() if key != "sounds"}
    with pytest.raises(ConfigError, match=r"^epic\.sounds\.train: name .*epic\.tim\.models"):
        epic(without).annotation_files(place)
    visual = without | {"tim": {"models": ["visual"]}}
    assert set(epic(visual).annotation_files(place)) == {
        *("actions.train", "actions.val", "video_info")
    }
    given = visual | {"checkpoints": {"tim": "t.tar"}, "actions": {"val": official["video_info"]}}
    assert "actions.val" in epic(given).annotation_files(place)


def test_the_public_files_of_perception_test_have_labels_of_both_modalities(tmp_path):
    for name in ("train.json", "val.json"):
        (tmp_path / name).touch()
    files = {split: str(tmp_path / f"{split}.json") for split in ("train", "val")}
    study = load_config({"perception": {"source": "official", "annotations": files}}).perception
    assert set(study.annotation_files(Place(tmp_path, 0))) == {
        *("annotations.train", "annotations.val")
    }
    assert study.training_splits() == ["train", "val"]
    absent = load_config({"perception": {"source": "official"}}).perception
    with pytest.raises(ConfigError, match=r"^perception\.actions\.train: name the table"):
        absent.annotation_files(Place(tmp_path, 0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"^epic\.videos: name a folder of videos, epic\.frames, or published features"),
        ({"videos": "gone"}, r"^epic\.videos: gone is no folder"),
        ({"frames": "{folder}"}, r"^epic\.sound: frames have no sound; .*models: \[visual\]"),
        ({"sound": "gone", "tim": {"models": ["audio"]}}, r"^epic\.sound: gone is no folder"),
    ],
)
def test_media_that_the_models_need_have_to_be_named(official, tmp_path, settings, message):
    settings = {k: v.format(folder=tmp_path) if k == "frames" else v for k, v in settings.items()}
    with pytest.raises(ConfigError, match=message):
        epic(official | settings).list_videos(Place(tmp_path, 0))


def test_frames_are_found_in_folders_and_tars_with_their_rate_and_sound(official, tmp_path):
    folder = write_frames(tmp_path / "frames/P01/rgb_frames/P01_1", range(1, 3))
    tar = pack_tar(folder, tmp_path / "frames/P01/rgb_frames/P01_2.tar")
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound/P01_1.wav").touch()
    settings = official | {"frames": str(tmp_path / "frames"), "sound": str(tmp_path / "sound")}
    first, second = epic(settings).list_videos(Place(tmp_path, 0))
    assert (first.path, first.fps, first.split) == (str(folder), 50.0, "train")
    assert (second.path, second.fps, second.split) == (str(tar), 59.94, "val")
    assert first.sound == str(tmp_path / "sound/P01_1.wav")
    assert second.sound == str(tmp_path / "sound/P01_2.wav")  # said to be missing
    seen = epic(settings | {"sound": None, "tim": {"models": ["visual"]}})
    assert [video.sound for video in seen.list_videos(Place(tmp_path, 0))] == [None, None]


def test_a_miniature_has_the_videos_and_files_of_the_official_layout(tmp_path):
    study, place = epic({}), Place(tmp_path, 0)
    videos = study.list_videos(place)
    assert {video.split for video in videos} == {"train", "val", "test"}
    assert set(study.annotation_files(place)) == set(ANNOTATION_FILES)
    assert study.given_splits() == ["train", "val", "test"]
    perception = load_config({}).perception
    assert perception.given_splits() == ["train", "val"]
    assert {video.split for video in perception.list_videos(place)} == {"train", "val"}
