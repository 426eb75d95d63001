"""Settings and files of the studies of retrieval are checked before any work."""

import re

import pytest

from avlib.datasets import epic_sounds_ret
from avlib.datasets.miniature.kitchen_questions import write_questions
from avlib.datasets.miniature.kitchen_tables import write_mir_tables
from avlib.datasets.miniature.retrieval import miniature_plan
from avlib.errors import ConfigError, DataError
from avlib.media.recordings import CHUNK_S
from avlib.studies import load_config
from avlib.studies.base import Place

OFFICIAL = {"source": "official", "annotations": "{0}", "videos": "{0}/videos"}
PLAN = {"videos": 5, "clips": 5, "seed": 0}


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("epic_mir", {"models": ["clip"]}, "epic_mir.models: 'clip' is no encoder of clips"),
        ("epic_mir", {"models": ["clap+ase_clotho"]}, "a pair is a network of frames and one of"),
        ("epic_mir", {"models": ["clap+egovlp"]}, "such as egovlp.clap, got 'clap.egovlp'"),
        ("epic_mir", {"models": []}, "config key epic_mir.models"),
        ("epic_mir", {"models": ["clap", "clap"]}, "epic_mir.models: one is named twice"),
        ("ego_mcq", {"crop_seeds": [1, 1]}, "ego_mcq.crop_seeds: one is named twice"),
        ("ego_mcq", {"crop_seeds": [-1]}, "ego_mcq.crop_seeds: .*greater than or equal to 0"),
        ("ego_mcq", {"crop_seeds": [2**63]}, "ego_mcq.crop_seeds: .*less than 92233"),
        ("epic_mir", {"fusion": {"ratio": float("inf")}}, "mir.fusion.ratio: .*finite number"),
        ("ego_mcq", {"dual_softmax": True}, "config key ego_mcq.dual_softmax does not exist"),
        (
            "epic_mir",
            {"graded_by": "class"},
            "epic_mir.graded_by: expected caption or verb or noun",
        ),
        (
            "epic_mir",
            {"fusion": {"normalisation": "max"}},
            "epic_mir.fusion.normalisation: it is of the",
        ),
        ("epic_mir", {"relevancy": ["medium"]}, "config key epic_mir.relevancy: .*got 'medium'"),
        (
            "epic_mir",
            {"texts": ["llm"], "models": ["egovlp"]},
            "key epic_mir.texts: original ones are the only texts",
        ),
        ("epic_mir", {"videos": "x"}, "key epic_mir.videos: not used .*set epic_mir.source: off"),
        (
            "epic_sounds_ret",
            {"relevancy": ["all", "low"]},
            "_ret.relevancy: the miniature has no subset low",
        ),
        ("epic_sounds_ret", {"split": "val"}, "_ret.split: the miniature has test only"),
        ("epic_sounds_ret", {"events": "x"}, "_ret.events: not used with the rendered"),
        (
            "epic_sounds_ret",
            {"descriptions": "x"},
            "descriptions: they are for epic_sounds_ret.events",
        ),
        (
            "epic_mir",
            {"source": "official"},
            "models: clap needs epic_mir.videos or epic_mir.sound",
        ),
        ("epic_mir", {"name": "retrieval"}, "may not be 'retrieval', the folder of its tables"),
    ],
)
def test_nonsense_is_one_line_with_its_key(section, values, message):
    with pytest.raises(ConfigError, match=message) as error:
        load_config({section: values})
    assert f"{section}: {section}." not in str(error.value)


@pytest.fixture
def official(tmp_path):
    """Return what configures AudioEpicMIR on small tables in the official layout, and its place."""
    write_mir_tables(tmp_path, miniature_plan("epic_mir", **PLAN), 0)
    (tmp_path / "videos").mkdir()

    def configure(**values):
        paths = {key: value.format(tmp_path) for key, value in OFFICIAL.items()}
        study = load_config({"epic_mir": paths | values}).epic_mir
        return study, Place(tmp_path / "results/epic_mir", 0)

    return configure


def test_videos_are_those_of_the_clips(official, tmp_path):
    folder = tmp_path / "videos/P01/videos"
    folder.mkdir(parents=True)
    (folder / "P01_01.MP4").touch()
    (folder / "other.MP4").touch()
    study, place = official()
    found = {video.video_id: video.path for video in study.list_videos(place)}
    assert set(found) == {"P01_01", "P01_02", "P02_01", "P02_02", "P03_01"}
    assert found["P01_01"] == str(folder / "P01_01.MP4")
    assert found["P01_02"] is None


def test_extracted_sound_takes_the_place_of_videos(official, tmp_path):
    (tmp_path / "flac").mkdir()
    (tmp_path / "flac/P01_01.flac").touch()
    study, place = official(videos=None, sound=str(tmp_path / "flac"), models=["clap"])
    found = {video.video_id: video.sound for video in study.list_videos(place)}
    assert found["P01_01"] == str(tmp_path / "flac/P01_01.flac")
    assert found["P01_02"] is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("EPIC_100_retrieval_test.csv", r"epic_mir.annotations: epic_mir needs \S*test.csv"),
        ("EPIC_100_retrieval_test_gptfiltered_high.csv", "epic_mir.relevancy: high needs .*_high"),
        (
            "EPIC_100_retrieval_test_sentence_gpt.csv",
            "epic_mir.texts: llm needs .*sentence_gpt",
        ),
    ],
)
def test_a_missing_table_is_named_with_the_key_that_asks_for_it(official, tmp_path, name, message):
    study, place = official()
    (tmp_path / name).unlink()
    with pytest.raises(ConfigError, match=message):
        study.list_videos(place)


def test_tables_that_nothing_asks_for_may_be_missing(official, tmp_path):
    for path in {*tmp_path.glob("*_gpt.csv"), *tmp_path.glob("*_gptfiltered_*.csv")}:
        path.unlink()
    study, place = official(texts=["original"], relevancy=["all"])
    assert len(study.list_videos(place)) == 5


def test_a_wrong_row_is_found_when_the_run_is_planned(official, tmp_path):
    path = tmp_path / "EPIC_100_retrieval_test_gptfiltered_low.csv"
    study, place = official()
    study.list_videos(place)
    path.write_text(
        re.sub(r"(?<=,)00:\d\d:\d\d\.\d\d(?=,\d+,)", "00:09:00.00", path.read_text(), count=1)
    )
    with pytest.raises(DataError, match=r"_low\.csv: row 1: clip 'P01_01_\d+' is .* to 540\.0 s"):
        study.list_videos(place)


def test_published_matrices_are_all_there_or_none(official, tmp_path):
    study, place = official(relevancy=["all"], graded_by="verb")
    assert study.graded_files(place) == {}
    study, place = official(relevancy=["all"], relevancy_files=str(tmp_path))
    with pytest.raises(ConfigError, match=r"epic_mir\.relevancy_files: .*caption_rel"):
        study.graded_files(place)
    path = tmp_path / "relevancy/caption_relevancy_EPIC_100_retrieval_test.pkl"
    path.parent.mkdir()
    path.touch()
    assert study.graded_files(place) == {"all.original": path, "all.llm": path}


def test_given_weights_need_their_tokenizer(official, tmp_path):
    with pytest.raises(
        ConfigError, match=r"mir.tokenizers.bert: .*vocab\.txt of bert-base-uncased"
    ):
        official(checkpoints={"ase_clotho": "ase.pt"})
    study, place = official(
        checkpoints={"clap": "clap.pt"}, tokenizers={"roberta": str(tmp_path / "roberta")}
    )
    with pytest.raises(ConfigError, match=r"tokenizers.roberta: .*vocab\.json is no file"):
        study.tokenizer_files("clap", place)


def test_encoders_are_trained_for_the_miniature_alone(official):
    study, place = official()
    with pytest.raises(ConfigError, match=r"epic_mir.checkpoints.clap: .*630k-audioset-fusion"):
        study.trained_file("clap", place)
    rendered = load_config({}).epic_mir
    assert rendered.trained_file("clap", place).parts[-4:-1] == ("retrieval", "model", "clap")


def test_sounds_can_be_built_from_the_official_labels(tmp_path):
    values = {"source": "official", "events": f"{tmp_path}/e.csv", "videos": str(tmp_path)}
    study = load_config({"epic_sounds_ret": values}).epic_sounds_ret
    assert study.notes() == [epic_sounds_ret.OWN_NOTE]
    place = Place(tmp_path / "results/epic_sounds_ret", 0)
    with pytest.raises(ConfigError, match=r"epic_sounds_ret.texts: llm needs epic_sounds_ret.desc"):
        study.annotation_files(place, "all", ("original", "llm"))
    with pytest.raises(ConfigError, match=r"epic_sounds_ret.events: .*e\.csv, which is no file"):
        study.annotation_files(place, "all", ("original",))


@pytest.fixture
def chunked(tmp_path):
    """Return what makes files of chunks of the recordings of AudioEgoMCQ, and the recordings."""
    plan = miniature_plan("ego_mcq", **PLAN)
    write_questions(tmp_path, plan, 0)
    assert plan[0].clips[-1].stop_s > CHUNK_S

    def touch(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()

    return touch, plan[0].video_id, plan[1].video_id


def test_the_chunks_of_a_recording_are_videos(chunked, tmp_path):
    touch, long, short = chunked
    touch(*(f"videos/{name}.mp4" for name in (f"{long}/0", f"{long}/1", f"{short}/0")))
    values = {key: value.format(tmp_path) for key, value in OFFICIAL.items()}
    study = load_config({"ego_mcq": values}).ego_mcq
    found = {v.video_id: v.path for v in study.list_videos(Place(tmp_path / "results/ego_mcq", 0))}
    assert {f"{long}#0", f"{long}#1", f"{short}#0"} <= found.keys()
    assert found[f"{long}#1"] == str(tmp_path / f"videos/{long}/1.mp4")


def test_of_extracted_sound_in_chunks_the_wanted_ones_are_listed(chunked, tmp_path):
    touch, long, short = chunked
    touch(*(f"flac/{name}.flac" for name in (f"{long}/1", f"{long}/7", f"{short}/7")))
    values = {"source": "official", "annotations": str(tmp_path), "sound": f"{tmp_path}/flac"}
    study = load_config({"ego_mcq": values | {"models": ["clap"]}}).ego_mcq
    found = {v.video_id: v.sound for v in study.list_videos(Place(tmp_path / "results/ego_mcq", 0))}
    assert found[f"{long}#1"] == str(tmp_path / f"flac/{long}/1.flac")
    assert found[f"{long}#0"] is None
    assert found[short] is None
    assert not {f"{long}#7", f"{short}#7", long} & found.keys()


def test_tables_of_a_user_do_not_change_what_is_rendered(tmp_path, monkeypatch):
    study = load_config({}).epic_mir
    rendered = study.rendered_tables()
    for name in rendered:
        path = (tmp_path / name).with_suffix(".pkl")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    assert study.rendered_tables() == rendered
    assert {name.rpartition(".")[2] for name in rendered} == {"csv"}


def test_the_miniature_lists_what_will_be_rendered(tmp_path):
    config = load_config({"ego_mcq": {"miniature": {"videos": 5, "clips": 5}}})
    videos = config.ego_mcq.list_videos(Place(tmp_path, 0))
    assert len(videos) == 6  # the first recording has two chunks
    assert all(video.path.startswith(f"{tmp_path}/miniature/ego4d_chunked/") for video in videos)
    assert len(config.epic_sounds_ret.rendered_tables()) == 4
    assert len(config.epic_mir.rendered_tables()) == 16
