"""New files labelled by soundtrack networks of random weights, against the plain mean of clips."""

import json

import numpy as np
import pytest
import soundfile
import torch
from media_files import cut_off, make_video
from tiny_soundtrack_study import CLASSES, RATE, write_soundtrack_study

from avlib.__main__ import main
from avlib.predict.command import predict_files
from avlib.predict.inputs import find_inputs
from avlib.predict.soundtrack_description import FILE, read_soundtracks
from avlib.predict.soundtracks import make_images, probabilities, soundtrack_scores
from avlib.soundtracks.images import audio_images
from avlib.soundtracks.weights import load_soundtrack_network


def write_sound(path, seconds, rate=RATE):
    times = np.arange(round(seconds * rate)) / rate
    noise = 0.05 * np.random.default_rng(len(times)).standard_normal(len(times))
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 500 * times**1.5) + noise, rate)
    return path


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """A study of two folds."""
    return write_soundtrack_study(tmp_path_factory.mktemp("folds") / "results/heard", ("1", "2"))


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A folder with a video, sounds, and four files that cannot be used."""
    folder = tmp_path_factory.mktemp("media")
    make_video(folder / "whole.mp4", duration_s=4.0, fps="8")
    make_video(folder / "silent.mp4", duration_s=2.0, fps="8", audio_codec=None)
    cut_off(folder / "whole.mp4", folder / "broken.mp4", 0.4)
    write_sound(folder / "long.flac", 7.3)
    write_sound(folder / "phone.wav", 2.5, rate=8_000)
    write_sound(folder / "short.wav", 0.5)
    return folder


def test_every_file_with_sound_has_one_event_and_others_are_left_out(
    folds, media, tmp_path, capsys
):
    assert main(["predict", str(media), "--model", str(folds), "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2].startswith("3 files, 3 events: ")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["models"].keys() == {"soundtrack/1", "soundtrack/2"}
    status = {entry["path"]: entry["status"] for entry in summary["left_out"]}
    names = {"silent.mp4": "no_audio", "broken.mp4": "truncated", "short.wav": "too_short"}
    assert status == {str(media / name): found for name, found in names.items()}
    lengths = {"whole": 4.0, "long": 7.3, "phone": 2.5}
    for name, length in lengths.items():
        content = json.loads((tmp_path / f"{name}.json").read_text())
        (event,) = content["tracks"]["events"]
        assert (event["start_s"], event["stop_s"]) == (0, pytest.approx(length, abs=0.05))
        assert 1 / len(CLASSES) < event["score"] < 1
        rows = {suffix: tmp_path / f"{name}{suffix}" for suffix in (".csv", ".txt", ".TextGrid")}
        assert all(event["label"] in path.read_text() for path in rows.values())
        assert content["models"] == {"events": "soundtrack/1, soundtrack/2"}


def plain_scores(waveform, weights):
    """Return the mean of the clips' logits, clip by clip."""
    network = load_soundtrack_network(weights)
    images = np.concatenate(list(audio_images(waveform, sample_rate=RATE, reference="soundtrack")))
    with torch.inference_mode():
        return np.mean([network(torch.from_numpy(i[None]))[0].numpy() for i in images], axis=0)


def test_the_class_is_that_of_the_mean_over_all_clips_and_over_the_folds(folds, media, tmp_path):
    path = media / "long.flac"
    samples, _ = soundfile.read(path, dtype="int16")
    weights = [folds / f"model/soundtrack/{fold}/model.safetensors" for fold in "12"]
    logits = torch.from_numpy(np.stack([plain_scores(samples, w) for w in weights]))
    expected = logits.softmax(dim=1).mean(dim=0)
    predict_files([path], folds, tmp_path)
    (event,) = json.loads((tmp_path / "long.json").read_text())["tracks"]["events"]
    assert event["label"] == CLASSES[expected.argmax()]
    assert event["score"] == pytest.approx(float(expected.max()), abs=1e-4)


def test_files_are_scored_alike_alone_and_beside_others(folds, media, tmp_path):
    study = read_soundtracks(folds)
    found = []
    for number, paths in enumerate(([media / "long.flac"], [media])):
        work = tmp_path / str(number)
        manifest, index = make_images(study, find_inputs(paths)[0], work)
        files = index[index["clips"] > 0].assign(path="")[["video_id", "split", "path"]]
        place = files["video_id"].tolist().index("long")
        found.append([part[place] for part in soundtrack_scores(study, files, work).values()])
        assert set(manifest.index) == set(index["video_id"])
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_a_short_sound_is_labelled_where_the_study_pads_it(media, tmp_path):
    study = write_soundtrack_study(tmp_path / "results/heard", pads_short=True)
    predict_files([media / "short.wav"], study, tmp_path / "out")
    (event,) = json.loads((tmp_path / "out/short.json").read_text())["tracks"]["events"]
    assert event["stop_s"] == 0.5


@pytest.mark.parametrize("pooling", ["logit", "log_softmax", "softmax"])
def test_scores_of_every_pooling_become_probabilities(pooling):
    logits = np.array([[2.0, 0.5, -1.0]])
    shares = np.exp(logits) / np.exp(logits).sum()
    pooled = {"logit": logits, "log_softmax": np.log(shares), "softmax": shares}[pooling]
    np.testing.assert_allclose(probabilities(pooled, pooling), shares, rtol=1e-12)


def said_of(capsys, *arguments):
    """Return the exit status and the only line on stderr."""
    status = main(["predict", *map(str, arguments)])
    (line,) = capsys.readouterr().err.splitlines()
    return status, line


def test_changed_or_missing_weights_are_refused_with_the_remedy(media, tmp_path, capsys):
    study = write_soundtrack_study(tmp_path / "results/heard")
    weights = study / "model/soundtrack/all/model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    status, line = said_of(capsys, media / "long.flac", "--model", study)
    assert status == 1
    assert f"{weights}: not the weights that {study} was made with" in line
    weights.unlink()
    status, line = said_of(capsys, media / "long.flac", "--model", study)
    assert status == 1
    assert "are gone; bring them back, or run snakemake sounds again" in line


def test_a_folder_where_nothing_can_be_heard_is_one_line(folds, media, tmp_path, capsys):
    status, line = said_of(
        capsys, media / "silent.mp4", "--model", folds, "--output", tmp_path / "out"
    )
    assert status == 1
    assert line.startswith(f"error: {media}/silent.mp4: ")
    assert [p.name for p in (tmp_path / "out").glob("*.json")] == ["summary.json"]


def test_a_description_of_another_version_names_the_command(folds, media, tmp_path, capsys):
    study = write_soundtrack_study(tmp_path / "results/heard")
    content = json.loads((study / FILE).read_text())
    del content["pooling"]
    (study / FILE).write_text(json.dumps(content))
    status, line = said_of(capsys, media, "--model", study)
    assert status == 1
    assert "of another version of avlib; run `.venv/bin/snakemake --cores 2 sounds` again" in line
