"""The real Snakefile on features that came as folders, of EPIC-KITCHENS without any video."""

import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
from workflow_checkout import Checkout

pytestmark = pytest.mark.slow

VIDEOS = {"train": ["P01_1", "P01_2", "P02_1"], "val": ["P01_3", "P03_1", "P03_2", "P03_3"]}
SECONDS = 20
CHANNELS = {"omnivore": 6, "videomae": 4, "asf": 5}
OVERLAY = """
epic:
  source: official
  actions: {{train: {0}/actions_train.csv, val: {0}/actions_val.csv}}
  sounds: {{train: {0}/sounds_train.csv, val: {0}/sounds_val.csv}}
  video_info: {0}/video_info.csv
  intervals: {{train: {0}/times_train.csv, val: {0}/times_val.csv}}
  published: {{visual: ["{0}/omnivore", "{0}/videomae"], audio: "{0}/asf"}}
  tim: {{recipe: small, epochs: 1}}
"""
METRICS = "results/epic/test_metrics.json"


def clock(seconds):
    return f"00:00:{seconds:05.2f}"


def write_annotations(folder, split, video_ids):
    """Write an action and a sound every other second, and the intervals of the features."""
    actions, sounds, times = [], [], []
    for video_id in video_ids:
        for k in range(0, SECONDS - 2, 2):
            span = {"video_id": video_id, "start_timestamp": clock(k + 0.1)}
            span["stop_timestamp"] = clock(k + 1.9)
            verb, noun = k % 3, k % 2
            names = {"verb": f"v{verb}", "verb_class": verb, "noun": f"n{noun}", "noun_class": noun}
            actions.append({"narration_id": f"{video_id}_{k}"} | span | names)
            heard = {"class": f"s{k % 5}", "class_id": k % 5}
            sounds.append({"annotation_id": f"{video_id}_{k}"} | span | heard)
        starts = 0.2 * np.arange((SECONDS - 1.1) / 0.2)
        ids = [f"{video_id}_{n + 1}" for n in range(len(starts))]
        rows = {"narration_id": ids, "video_id": video_id, "start_sec": starts.round(2)}
        times.append(pd.DataFrame(rows | {"stop_sec": (starts + 1.1).round(2)}))
    pd.DataFrame(actions).to_csv(folder / f"actions_{split}.csv", index=False)
    pd.DataFrame(sounds).to_csv(folder / f"sounds_{split}.csv", index=False)
    pd.concat(times).to_csv(folder / f"times_{split}.csv", index=False)
    return len(times[0])


def write_features(folder, split, video_ids, n_rows):
    for number, (name, channels) in enumerate(CHANNELS.items()):
        (folder / name / split).mkdir(parents=True)
        for video_id in video_ids:
            rng = np.random.default_rng([number, sum(video_id.encode())])
            shape = (n_rows, 2 if split == "train" else 1, channels)
            features = rng.standard_normal(shape, np.float32)
            np.save(folder / name / split / f"{video_id}.npy", features)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The files of seven videos, of which three have no features that can be used."""
    folder = tmp_path_factory.mktemp("published")
    for split, video_ids in VIDEOS.items():
        n_rows = write_annotations(folder, split, video_ids)
        write_features(folder, split, video_ids, n_rows)
    names = [video_id for video_ids in VIDEOS.values() for video_id in video_ids]
    info = pd.DataFrame({"video_id": names, "duration": float(SECONDS), "fps": 50.0})
    info.to_csv(folder / "video_info.csv", index=False)
    (folder / "videomae/val/P01_3.npy").unlink()
    other = np.zeros((n_rows - 2, 1, CHANNELS["asf"]), np.float32)
    np.save(folder / "asf/val/P03_2.npy", other)
    return folder


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("run"), OVERLAY.format(data), METRICS)
    run = checkout.run()
    assert run.returncode == 0, run.stdout + run.stderr
    return checkout


def test_videos_without_fitting_features_are_left_out_and_counted(finished):
    content = json.loads((finished.folder / METRICS).read_text())
    assert content["metrics"].keys() == {"audio_visual", "audio", "visual"}
    assert content["counts"]["features"] == {
        "visual": {"missing": 1, "ok": 6},
        "audio": {"ok": 6, "other_intervals": 1},
    }
    left_out = {
        entry["video_id"]: entry["message"] for entry in content["counts"]["videos_left_out"]
    }
    assert left_out.keys() == {"P01_3", "P03_2"}
    assert "videomae/val/P01_3.npy does not exist" in left_out["P01_3"]
    predicted = pd.read_parquet(finished.folder / "results/epic/predictions.parquet")
    assert set(predicted["video_id"]) == {"P03_1", "P03_3"}


def test_channels_of_both_networks_are_the_input_and_nothing_is_copied(finished):
    folder = finished.folder / "results/epic"
    index = pd.read_parquet(folder / "published/visual/index.parquet")
    assert set(index.loc[index["status"] == "ok", "channels"]) == {10}
    assert not list(folder.rglob("*.npy"))
    assert not (folder / "features").exists()


def test_other_published_features_are_found_and_trained_on(finished, data):
    path = data / "omnivore/train/P01_1.npy"
    np.save(path, np.zeros((3, 2, CHANNELS["omnivore"]), np.float32))
    command = finished.command()
    command.insert(command.index("--cores"), "--dry-run")
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    rules = set(re.findall(r"^(?:local)?rule (\w+):$", run.stdout + run.stderr, re.MULTILINE))
    assert {"index_published", "make_windows", "train_tim"} <= rules
    assert rules.isdisjoint({"make_queries", "make_events", "convert_split_intervals"})
