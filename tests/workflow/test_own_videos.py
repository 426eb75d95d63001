"""The real Snakefile on a folder of small videos of one's own, good and bad."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from media_files import cut_off, make_video
from workflow_checkout import Checkout

from avlib.extractors.auditory_slowfast.network import AuditorySlowFast

INDEX = "results/custom/features/asf/index.parquet"
KILLED_IN = (("probe_videos", 1.5), ("pack_waveforms", 1.0), ("extract_features", 3.0))
OVERLAY = """
custom:
  videos: {videos}
  checkpoints: {{asf: {checkpoint}}}
"""
ONE_SHARD = "  shards: 1\n  feature_shards: 1\n"


class OwnVideos(Checkout):
    """A checkout with a folder of videos and narrow random weights.

    Args:
        folder: where they go.
        more: lines of the overlay, about the study.
    """

    def __init__(self, folder: Path, more: str = "") -> None:
        self.videos = folder / "videos"
        torch.manual_seed(0)
        network = AuditorySlowFast(num_classes=(2,), width=8)
        torch.save({"model_state": network.state_dict()}, folder / "narrow.pyth")
        overlay = OVERLAY.format(videos=self.videos, checkpoint=folder / "narrow.pyth")
        super().__init__(folder, overlay + more, INDEX)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run on six good and bad videos."""
    checkout = OwnVideos(tmp_path_factory.mktemp("own videos"))
    for name in ("-first", "second clip", "dr.itte"):
        make_video(checkout.videos / f"{name}.mp4")
    make_video(checkout.videos / "silent.MP4", audio_codec=None)
    make_video(checkout.videos / "short.mkv", duration_s=0.8)
    cut_off(checkout.videos / "-first.mp4", checkout.videos / "cut.mp4", 0.6)
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout


def test_every_video_with_sound_has_features(finished):
    index = pd.read_parquet(finished.folder / INDEX)
    assert index["video_id"].to_list() == ["-first", "dr.itte", "second clip"]
    for path in index["path"]:
        features = np.load(finished.folder / "results/custom/features/asf" / path)
        assert (features.shape, features.dtype) == ((5, 1, 288), np.float32)
        assert (features >= 0).all()
        assert features.any()


def test_the_manifest_names_the_rest(finished):
    manifest = pd.read_parquet(finished.folder / "results/custom/manifest.parquet")
    left_out = manifest[manifest["status"] != "ok"].set_index("video_id")["status"].to_dict()
    assert left_out == {"silent": "no_audio", "short": "too_short", "cut": "truncated"}
    summary = json.loads((finished.folder / INDEX).with_name("summary.json").read_text())
    assert summary["counts"]["videos"] == {"no_audio": 1, "ok": 3, "too_short": 1, "truncated": 1}


def test_a_second_run_and_a_touched_file_do_nothing(finished):
    os.utime(finished.videos / "-first.mp4", (1, 1))
    run = finished.run()
    assert "Nothing to be done" in run.stderr


@pytest.mark.slow
def test_too_many_bad_videos_stop_the_run_with_one_line(finished):
    run = finished.run("max_bad_fraction=0.2")
    assert run.returncode != 0
    assert "3 of 6 videos of custom are left out" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_wrong_key_stops_before_any_work(finished):
    run = finished.run("custom={'shard': 2}")
    assert run.returncode != 0
    assert "config key custom.shard does not exist; did you mean custom.shards?" in run.stderr


@pytest.mark.slow
def test_weights_of_another_preset_are_refused(finished):
    network = AuditorySlowFast(num_classes=(44,), width=8)
    path = finished.folder / "asf_epicsounds.pyth"
    torch.save({"model_state": network.state_dict()}, path)
    run = finished.run(f"custom={{'checkpoints': {{'asf': '{path}'}}}}")
    assert run.returncode != 0
    assert "set preset: epic_sounds" in run.stderr
    assert "rule extract_features" not in run.stderr


@pytest.mark.slow
def test_after_refusals_a_run_is_finished_again(finished):
    assert finished.run().returncode == 0


@pytest.mark.slow
def test_one_added_video_re_does_one_shard(finished):
    folder = finished.folder / "results/custom/features/asf/test"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    make_video(finished.videos / "new.avi")
    jobs = finished.jobs()
    per_shard = ("probe_videos", "pack_waveforms", "make_intervals", "extract_features")
    assert {rule: jobs[rule] for rule in per_shard} == dict.fromkeys(per_shard, 1)
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert after.keys() - before.keys() == {"new.npy"}
    assert all(after[name] == before[name] for name in before)
    (finished.videos / "new.avi").unlink()
    assert finished.jobs()["extract_features"] == 1
    assert not (folder / "new.npy").exists()


@pytest.mark.slow
def test_weights_that_are_checked_again_hold_nothing_up(tmp_path):
    checkout = OwnVideos(tmp_path, ONE_SHARD)
    make_video(checkout.videos / "video.mp4")
    checked = "results/custom/model/asf/given.json"
    other_preset = "custom={'preset': 'perception_test'}"
    assert checkout.run(other_preset, target=checked).returncode == 0
    assert checkout.run().returncode == 0
    assert (checkout.folder / INDEX).exists()


@pytest.mark.slow
def test_a_run_killed_in_each_stage_continues_and_ends_in_the_same_bytes(finished, tmp_path):
    finished.jobs()
    other = Checkout(tmp_path, (finished.folder / "overlay.yaml").read_text(), INDEX)
    for rule, seconds in KILLED_IN:
        other.run_and_kill(rule, seconds)
    assert other.run().returncode == 0
    assert other.results() == finished.results()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_features", "left_out"),
    [
        ("real_clips", 27, {"bikes_000001": "no_audio"}),
        (
            "clips",
            3,
            {
                "demo": "no_audio",
                "demo_skeleton": "no_audio",
                "demo_spatiotemporal_det": "no_audio",
                "test": "duplicate_id",
                "test_video_structuralize": "no_audio",
            },
        ),
    ],
)
def test_real_recordings_have_features_or_a_reason(
    shared_data, tmp_path, name, n_features, left_out
):
    checkout = OwnVideos(tmp_path, ONE_SHARD)
    checkout.jobs(f"custom={{'videos': '{shared_data / name}'}}")
    manifest = pd.read_parquet(tmp_path / "results/custom/manifest.parquet")
    bad = manifest[manifest["status"] != "ok"]
    # Sound files are inputs like videos; nearly all spoken digits are shorter than an interval.
    is_digit = bad["path"].str.endswith(".flac")
    assert set(bad["status"][is_digit]) <= {"too_short"}
    assert dict(zip(bad["video_id"][~is_digit], bad["status"][~is_digit], strict=True)) == left_out
    index = pd.read_parquet(tmp_path / INDEX)
    assert len(index) == n_features
    assert set(index["video_id"]) == set(manifest[manifest["status"] == "ok"]["video_id"])
