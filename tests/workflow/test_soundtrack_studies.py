"""The real Snakefile on labelled soundtracks: the miniature of Kinetics, and sounds with folds."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from workflow_checkout import Checkout

from avlib.predict.command import predict_files
from avlib.predict.inputs import find_inputs
from avlib.predict.soundtrack_description import read_soundtracks
from avlib.predict.soundtracks import make_images, soundtrack_scores

RATE = 22_050
TINY = """
k600:
  miniature: {classes: 2, train_videos: 4, val_videos: 5}
  validation_share: 0.4
  training: {epochs: 1}
  visual: {epochs: 1}
  shards: 1
"""
SOUNDS = """
sounds:
  folder: {folder}/sounds
  table: {folder}/folds.csv
  network: {{width: 8}}
  training: {{epochs: 20}}
  shards: 1
"""
GIVEN = "k600={{'video_scores': {{'scores': '{folder}/video.npy', 'list': '{folder}/list.txt'}}}}"


@pytest.fixture(scope="module")
def kinetics(tmp_path_factory):
    """A finished run on 18 videos."""
    checkout = Checkout(tmp_path_factory.mktemp("k600"), TINY, "k600")
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout


def read_metrics(checkout, study):
    return json.loads((checkout.folder / f"results/{study}/test_metrics.json").read_text())


def test_the_metrics_compare_audio_video_and_both_on_the_same_videos(kinetics):
    content = read_metrics(kinetics, "k600")
    metrics, counts = content["metrics"], content["counts"]
    for name in ("top1", "top5"):
        assert set(metrics[name]) == {"audio", "video", "fusion"}
        assert all(0 <= share <= 1 for share in metrics[name].values())
    assert 0 < counts["fusion"]["evaluated"] < counts["files"] == 10
    assert metrics["fusion"]["weight_from"] == "validation"
    sweep = pd.read_csv(kinetics.folder / "results/k600/sweep.csv")
    assert len(sweep) == 500
    assert {"config_hash", "inputs", "versions", "notes"} <= content.keys()


def test_videos_without_sound_are_named(kinetics):
    manifest = pd.read_parquet(kinetics.folder / "results/k600/manifest.parquet")
    soundless = set(manifest["video_id"][manifest["status"] == "no_audio"])
    assert soundless
    left_out = read_metrics(kinetics, "k600")["counts"]["videos_left_out"]
    assert soundless <= {video["video_id"] for video in left_out}


def test_the_figures_of_the_report_are_there(kinetics):
    folder = kinetics.folder / "results/k600"
    for name in ("report/sweep", "report/confusion", "model/soundtrack/all/curves"):
        assert (folder / f"{name}.svg").read_text().startswith("<?xml")


def own_and_new_scores(checkout, study, fold, work):
    """Return the study's scores of the soundtracks of a fold, and those as of new files."""
    results = checkout.folder / "results" / study
    own = np.load(results / f"scores/{fold}/soundtrack_scores.npy")
    table = pd.read_parquet(results / f"scores/{fold}/soundtracks.parquet")
    paths = pd.read_parquet(results / "labels.parquet").set_index("video_id")["path"]
    files = [checkout.folder / paths[video_id] for video_id in table["video_id"]]
    trained = read_soundtracks(results)
    _, index = make_images(trained, find_inputs(files)[0], work)
    good = index[index["clips"] > 0].assign(path="")[["video_id", "split", "path"]]
    new = soundtrack_scores(trained, good, work)[f"soundtrack/{fold}"]
    rows = table["video_id"].tolist()
    assert {v for v, n in zip(rows, table["clips"], strict=True) if n} == set(good["video_id"])
    return own[[rows.index(v) for v in good["video_id"]]], new


def test_new_files_of_kinetics_have_the_scores_of_the_study(kinetics, tmp_path):
    own, new = own_and_new_scores(kinetics, "k600", "all", tmp_path / "work")
    assert len(own) > 4
    np.testing.assert_array_equal(own, new)


def test_predict_names_the_class_that_the_study_found(kinetics, tmp_path):
    results = kinetics.folder / "results/k600"
    answers = pd.read_parquet(results / "answers.parquet").set_index("video_id")["audio"]
    labels = pd.read_parquet(results / "labels.parquet").set_index("video_id")
    files = [kinetics.folder / labels.loc[video_id, "path"] for video_id in answers.index]
    predict_files(files, results, tmp_path)
    names = json.loads((results / "classes.json").read_text())["class_id"]
    events = pd.read_csv(tmp_path / "events.csv").set_index("video_id")
    assert events["label"].to_dict() == answers.map(lambda k: names[k]).to_dict()


def test_given_scores_of_the_videos_take_the_place_of_a_network(kinetics, tmp_path):
    labels = pd.read_parquet(kinetics.folder / "results/k600/labels.parquet")
    tested = labels[labels["split"] == "test"].sort_values("video_id", ascending=False)
    np.save(tmp_path / "video.npy", np.eye(2, dtype=np.float32)[tested["class_id"]][:, None])
    lines = [f"/data/val/{row.label}/{row.video_id}" for row in tested.itertuples()]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    jobs = kinetics.jobs(GIVEN.format(folder=tmp_path))
    assert jobs.keys() == {"fuse_scores", "evaluate_k600", "draw_sweep", "draw_confusion", "k600"}
    content = read_metrics(kinetics, "k600")
    assert content["metrics"]["top1"]["video"] == 1
    assert content["models"]["video"]["weights"] == "given"


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A finished run on tones and noises in two folds, with bad files among them."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    times = np.arange(2 * RATE) / RATE
    rows = ["file,fold"]
    for number in range(12):
        tone = np.sin(2 * np.pi * rng.uniform(300, 600) * times)
        for label, wave in (("tone", tone), ("hiss", rng.standard_normal(len(times)))):
            suffix = ("wav", "flac", "ogg", "mp3")[number % 4]
            path = folder / "sounds" / label / f"{label} {number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.3 * wave / np.abs(wave).max(), RATE)
            rows.append(f"{label}/{path.name},{number % 2 + 1}")
    soundfile.write(folder / "sounds/tone/low rate.wav", 0.1 * np.sin(times[:16_000]), 8_000)
    soundfile.write(folder / "sounds/tone/short.wav", tone[: RATE // 2], RATE)
    (folder / "sounds/hiss/broken.ogg").write_bytes(b"OggS" + bytes(100))
    rows += ["tone/low rate.wav,1", "tone/short.wav,2", "hiss/broken.ogg,1", "tone/absent.wav,2"]
    (folder / "folds.csv").write_text("\n".join(rows) + "\n")
    checkout = Checkout(folder, SOUNDS.format(folder=folder), "sounds")
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout


def test_each_fold_is_left_out_once_and_tones_and_hisses_are_recognised(sounds):
    metrics = read_metrics(sounds, "sounds")["metrics"]
    assert metrics["accuracy_by_fold"].keys() == {"1", "2"}
    assert metrics["accuracy"] == np.mean(list(metrics["accuracy_by_fold"].values()))
    assert metrics["accuracy"] > 0.8


def test_bad_sounds_are_named_and_stop_nothing(sounds):
    counts = read_metrics(sounds, "sounds")["counts"]
    left_out = {video["video_id"]: video["status"] for video in counts["videos_left_out"]}
    assert left_out == {"broken": "unreadable"}
    assert counts["files"] == 27
    assert counts["soundtracks_evaluated"] == 26
    assert counts["soundtracks_padded"] == 1


@pytest.mark.parametrize("fold", ["1", "2"])
def test_new_sounds_have_the_scores_of_the_network_of_each_fold(sounds, fold, tmp_path):
    own, new = own_and_new_scores(sounds, "sounds", fold, tmp_path / "work")
    assert len(own) > 10
    np.testing.assert_array_equal(own, new)


@pytest.mark.slow
def test_a_second_run_on_sounds_does_nothing_and_another_fold_trains_again(sounds):
    assert "Nothing to be done" in sounds.run().stderr
    table = sounds.folder / "folds.csv"
    table.write_text(table.read_text().replace("tone/short.wav,2", "tone/short.wav,1"))
    jobs = sounds.jobs()
    assert jobs["train_soundtrack"] == 2
    assert "pack_waveforms" not in jobs
