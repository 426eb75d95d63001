"""The real Snakefile on a tiny miniature of AVE: from videos to metrics."""

import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from media_files import cut_off
from workflow_checkout import Checkout

METRICS = "results/ave/test_metrics.json"
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


def test_the_pictures_of_the_report_are_there(finished):
    folder = finished.folder / "results/ave"
    for name in ("report/confusion.svg", "report/timelines.svg", "model/tim/audio/curves.svg"):
        assert (folder / name).read_text().startswith("<?xml")


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run().stderr


def test_another_learning_rate_trains_and_evaluates_only(finished):
    jobs = finished.jobs("ave={'tim': {'learning_rate': 0.002}}")
    expected = {"train_tim": 3, "draw_curves": 3, "predict_tim": 1, "evaluate_ave": 1}
    assert jobs == expected | {"draw_confusion": 1, "draw_timelines": 1, "all": 1}
    assert finished.jobs()["train_tim"] == 3


def test_broken_videos_in_the_official_layout_are_left_out_and_counted(finished, tmp_path):
    source = finished.folder / "results/ave"
    shutil.copytree(source / "miniature", tmp_path / "data")
    videos = tmp_path / "data/AVE"
    tests = (tmp_path / "data/testSet.txt").read_text().splitlines()
    missing, cut, *_ = (line.split("&")[1] for line in tests)
    (videos / f"{missing}.mp4").unlink()
    whole = (videos / f"{cut}.mp4").rename(tmp_path / "whole.mp4")
    cut_off(whole, videos / f"{cut}.mp4", 0.6)
    weights = {n: source / f"model/{n}/model.safetensors" for n in ("asf", "omnivore")}
    overlay = OFFICIAL.format(folder=tmp_path / "data", **weights)
    checkout = Checkout(tmp_path, overlay, METRICS)
    assert {"train_asf", "train_omnivore"}.isdisjoint(checkout.jobs())
    counts = read_metrics(checkout)["counts"]
    assert counts["videos"] == {"missing": 1, "ok": 13, "truncated": 1}
    assert {v["video_id"] for v in counts["videos_left_out"]} == {missing, cut}
    assert counts["segments_evaluated"] == 40
    assert counts["segments_without_features"] == 20


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
def test_a_run_killed_again_and_again_ends_in_the_same_bytes(finished, tmp_path):
    finished.jobs()
    other = Checkout(tmp_path, TINY)
    for seconds in (12.0, 20.0, 20.0, 16.0):
        with (other.folder / "output.txt").open("w") as output:
            process = subprocess.Popen(
                other.command(), stdout=output, stderr=output, start_new_session=True
            )
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert other.run().returncode == 0
    assert other.results() == finished.results()
