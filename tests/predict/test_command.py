"""The command on files made on the spot, with small networks of random weights."""

import json
import logging
import os
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from media_files import cut_off, make_video
from tiny_trained_study import CLASSES, COMMON, write_trained_study

from avlib.__main__ import main
from avlib.errors import DataError
from avlib.extractors.tables import INTERVALS
from avlib.extractors.vggish.patches import embed, interval_patch
from avlib.extractors.vggish.weights import untrained_vggish
from avlib.io.atomic import write_json
from avlib.io.packs import WaveformStore
from avlib.io.tables import read_table
from avlib.predict import predictions
from avlib.predict.command import predict_files, quiet_stages
from avlib.predict.description import FILE, read_study
from avlib.predict.features import Batch
from avlib.predict.inputs import batches, find_inputs
from avlib.predict.predictions import Predictor, Source, sources
from avlib.predict.working import length_s


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of whole seconds."""
    return write_trained_study(tmp_path_factory.mktemp("seconds") / "results/own")


@pytest.fixture(scope="module")
def event_study(tmp_path_factory):
    """A study of events of any length."""
    folder = tmp_path_factory.mktemp("events") / "results/own"
    return write_trained_study(folder, by_second=False)


def write_tone(path, seconds=3.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(16_000 * seconds)) / 16_000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * times), 16_000)
    return path


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A folder with a video, a silent video, a sound, a broken file and one of no media."""
    folder = tmp_path_factory.mktemp("media")
    make_video(folder / "day/whole.mp4", duration_s=4.0, fps="8")
    make_video(folder / "silent.mp4", duration_s=3.0, fps="8", audio_codec=None)
    write_tone(folder / "tone.wav")
    cut_off(folder / "day/whole.mp4", folder / "broken.mp4", 0.4)
    (folder / "notes.txt").write_text("no media")
    return folder


def test_stages_are_quiet_for_the_command_alone(caplog):
    log = logging.getLogger("avlib.progress")
    with caplog.at_level("INFO"):
        with quiet_stages():
            log.info("packing audio: 3 videos")
            log.info("packing audio: 2 of 3 videos, 1.0/s, 1 s left")
        log.info("packing audio: done in 3.0 s")
    assert caplog.messages == [
        "packing audio: 2 of 3 videos, 1.0/s, 1 s left",
        "packing audio: done in 3.0 s",
    ]


def test_a_folder_is_labelled_and_what_is_broken_is_left_out(study, media, tmp_path, capsys):
    assert main(["predict", str(media), "--model", str(study), "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"left out: {media}/broken.mp4: ")
    assert said[1].startswith("3 files, ")
    assert said[-1].startswith(f"{tmp_path}/<file>")
    found = {path.name for path in tmp_path.iterdir() if path.name != ".lock"}
    names = ("whole", "silent", "tone")
    suffixes = (".json", ".csv", ".txt", ".eaf", ".TextGrid")
    assert found == {f"{n}{s}" for n in names for s in suffixes} | {"events.csv", "summary.json"}
    summary = json.loads((tmp_path / "summary.json").read_text())
    models = {entry["video_id"]: entry["models"]["events"] for entry in summary["files"]}
    assert models == {"whole": "audio_visual", "silent": "visual", "tone": "audio"}
    assert [entry["status"] for entry in summary["left_out"]] == ["truncated"]
    events = pd.read_csv(tmp_path / "events.csv")
    assert set(events["label"]) <= set(CLASSES) - {"background"}


def test_files_are_labelled_alike_alone_and_beside_others(study, media, tmp_path):
    predict_files([media], study, tmp_path / "all")
    predict_files([media / "day/whole.mp4"], study, tmp_path / "alone")
    for path in (tmp_path / "alone").glob("whole.*"):
        # The path in an .eaf is relative to it, and both folders lie side by side.
        assert path.read_bytes() == (tmp_path / "all" / path.name).read_bytes()


def test_queries_in_parts_give_the_scores_of_all_at_once(event_study, media, tmp_path, monkeypatch):
    study = read_study(event_study)
    assert study.description.query_lengths_s == {"visual": [1.65, 2.25, 2.85]} | {
        "audio": [1.65, 2.25, 2.85]
    }
    videos, _ = find_inputs([media / "day/whole.mp4", write_tone(tmp_path / "long.wav", 31.0)])
    batch = Batch(study, tmp_path / "work")
    manifest = batch.read(videos)
    batch.extract({"audio": manifest})
    lengths = dict(zip(manifest["video_id"], length_s(manifest), strict=True))
    predictor = Predictor(batch, 0.1)
    chosen = sources(study.description, {"audio"})
    assert chosen == {"sounds": Source("audio", "audio")}
    whole = predictor.events(lengths, chosen)
    monkeypatch.setattr(predictions, "SCORES_AT_ONCE", 20 * 2 * len(CLASSES))
    parts = predictor.events(lengths, chosen)
    assert whole["long"]["sounds"]
    for video_id, tracks in whole.items():
        for one, other in zip(tracks["sounds"], parts[video_id]["sounds"], strict=True):
            assert one[:3] == other[:3]
            assert one.score == pytest.approx(other.score, rel=1e-5)


def test_features_are_made_as_the_study_made_them(study, media, tmp_path):
    # Of one's own videos VGGish has its own rate, and features of intervals, not of seconds.
    own = {"extractors": {"visual": [], "audio": ["vggish"]}, "pack_rates": {"vggish": 44_100}}
    study = replace(read_study(study), folder=tmp_path / "results/own")
    study = replace(study, description=replace(study.description, **own))
    settings = COMMON | {"sample_rate": 44_100}
    summary = {
        "extraction": {"settings": settings},
        "inputs": {"weights": {"path": "untrained", "sha256": None}},
    }
    write_json(study.folder / "features/vggish/summary.json", summary)
    batch = Batch(study, tmp_path / "work")
    manifest = batch.read(find_inputs([media / "tone.wav"])[0])
    batch.extract({"audio": manifest})
    found = np.load(batch.features("vggish") / "test/tone.npy")
    rows = read_table(batch.intervals, INTERVALS)
    with WaveformStore([tmp_path / "work/audio/44100.h5"], sample_rate=44_100) as waveforms:
        patches = [interval_patch(waveforms["tone"], *span, 44_100) for span in spans_of(rows)]
    expected = np.concatenate(list(embed(untrained_vggish(0), np.stack(patches), 32)))
    np.testing.assert_allclose(found[:, 0], expected.reshape(len(found), -1), rtol=1e-4, atol=1e-6)


def spans_of(rows):
    """Return start and stop of each interval."""
    return rows[["start_s", "stop_s"]].to_numpy().tolist()


def test_events_of_actions_and_sounds_lie_within_the_recording(event_study, media, tmp_path):
    predict_files([media / "day"], event_study, tmp_path, threshold=0.0)
    tracks = json.loads((tmp_path / "whole.json").read_text())["tracks"]
    assert tracks.keys() == {"actions", "sounds"}
    for events in tracks.values():
        assert events
        assert all(0 <= e["start_s"] < e["stop_s"] <= 4.0 for e in events)


def said_of(capsys, *arguments):
    """Return the exit status and the only line on stderr."""
    status = main(["predict", *map(str, arguments)])
    (line,) = capsys.readouterr().err.splitlines()
    return status, line


def test_a_path_that_is_not_there_stops_before_any_work(study, tmp_path, capsys):
    found = said_of(capsys, tmp_path / "gone.mp4", "--model", study, "--output", tmp_path / "out")
    assert found == (1, f"error: {tmp_path}/gone.mp4: no such file or folder; correct the path")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_media_is_named(study, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no media")
    status, line = said_of(capsys, tmp_path, "--model", study)
    assert (status, line.split(": ", 2)[1]) == (1, str(tmp_path))
    assert "no video or sound file in the folder" in line


def test_results_without_a_trained_model_are_refused_with_the_remedy(tmp_path, capsys):
    sound = write_tone(tmp_path / "tone.wav")
    status, line = said_of(capsys, sound, "--model", tmp_path)
    assert status == 1
    assert f"{tmp_path}: no trained model for new files" in line
    assert "make the study with" in line
    status, line = said_of(capsys, sound, "--model", tmp_path / "none")
    assert "no such folder" in line


def test_a_file_that_lacks_what_every_model_needs_is_named_with_the_remedy(tmp_path, capsys):
    study = write_trained_study(tmp_path / "results/own", models=("visual",))
    sound = write_tone(tmp_path / "tone.wav")
    status, line = said_of(capsys, sound, "--model", study)
    assert status == 1
    assert line == (
        f"error: {sound}: no picture, which every model of {study} takes (visual); name files "
        "with it, or add audio to custom.tim.models and run the study again"
    )
    shutil.copy(sound, tmp_path / "other.wav")
    _, line = said_of(capsys, sound, tmp_path / "other.wav", "--model", study)
    assert "none of 2 files can be used (2 no_picture), the first: " in line


def test_changed_weights_are_refused(study, media, tmp_path, capsys):
    copy = shutil.copytree(study, tmp_path / "results/own")
    weights = copy / "model/tim/audio_visual/model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    status, line = said_of(capsys, media / "day", "--model", copy)
    assert status == 1
    assert f"{weights}: not the weights that {copy} was made with" in line
    assert not (copy / "predicted").exists()  # before any work


def test_missing_weights_of_an_extractor_are_named_before_any_work(study, tmp_path, capsys):
    copy = shutil.copytree(study, tmp_path / "results/own")
    summary = copy / "features/omnivore/summary.json"
    content = json.loads(summary.read_text())
    content["inputs"]["weights"]["path"] = str(copy / "model/omnivore/gone.safetensors")
    summary.write_text(json.dumps(content))
    status, line = said_of(capsys, write_tone(tmp_path / "tone.wav"), "--model", copy)
    assert status == 1
    assert f"gone.safetensors: the weights that {copy} was made with are gone" in line
    assert not (copy / "predicted").exists()


@pytest.mark.parametrize("name", ["tone.txt", "events.csv", "tone.json"])
def test_files_that_no_prediction_has_written_are_not_written_over(study, name, tmp_path, capsys):
    sound, mine = write_tone(tmp_path / "tone.wav"), tmp_path / name
    mine.write_text("[1, 2]")
    status, line = said_of(capsys, sound, "--model", study, "--output", tmp_path)
    assert status == 1
    assert line.startswith(f"error: {mine}: not written by predict, and would be written over")
    assert mine.read_text() == "[1, 2]"
    mine.unlink()
    predict_files([sound], study, tmp_path)
    predict_files([sound], study, tmp_path)  # its own files are


def test_results_may_be_moved(study, media, tmp_path):
    copy = shutil.copytree(study, tmp_path / "elsewhere")
    assert predict_files([media / "tone.wav"], copy)[-1].startswith(f"{copy}/predicted/<file>")
    assert json.loads((copy / FILE).read_text())["study"] == "own"


def test_of_two_files_with_one_name_the_second_is_left_out(media, tmp_path):
    other = tmp_path / "whole.mp4"
    shutil.copy(media / "day/whole.mp4", other)
    videos, left_out = find_inputs([media / "day", other, media / "day/whole.mp4"])
    assert [video.path for video in videos] == [str(media / "day/whole.mp4")]
    assert [(entry.path, entry.status) for entry in left_out] == [(str(other), "duplicate_id")]


def test_a_file_does_not_take_the_place_of_the_results_of_all(study, media, tmp_path):
    for name in ("events", "summary"):
        shutil.copy(media / "tone.wav", tmp_path / f"{name}.wav")
    out = tmp_path / "out"
    lines = predict_files([media / "tone.wav", tmp_path / "events.wav"], study, out)
    assert lines[0].startswith(f"left out: {tmp_path}/events.wav: its results would take")
    with pytest.raises(DataError, match=r"summary\.wav: its results would take"):
        predict_files([tmp_path / "summary.wav"], study, out)
    assert (out / "events.csv").read_text().count("\n") == 1  # nothing of the run before


def test_a_name_that_is_not_utf_8_is_said_in_escapes(study, media, tmp_path, capsys):
    shutil.copy(media / "tone.wav", tmp_path / "tone.wav")
    shutil.copy(media / "tone.wav", os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    predict = ["predict", str(tmp_path), "--model", str(study), "--output", str(tmp_path / "out")]
    assert main(predict) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(rf"left out: {tmp_path}/caf\xe9.wav: the name cannot be")
    said[0].encode("utf-8")


def test_a_large_file_is_a_batch_of_its_own(media, monkeypatch):
    videos, _ = find_inputs([media])
    assert len(list(batches(videos))) == 1
    assert [len(batch) for batch in batches(videos, are_single=True)] == [1] * len(videos)
    monkeypatch.setattr("avlib.predict.inputs.BYTES_A_BATCH", 1)
    assert [len(batch) for batch in batches(videos)] == [1] * len(videos)
