from pathlib import Path

import pytest

from avlib.errors import ConfigError, DataError
from avlib.media.scan import passed_over_file
from avlib.studies import load_config
from avlib.studies.base import Place
from avlib.workflow.study_files import StudyFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.wav", "c.m4a", "notes.txt", "cover.JPG"):
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / "videos" / name).touch()
    return tmp_path


def test_sound_files_among_the_videos_are_used(folder):
    study = load_config({"custom": {"videos": str(folder / "videos")}}).custom
    videos = study.list_videos(Place(folder / "results", 0))
    assert [video.video_id for video in videos] == ["a", "b", "c"]


def test_annotated_sound_files_are_used(folder):
    (folder / "events.csv").write_text("video_id,start_s,stop_s,label\nb,0,1,dog\na,0,1,cat\n")
    config = {"videos": str(folder / "videos"), "annotations": str(folder / "events.csv")}
    videos = load_config({"custom": config}).custom.list_videos(Place(folder / "results", 0))
    assert [Path(video.path).name for video in videos] == ["a.mp4", "b.wav"]


def test_files_that_are_passed_over_are_counted_when_videos_are_searched(folder):
    config = load_config({"custom": {"videos": str(folder / "videos")}})
    files = StudyFiles(config, results=folder / "results", rescan=True)
    files.scanned("custom")
    written = passed_over_file(files.lists("custom")).read_text()
    assert written.split() == ["{", '".jpg":', "1,", '".txt":', "1", "}"]


def test_a_folder_without_media_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    study = load_config({"custom": {"videos": str(tmp_path)}}).custom
    with pytest.raises(ConfigError, match=r"custom\.videos: no video or sound file in .*; name an"):
        study.list_videos(Place(tmp_path / "results", 0))


def test_the_former_key_of_the_extractors_names_the_new_one():
    with pytest.raises(ConfigError, match=r"custom\.features has another name now: custom\.extr"):
        load_config({"custom": {"features": ["asf"]}})


def test_models_are_those_whose_features_are_made():
    heard = load_config({"custom": {"extractors": ["asf"]}}).custom
    assert heard.models == ("audio",)
    both = load_config({"custom": {"extractors": ["omnivore", "asf"]}}).custom
    assert both.models == ("audio_visual", "audio", "visual")
    with pytest.raises(ConfigError, match=r"custom\.tim\.models: visual takes visual features"):
        load_config({"custom": {"extractors": ["asf"], "tim": {"models": ["visual"]}}})


@pytest.fixture
def labelled(folder, monkeypatch):
    """A configuration with annotations, in a working folder without packaged weights."""
    monkeypatch.chdir(folder)
    (folder / "events.csv").write_text("video_id,start_s,stop_s,label\nb,0,1,dog\na,0,1,cat\n")
    return {"videos": str(folder / "videos"), "annotations": str(folder / "events.csv")}


def notices(study):
    return [line for line in study.notices(Place(Path("results/custom"), 0)) if "split" not in line]


def test_without_any_weights_tim_learns_from_statistics_and_a_line_says_so(labelled):
    study = load_config({"custom": labelled}).custom
    assert study.extractor_names() == ("picture_statistics", "sound_statistics")
    assert (study.recipe, study.models) == ("packaged", ("audio_visual", "audio", "visual"))
    assert study.interval_rule() == {"interval_s": 1.0, "hop_s": 1.0, "seconds": "all"}
    (line,) = notices(study)
    assert line.startswith("no weights are there") and "`make weights`" in line


@pytest.mark.parametrize(
    "chosen",
    [
        {"extractors": ["asf"]},
        {"checkpoints": {"tim": "tim.safetensors"}},
        {"tim": {"recipe": "small"}},
    ],
)
def test_a_network_that_is_trained_on_the_same_videos_is_warned_of(labelled, chosen):
    study = load_config({"custom": labelled | chosen}).custom
    assert study.extractor_names() == ("asf",)
    (line,) = notices(study)
    assert line.startswith("asf will be trained on the same videos as TIM")
    assert "leave custom.extractors, checkpoints and tim.recipe out" in line


def test_given_and_random_weights_are_not_warned_of(labelled):
    for value in ("asf.pyth", "untrained"):
        study = load_config({"custom": labelled | {"checkpoints": {"asf": value}}}).custom
        assert study.extractor_names() == ("asf",)
        assert notices(study) == []


@pytest.mark.parametrize(
    ("extractors", "is_weighed"),
    [(None, True), (["omnivore", "asf"], True), (["clip", "clap"], True), (["asf"], False)],
)
def test_the_validation_split_decides_between_joint_and_single_answers(
    labelled, extractors, is_weighed
):
    study = load_config({"custom": labelled | {"extractors": extractors}}).custom
    assert study.weighs_models is is_weighed


def test_without_annotations_and_weights_nothing_is_trained_and_the_remedy_is_named(labelled):
    study = load_config({"custom": {"videos": labelled["videos"]}}).custom
    with pytest.raises(ConfigError, match=r"custom\.checkpoints\.asf: run `make weights` for feat"):
        study.require_trainable("asf")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,0,1,dog", "a,1,2,cat"], "all events are of one video, a; .*label events of two more"),
        (["a,0,1,dog", "b,1,2,dog"], "the events have one class, dog; .*a second class"),
    ],
)
def test_events_that_train_nothing_are_named_whatever_is_asked_first(
    folder, labelled, rows, message
):
    (folder / "events.csv").write_text("\n".join(["video_id,start_s,stop_s,label", *rows]))
    study, place = load_config({"custom": labelled}).custom, Place(folder / "results", 0)
    for ask in (study.training_splits, lambda: study.notices(place), study.given_splits):
        with pytest.raises(DataError, match=rf"custom\.annotations: {message}"):
            ask()
    with pytest.raises(DataError, match=message):
        study.list_videos(place)


def test_classes_that_val_lacks_are_said_before_a_run(folder, labelled):
    rows = ["a,0,1,dog,train", "b,0,1,cat,train", "c,0,1,cat,val", "d,0,1,cat,test"]
    text = "\n".join(["video_id,start_s,stop_s,label,split", *rows])
    (folder / "events.csv").write_text(text)
    lines = load_config({"custom": labelled}).custom.notices(Place(folder / "results", 0))
    assert any(line.startswith("val has no event of dog; classes that it lacks") for line in lines)
    assert any(line.startswith("test has no event of dog") for line in lines)


def test_tim_is_a_target_where_a_csv_labels_events(folder, labelled):
    study = load_config({"custom": labelled}).custom
    assert "results/custom/test_metrics.json" in study.targets(Place(Path("results/custom"), 0))
    without = load_config({"custom": {"videos": str(folder / "videos")}}).custom
    targets = without.targets(Place(Path("results/custom"), 0))
    assert targets == [
        "results/custom/features/asf/index.parquet",
        "results/custom/model/asf/curves.svg",
    ]
    assert "tim" not in without.weights()


def test_events_are_looked_for_where_there_are_no_annotations_but_packaged_weights(
    folder, monkeypatch
):
    monkeypatch.chdir(folder)
    (folder / "weights").mkdir()
    for network in ("yamnet", "efficientnet_lite0"):
        (folder / "weights" / f"{network}.safetensors").touch()
    videos = {"videos": str(folder / "videos")}
    targets = load_config({"custom": videos}).custom.targets(Place(Path("results/custom"), 0))
    assert {"results/custom/events.csv", "results/custom/tags.json"} <= set(targets)
    (folder / "events.csv").write_text("video_id,start_s,stop_s,label\nb,0,1,dog\na,0,1,cat\n")
    labelled = load_config({"custom": videos | {"annotations": str(folder / "events.csv")}}).custom
    assert "results/custom/tags.json" not in labelled.targets(Place(Path("results/custom"), 0))


def test_given_weights_of_packaged_networks_make_the_features(folder, monkeypatch):
    monkeypatch.chdir(folder)  # where no packaged weights are
    place = Place(Path("results/custom"), 0)
    given = {"yamnet": "yamnet.pth", "efficientnet_lite0": "lite0.pth"}
    study = load_config({"custom": {"checkpoints": given}}).custom
    assert study.extractor_names() == ("efficientnet_lite0", "yamnet")
    assert "results/custom/events.csv" in study.targets(place)
    # Random ones try the pipeline; there is nothing to be found with them.
    random = load_config({"custom": {"checkpoints": given | {"yamnet": "untrained"}}}).custom
    assert random.extractor_names() == study.extractor_names()
    assert "results/custom/events.csv" not in random.targets(place)


def test_thresholds_of_found_events_are_checked():
    with pytest.raises(ConfigError, match=r"offset may be at most onset \(2\.25\), found 3"):
        load_config({"custom": {"tags": {"offset": 3}}})


def test_intervals_are_those_of_the_configuration_or_of_the_networks():
    def rule(**config):
        return load_config({"custom": config}).custom.interval_rule()

    assert rule(extractors=["asf"]) == {"interval_s": 1.1, "hop_s": 0.2, "seconds": None}
    packaged = {"interval_s": 1.0, "hop_s": 1.0, "seconds": "all"}
    assert rule(extractors=["yamnet", "efficientnet_lite0"]) == packaged
    assert rule(extractors=["yamnet", "clip"])["seconds"] is None
    own = {"interval_s": 4.0, "hop_s": 2.0, "seconds": None}
    assert rule(extractors=["yamnet"], interval_s=4, hop_s=2) == own


def test_the_recipe_of_tim_takes_features_at_the_distance_of_the_intervals():
    config = {"extractors": ["yamnet"], "annotations": "events.csv"}
    assert load_config({"custom": config}).custom.recipe == "packaged"
    with pytest.raises(
        ConfigError, match=r"custom\.hop_s: the intervals are 2 s apart, but recipe"
    ):
        load_config({"custom": config | {"hop_s": 2}})
    with pytest.raises(ConfigError, match=r"recipe small of TIM takes features every 0\.2 s"):
        load_config({"custom": config | {"tim": {"recipe": "small"}}})


def test_a_network_has_the_name_that_users_know_it_by():
    assert load_config({"custom": {"extractors": ["resnet152"]}}).custom.extractors == ("res152",)
