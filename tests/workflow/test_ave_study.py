"""The real Snakefile on a tiny miniature of AVE: from videos to metrics."""

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from media_files import cut_off, run_ffmpeg
from workflow_checkout import Checkout

from avlib.predict.description import read_study
from avlib.predict.features import Batch, length_s
from avlib.predict.inputs import find_inputs
from avlib.predict.predictions import Predictor, sources

METRICS = "results/ave/test_metrics.json"
KILLED_IN = (("pack_frames", 1.0), ("train_omnivore", 4.0), ("extract_features", 3.0))
KILLED_IN += (("train_tim", 4.0),)
TINY = """
ave:
  miniature: {classes: 3, train_videos: 2, val_videos: 1, test_videos: 2}
  shards: 2
  pretraining: {epochs: 1}
  visual: {pretraining: {epochs: 1}}
  tim: {epochs: 2}
"""
OFFICIAL = """
ave:
  source: official
  videos: {folder}/AVE
  annotations: {folder}/Annotations.txt
  splits: {{train: {folder}/trainSet.txt, val: {folder}/valSet.txt, test: {folder}/testSet.txt}}
  checkpoints: {{asf: {asf}, omnivore: {omnivore}}}
  shards: 2
  tim: {{recipe: small, epochs: 1}}
"""
VGG = """
ave:
  source: official
  annotations: {folder}/Annotations.txt
  splits: {{train: {folder}/trainSet.txt, test: {folder}/testSet.txt}}
  features: vgg
  vgg_features: {{visual: {folder}/visual.h5, audio: {folder}/audio.h5}}
  tim: {{epochs: 1, select_by: audio}}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run on 15 videos."""
    checkout = Checkout(tmp_path_factory.mktemp("ave"), TINY)
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout


def read_metrics(checkout):
    return json.loads((checkout.folder / METRICS).read_text())


def test_the_metrics_file_keeps_its_contract(finished):
    content = read_metrics(finished)
    assert content["study"] == "ave"
    accuracy = content["metrics"]["segment_accuracy"]
    assert set(accuracy) == {"audio_visual", "audio", "visual"}
    assert all(0 <= share <= 1 for share in accuracy.values())
    assert content["counts"]["videos"] == {"ok": 15}
    assert content["counts"]["segments_evaluated"] == 60
    assert {"config_hash", "inputs", "versions"} <= content.keys()
    assert any("Omnivore was trained here" in note for note in content["notes"])


def test_the_metrics_are_those_of_the_predictions(finished):
    table = pd.read_parquet(finished.folder / "results/ave/predictions.parquet")
    joint = table[(table["modality"] == "audio_visual") & (table["head"] == "combined")]
    share = (joint["class_id"] == joint["predicted_class"]).mean()
    assert share == read_metrics(finished)["metrics"]["segment_accuracy"]["audio_visual"]
    assert np.allclose(np.stack(joint["probs"].to_list()).sum(axis=1), 1)


def test_the_figures_of_the_report_are_there(finished):
    folder = finished.folder / "results/ave"
    for name in ("report/confusion.svg", "report/timelines.svg", "model/tim/audio/curves.svg"):
        assert (folder / name).read_text().startswith("<?xml")


def test_new_files_are_predicted_as_the_study_predicts_its_test_videos(finished, tmp_path):
    results = finished.folder / "results/ave"
    table = pd.read_parquet(results / "predictions.parquet")
    joint = table[(table["modality"] == "audio_visual") & (table["head"] == "combined")]
    video_ids = sorted(joint["video_id"].unique())[:2]
    videos = [results / f"miniature/AVE/{video_id}.mp4" for video_id in video_ids]
    batch = Batch(read_study(results), tmp_path)
    manifest = batch.read(find_inputs(videos)[0])
    batch.extract({"visual": manifest, "audio": manifest})
    for video_id in video_ids:
        for name in ("asf", "omnivore"):
            path = f"features/{name}/test/{video_id}.npy"
            assert (tmp_path / path).read_bytes() == (results / path).read_bytes()
    lengths_s = dict(zip(manifest["video_id"], length_s(manifest), strict=True))
    predictor = Predictor(batch, threshold=0.5)
    found = predictor.scores(lengths_s, sources(batch.study.description, {"visual", "audio"}))
    own = joint[joint["video_id"].isin(video_ids)].sort_values(["video_id", "start_s"])
    found = found.sort_values(["video_id", "start_s"])
    keys = ["video_id", "start_s", "stop_s", "predicted_class"]
    assert found[keys].to_numpy().tolist() == own[keys].to_numpy().tolist()
    np.testing.assert_allclose(found["score"], [p.max() for p in own["probs"]], rtol=1e-6)


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run().stderr


@pytest.mark.slow
def test_another_learning_rate_trains_and_evaluates_only(finished):
    jobs = finished.jobs("ave={'tim': {'learning_rate': 0.002}}")
    expected = {"train_tim": 3, "draw_curves": 3, "predict_tim": 1, "evaluate_ave": 1}
    drawn = {"draw_confusion": 1, "draw_timelines": 1}
    assert jobs == expected | drawn | {"describe_tim": 1, "all": 1}
    assert finished.jobs()["train_tim"] == 3


@pytest.mark.slow
def test_broken_videos_in_the_official_layout_are_left_out_and_counted(finished, tmp_path):
    source = finished.folder / "results/ave"
    shutil.copytree(source / "miniature", tmp_path / "data")
    videos = tmp_path / "data/AVE"
    tests = (tmp_path / "data/testSet.txt").read_text().splitlines()
    missing, cut, blind, *_ = (line.split("&")[1] for line in tests)
    (videos / f"{missing}.mp4").unlink()
    whole = (videos / f"{cut}.mp4").rename(tmp_path / "whole.mp4")
    cut_off(whole, videos / f"{cut}.mp4", 0.6)
    seen = (videos / f"{blind}.mp4").rename(tmp_path / "seen.mp4")
    run_ffmpeg("-i", seen, "-vn", "-c:a", "copy", videos / f"{blind}.mp4")
    weights = {n: source / f"model/{n}/model.safetensors" for n in ("asf", "omnivore")}
    overlay = OFFICIAL.format(folder=tmp_path / "data", **weights)
    checkout = Checkout(tmp_path, overlay, METRICS)
    assert {"train_asf", "train_omnivore"}.isdisjoint(checkout.jobs())
    counts = read_metrics(checkout)["counts"]
    assert counts["videos"] == {"missing": 1, "ok": 13, "truncated": 1}
    assert counts["features"] == {"omnivore": {"ok": 12, "no_frames": 1}, "asf": {"ok": 13}}
    left_out = {v["video_id"]: v for v in counts["videos_left_out"]}
    assert left_out.keys() == {missing, cut, blind}
    assert left_out[blind]["left_out_by"] == "Omnivore"
    assert "no image" in left_out[blind]["message"]
    assert counts["segments_evaluated"] == 30
    assert counts["segments_without_features"] == 30


@pytest.mark.slow
def test_the_published_vgg_features_are_trained_on_without_videos_or_val(tmp_path):
    lines = [f"{('Dog', 'Cat')[i % 2]}&video{i}&good&2&7" for i in range(6)]
    for name, rows in (("Annotations", lines), ("trainSet", lines[:4]), ("testSet", lines[4:])):
        (tmp_path / f"{name}.txt").write_text("".join(f"{row}\n" for row in rows))
    features = {"visual": (6, 10, 7, 7, 4), "audio": (6, 10, 3)}
    for number, (name, shape) in enumerate(features.items()):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["avadataset"] = np.random.default_rng(number).standard_normal(shape)
    checkout = Checkout(tmp_path, VGG.format(folder=tmp_path), METRICS)
    jobs = checkout.jobs()
    assert jobs["convert_vgg"] == 1
    assert jobs["train_tim"] == 3
    folder = tmp_path / "results/ave"
    assert not (folder / "features").exists()
    published = {path.name for path in (folder / "published").iterdir()}
    assert published == {"vgg19", "vggish", "intervals"}
    summary = json.loads((folder / "model/tim/audio_visual/metrics.json").read_text())
    assert summary["recipe"] == "ave_vgg"
    assert summary["validated_on"] == "train"
    content = read_metrics(checkout)
    assert content["counts"]["segments_evaluated"] == 20
    assert content["counts"]["features"] == {"vgg19": {"ok": 6}, "vggish": {"ok": 6}}
    assert set(content["models"]) == {"tim"}
    # The model that was trained, given as one from outside: checked, and evaluated alone.
    shutil.copy(folder / "model/tim/audio_visual/model.safetensors", tmp_path / "tim.safetensors")
    given = checkout.jobs(f"ave={{'checkpoints': {{'tim': '{tmp_path}/tim.safetensors'}}}}")
    assert given == {"check_weights": 1, "predict_tim": 1, "evaluate_ave": 1}
    assert read_metrics(checkout)["models"]["tim"]["audio_visual"]["weights"] == "given"
    # Taken back: the models that were trained here are current.
    assert checkout.jobs() == {"predict_tim": 1, "evaluate_ave": 1}


def test_overlapping_lists_stop_before_any_work_and_name_the_row(finished, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(finished.folder / "results/ave/miniature", data)
    with (data / "testSet.txt").open("a") as file:
        file.write((data / "trainSet.txt").read_text().splitlines()[0] + "\n")
    overlay = OFFICIAL.format(folder=data, asf="untrained", omnivore="untrained")
    run = Checkout(tmp_path, overlay, METRICS).run()
    assert run.returncode != 0
    assert "testSet.txt: line 7:" in run.stderr
    assert "is already in" in run.stderr
    assert "Traceback (most recent call last)" not in run.stderr


@pytest.mark.slow
def test_a_run_killed_in_each_stage_ends_in_the_same_bytes(finished, tmp_path):
    finished.jobs()
    other = Checkout(tmp_path, TINY)
    for rule, seconds in KILLED_IN:
        other.run_and_kill(rule, seconds)
    assert other.run().returncode == 0
    assert other.results() == finished.results()
