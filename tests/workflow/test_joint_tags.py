"""Tags by CLAP and CLIP in place of the packaged networks: what a run needs, and one that runs."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from media_files import make_video, run_ffmpeg
from tiny_towers import save_clap_folder, save_clip_folder
from workflow_checkout import Checkout

from avlib.errors import ConfigError
from avlib.packages import MINILM_FILES
from avlib.studies import load_config
from avlib.studies.base import Place
from avlib.workflow.study_files import StudyFiles
from avlib.workflow.tagging import TaggingFiles

JOB = SimpleNamespace(study="custom", shard="0")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with both networks and a file of labels, and no packaged weights."""
    monkeypatch.chdir(tmp_path)
    for name in ("clap", "clip"):
        (tmp_path / name).mkdir()
        for file in ("model.safetensors", "config.json", "vocab.json", "merges.txt"):
            (tmp_path / name / file).touch()
    (tmp_path / "labels.txt").write_text("dog\n")
    return tmp_path


def package(folder, *names):
    """Put files of packaged weights in place."""
    for name in names:
        path = folder / "weights" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def files(checkpoints, **tags):
    config = load_config({"custom": {"checkpoints": checkpoints, "tags": tags}})
    return TaggingFiles(StudyFiles(config, results=Path("results"), rescan=False))


def test_both_in_place_need_neither_packages_nor_sentences(folder):
    both = files({"clap": "clap", "clip": "clip/model.safetensors"}, labels="labels.txt")
    sound = ["model.safetensors", "config.json", "vocab.json", "merges.txt"]
    assert both.sound_files(JOB) == [f"clap/{name}" for name in sound]
    assert both.picture_files(JOB) == [f"clip/{name}" for name in sound]
    assert both.sentences(JOB) == []
    assert both.towers(JOB) == both.sound_files(JOB) + both.picture_files(JOB)
    assert both.legs(JOB)["sound"] == {"network": "clap", "checkpoint": "clap", "tokenizer": "clap"}
    study = both.files.config.custom
    assert "results/custom/tags.json" in study.targets(Place(Path("results/custom"), 0))


def test_the_leg_that_is_not_replaced_needs_its_package(folder):
    one = files({"clip": "clip"}, labels="labels.txt")
    with pytest.raises(ConfigError, match=r"yamnet\.safetensors is not there: run `make weights`"):
        one.sound_files(JOB)
    package(folder, "yamnet.safetensors")
    assert one.sound_files(JOB) == ["weights/yamnet.safetensors"]
    assert one.picture_files(JOB)[0] == "clip/model.safetensors"
    with pytest.raises(ConfigError, match=r"custom\.tags\.labels: weights/minilm/model"):
        one.sentences(JOB)
    package(folder, *(f"minilm/{file.name}" for file in MINILM_FILES))
    assert len(one.sentences(JOB)) == len(MINILM_FILES)
    assert one.towers(JOB) == one.picture_files(JOB)
    assert one.legs(JOB)["sound"]["tokenizer"] is None
    assert files({"clip": "clip"}).sentences(JOB) == files({"clip": "clip"}).towers(JOB) == []


def test_weights_without_a_tokenizer_make_features_alone_which_a_line_says(folder):
    (folder / "clip" / "merges.txt").unlink()
    alone = files({"clip": "clip", "clap": "clap"})
    study, place = alone.files.config.custom, Place(Path("results/custom"), 0)
    line = (
        "clip makes no tags, as clip/merges.txt is not there; for tags by it, name the folder of "
        "vocab.json and merges.txt as custom.tags.tokenizers.clip"
    )
    assert study.notices(place) == [line]
    assert "results/custom/tags.json" not in study.targets(place)
    with pytest.raises(ConfigError, match=rf"^weights/efficientnet_lite0\.safetensors .*; {line}$"):
        alone.picture_files(JOB)
    package(folder, "efficientnet_lite0.safetensors")
    assert alone.picture_files(JOB) == ["weights/efficientnet_lite0.safetensors"]
    assert alone.sound_files(JOB)[0] == "clap/model.safetensors"
    assert "results/custom/tags.json" in study.targets(place)
    named = files({"clip": "clip"}, tokenizers={"clip": "clap"})
    assert named.picture_files(JOB)[-2:] == ["clap/vocab.json", "clap/merges.txt"]
    assert named.files.config.custom.notices(place) == []


def test_a_tokenizer_that_is_named_but_not_there_is_one_line_with_key_and_remedy(folder):
    lost = files({"clap": "clap"}, tokenizers={"clap": "nowhere"})
    line = (
        r"^custom\.tags\.tokenizers\.clap: nowhere/vocab\.json is not there; name the folder of "
        r"vocab\.json and merges\.txt, as roberta-base has them"
    )
    with pytest.raises(ConfigError, match=line):
        lost.sound_files(JOB)


def test_missing_weights_are_one_line_with_their_key(folder):
    with pytest.raises(ConfigError, match=r"^custom\.checkpoints\.clip: clip\.pt is no file"):
        files({"clip": "clip.pt"}).picture_files(JOB)
    with pytest.raises(ConfigError, match=r"^custom\.checkpoints\.clap: videos: a folder without"):
        (folder / "videos").mkdir()
        files({"clap": "videos"}, tokenizers={"clap": "clap"}).sound_files(JOB)


def test_random_weights_have_the_place_only_where_their_tokenizer_is_named(folder):
    package(folder, "yamnet.safetensors", "efficientnet_lite0.safetensors")
    packaged = files({"clip": "untrained"})
    assert packaged.picture_files(JOB) == ["weights/efficientnet_lite0.safetensors"]
    tried = files({"clip": "untrained"}, tokenizers={"clip": "clip"})
    assert tried.picture_files(JOB) == ["clip/vocab.json", "clip/merges.txt"]
    assert tried.legs(JOB)["picture"]["checkpoint"] is None


def test_weights_for_the_tags_leave_the_features_to_the_packaged_networks(folder):
    package(folder, "yamnet.safetensors", "efficientnet_lite0.safetensors")
    study = files({"clip": "clip"}).files.config.custom
    assert study.extractor_names() == ("efficientnet_lite0", "yamnet")


OVERLAY = """
custom:
  videos: {folder}/videos
  shards: 1
  feature_shards: 1
  checkpoints:
    clap: {folder}/clap/clap.pt
    clip: {folder}/clip/clip.pt
"""


@pytest.mark.slow
def test_a_folder_without_packaged_weights_is_seen_by_clap_and_clip(tmp_path):
    make_video(tmp_path / "videos" / "both.mp4", duration_s=3)
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=2:r=48000", tmp_path / "videos" / "heard.wav")
    save_clap_folder(tmp_path / "clap")
    save_clip_folder(tmp_path / "clip")
    checkout = Checkout(tmp_path, OVERLAY.format(folder=tmp_path), "see")
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    assert "custom: results/custom/tags.json" in run.stderr
    seconds = pd.read_parquet(tmp_path / "results/custom/seconds.parquet")
    assert seconds.groupby("video_id").size().to_dict() == {"both": 3, "heard": 2}
    (tmp_path / "labels.txt").write_text("a dog barks\nwater\n")
    labels = f'custom={{"tags": {{"labels": "{tmp_path}/labels.txt", "probability_onset": 0.01, '
    jobs = checkout.jobs(labels + '"probability_offset": 0.01}}')
    assert jobs == {"find_events": 1, "draw_found_events": 1, "see": 1}
    events = pd.read_csv(tmp_path / "results/custom/events.csv")
    assert set(events["label"]) == {"a dog barks", "water"}
    summary = pd.read_json(tmp_path / "results/custom/tags.json", typ="series")
    towers = {"sound": {"text_tower": "clap"}, "picture": {"text_tower": "clip"}}
    assert summary["labels"]["water"] == towers
    assert summary["left_out"] == []
    save_clip_folder(tmp_path / "clip", seed=1)
    assert checkout.jobs()["score_seconds"] == 1
