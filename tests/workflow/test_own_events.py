"""The real Snakefile on events of one's own: from a folder and a CSV to figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from media_files import make_video
from workflow_checkout import ROOT, Checkout

from avlib.extractors.auditory_slowfast.network import AuditorySlowFast

METRICS = "results/custom/test_metrics.json"
OVERLAY = """
custom:
  videos: {folder}/videos
  annotations: {folder}/events.csv
  checkpoints: {{asf: {folder}/narrow.pyth}}
  tim: {{recipe: small, epochs: 1}}
  shards: 2
"""
LABELS = ("bell", "door", "tap")


def write_events(folder: Path, labels=LABELS) -> None:
    """Write a CSV of an event in each of nine videos."""
    rows = [f"clip {i},1,2.5,{labels[i % len(labels)]}" for i in range(9)]
    (folder / "events.csv").write_text("\n".join(["video_id,start_s,stop_s,label", *rows, ""]))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run on nine videos of three classes, one of which is broken."""
    folder = tmp_path_factory.mktemp("own events")
    for i in range(9):
        make_video(folder / f"videos/clip {i}.mp4", duration_s=3.0)
    (folder / "videos/clip 4.mp4").write_bytes(b"no video")
    write_events(folder)
    torch.manual_seed(0)
    network = AuditorySlowFast(num_classes=(2,), width=8)
    torch.save({"model_state": network.state_dict()}, folder / "narrow.pyth")
    checkout = Checkout(folder, OVERLAY.format(folder=folder), METRICS)
    run = checkout.run(target="custom")
    assert run.returncode == 0, run.stderr
    return checkout


@pytest.mark.slow
def test_events_of_a_csv_become_metrics_and_figures(finished):
    study = finished.folder / "results/custom"
    metrics = json.loads((study / "test_metrics.json").read_text())
    assert set(metrics["metrics"]["segment_accuracy"]) == {"audio"}
    assert metrics["metrics"]["confusion"]["classes"] == [*LABELS, "background"]
    queries = pd.read_parquet(study / "tim/queries.parquet")
    assert (queries.groupby("modality").size() == 24).all()  # three seconds of eight videos
    videos = queries.groupby("split")["video_id"].nunique()
    assert videos["train"] > videos["test"] >= 2
    for name in ("report/confusion.svg", "report/timelines.svg", "features/asf/index.parquet"):
        assert (study / name).exists()


@pytest.mark.slow
def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run(target="custom").stderr


@pytest.mark.slow
def test_events_that_train_nothing_stop_before_any_work(finished):
    write_events(finished.folder, ("tap",))
    run = finished.run(target="custom")
    write_events(finished.folder)
    assert run.returncode != 0
    assert "custom.annotations: the events have one class, tap" in run.stderr
    assert "Traceback" not in run.stderr
    assert "rule " not in run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("has_weights", [True, False])
def test_ten_real_clips_and_a_csv_go_to_figures_and_label_another(
    shared_data, packaged_weights, tmp_path, has_weights
):
    clips = shared_data / "real_clips"
    lines = (clips / "Annotations.txt").read_text().splitlines()[1:11]
    events = [line.split("&") for line in lines]
    rows = [f"{video_id},{start},{stop},{label}" for label, video_id, _, start, stop in events]
    (tmp_path / "events.csv").write_text("\n".join(["video_id,start_s,stop_s,label", *rows, ""]))
    if has_weights:
        (tmp_path / "weights").symlink_to(packaged_weights)
    overlay = f"custom:\n  videos: {clips}/AVE\n  annotations: {tmp_path}/events.csv\n"
    overlay += "  shards: 1\n  feature_shards: 1\n  tim: {epochs: 2}\n"
    checkout = Checkout(tmp_path, overlay, "custom")
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    assert "custom: no video is in val" in run.stderr
    assert "custom: test has no event of Flute; classes that it lacks" in run.stderr
    assert ("features are statistics of sound and pictures" in run.stderr) is not has_weights
    study = tmp_path / "results/custom"
    accuracy = json.loads((study / "test_metrics.json").read_text())["metrics"]["segment_accuracy"]
    assert set(accuracy) == {"audio_visual", "audio", "visual"}
    assert (study / "report/confusion.svg").exists()
    command = [sys.executable, "-m", "avlib", "predict", f"{clips}/AVE/rc10_flute0.mp4"]
    command += ["--model", str(study), "--output", str(tmp_path / "labels")]
    subprocess.run(command, cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    (labels,) = (tmp_path / "labels").glob("*.txt")
    times = [line.split("\t")[:2] for line in labels.read_text().splitlines()]
    assert all(0 <= float(start) < float(stop) <= 10.5 for start, stop in times)
