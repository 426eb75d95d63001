"""EPIC-KITCHENS as it is distributed: frames as images, sound apart, weights of all networks."""

import json
import wave

import numpy as np
import pandas as pd
import pytest
import torch
from frame_files import pack_tar, write_frames
from golden.fill import fill_by_rule
from workflow_checkout import Checkout

from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.omnivore.network import Omnivore
from avlib.extractors.omnivore.sizes import TrunkSizes
from avlib.extractors.omnivore.weights import ClipSize, save_omnivore
from avlib.extractors.videomae.network import VideoMAE, VideoMAESizes
from avlib.seeds import generator

VIDEOS = {"P01_01": "train", "P01_02": "train", "P02_01": "val"}
SECONDS, FPS = 3, 10.0
OVERLAY = """
epic:
  source: official
  shards: 1
  feature_shards: 1
  frames: {0}/frames
  sound: {0}/sound
  actions: {{train: {0}/actions_train.csv, val: {0}/actions_val.csv}}
  sounds: {{train: {0}/sounds_train.csv, val: {0}/sounds_val.csv}}
  video_info: {0}/info.csv
  visual: {{extractors: [omnivore, videomae], views: 1}}
  views: 1
  checkpoints:
    omnivore: {0}/omnivore.safetensors
    videomae: {0}/videomae_epic.pth.tar
  tim: {{recipe: small, epochs: 1, models: [audio_visual]}}
device: cpu
"""

UNTRAINED = """
epic:
  source: official
  shards: 1
  feature_shards: 1
  frames: {0}/frames
  actions: {{train: {0}/actions_train.csv, val: {0}/actions_val.csv}}
  video_info: {0}/info.csv
  visual: {{extractors: [videomae], views: 1}}
  checkpoints: {{videomae: untrained}}
  tim: {{recipe: small, epochs: 1, models: [visual]}}
device: cpu
"""


def write_sound(path):
    samples = 3000 * generator(0, path.stem).standard_normal(SECONDS * 24_000)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def write_tables(folder, videos=VIDEOS, seconds=SECONDS):
    """Write one action and one sound a video, which overlap, and the table of the videos."""
    spans = {"start_timestamp": "00:00:00.50", "stop_timestamp": f"00:00:{min(seconds, 2):05.2f}"}
    for split in ("train", "val"):
        ids = [video for video, known in videos.items() if known == split]
        table = pd.DataFrame({"video_id": ids, "participant_id": [v[:3] for v in ids]})
        table = table.assign(**spans)
        names = [f"{video}_0" for video in ids]
        actions = {"verb": "wash", "verb_class": 2, "noun": "pan", "noun_class": 5}
        table.assign(narration_id=names, **actions).to_csv(
            folder / f"actions_{split}.csv", index=False
        )
        sounds = {"class": "water", "class_id": 3, "description": "water runs"}
        table.assign(annotation_id=names, **sounds).to_csv(
            folder / f"sounds_{split}.csv", index=False
        )
    info = {"video_id": list(videos), "duration": float(seconds), "fps": FPS}
    pd.DataFrame(info).assign(resolution="456x256").to_csv(folder / "info.csv", index=False)


def write_weights(folder):
    """Write small networks in the published layouts, filled by rule."""
    omnivore = Omnivore(TrunkSizes(8, (1, 1), (1, 2), (1, 4, 4)), num_classes=[3806])
    fill_by_rule(omnivore)
    save_omnivore(folder / "omnivore.safetensors", omnivore, ClipSize(4, 32), {})
    videomae = VideoMAE(VideoMAESizes(width=384, depth=1, feedforward=32, classes=(97, 300)))
    fill_by_rule(videomae)
    torch.save({"module": videomae.state_dict()}, folder / "videomae_epic.pth.tar")
    asf = AuditorySlowFast(num_classes=[44], width=8)
    fill_by_rule(asf)
    torch.save({"epoch": 29, "model_state": asf.state_dict()}, folder / "asf_epicsounds.pyth")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A study of three videos: in a folder as published, in one of the other layout, in a tar."""
    folder = tmp_path_factory.mktemp("epic")
    (folder / "sound").mkdir()
    frames = range(1, int(SECONDS * FPS) + 1)
    write_frames(folder / "frames/P01/rgb_frames/P01_01", frames, height=64, width=96)
    write_frames(folder / "frames/P01_02", frames, height=64, width=96)
    whole = write_frames(folder / "unpacked", frames, height=64, width=96)
    (folder / "frames/P02/rgb_frames").mkdir(parents=True)
    pack_tar(whole, folder / "frames/P02/rgb_frames/P02_01.tar", "P02_01/")
    for video in VIDEOS:
        write_sound(folder / "sound" / f"{video}.wav")
    write_tables(folder)
    write_weights(folder)
    (folder / "run").mkdir()
    return Checkout(folder / "run", OVERLAY.format(folder))


@pytest.mark.slow
def test_images_and_sound_come_to_metrics_of_tim_and_of_the_classifier(checkout):
    results = checkout.folder / "results/epic"
    targets = f"{results}/test_metrics.json {results}/asf/test_metrics.json"
    targets = targets.replace(f"{checkout.folder}/", "")
    given = f"'checkpoints': {{'asf': '{checkout.folder.parent}/asf_epicsounds.pyth'}}"
    run = checkout.run(f"epic={{{given}}}", target=targets)
    assert run.returncode == 0, run.stderr[-3000:]
    features = {
        name: np.load(results / f"features/{name}/{split}/{video}.npy")
        for name, split, video in (
            ("omnivore", "val", "P02_01"),
            ("videomae", "val", "P02_01"),
            ("asf", "train", "P01_01"),
        )
    }
    assert {name: found.shape for name, found in features.items()} == {
        "omnivore": (10, 1, 16),
        "videomae": (10, 1, 384),
        "asf": (10, 1, 288),
    }
    same = np.load(results / "features/videomae/train/P01_02.npy")
    np.testing.assert_array_equal(features["videomae"], same)  # a tar and a folder
    found = json.loads((results / "asf/test_metrics.json").read_text())
    assert (found["split"], found["counts"]["events_evaluated"]) == ("val", 1)
    assert set(found["metrics"]) == {"views_1", "views_5"}
    assert json.loads((results / "test_metrics.json").read_text())["metrics"]


@pytest.mark.slow
def test_untrained_networks_of_the_published_size_come_to_metrics(tmp_path):
    """Random weights are VideoMAE ViT-L; a video has two intervals, which it sees in one batch."""
    videos, seconds = {"P01_01": "train", "P02_01": "val"}, 1.4
    for video in videos:
        write_frames(tmp_path / "frames" / video, range(1, int(seconds * FPS) + 1), width=64)
    write_tables(tmp_path, videos, seconds)
    checkout = Checkout(tmp_path, UNTRAINED.format(tmp_path), "results/epic/test_metrics.json")
    run = checkout.run()
    assert run.returncode == 0, run.stderr[-3000:]
    results = checkout.folder / "results/epic"
    features = np.load(results / "features/videomae/val/P02_01.npy")
    assert features.shape == (2, 1, 1024)
    assert np.isfinite(features).all()
    assert (features[0] != features[1]).any()
    found = json.loads((results / "test_metrics.json").read_text())
    assert found["metrics"]["visual"]["action"]["items"] == 1
    assert found["models"]["videomae"]["weights"] == "untrained"
    assert any("VideoMAE" in note and "random" in note for note in found["notes"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "heads"),
    [("epic_sounds", {"audio"}), ("epic_kitchens", {"verb", "noun", "verb_noun"})],
)
def test_published_recipes_of_the_sound_network_are_trained_and_evaluated(checkout, recipe, heads):
    vggsound = AuditorySlowFast(num_classes=[309], width=8)
    torch.save({"model_state": vggsound.state_dict()}, checkout.folder / "vggsound.pyth")
    start = f"'checkpoint': '{checkout.folder}/vggsound.pyth', 'width': 8"
    training = f"{{'recipe': '{recipe}', 'epochs': 1, 'batch_size': 2, {start}}}"
    run = checkout.run(
        f"epic={{'name': '{recipe}', 'pretraining': {training}}}",
        target=f"results/{recipe}/asf/test_metrics.json",
    )
    assert run.returncode == 0, run.stderr[-3000:]
    results = checkout.folder / "results" / recipe
    metrics = json.loads((results / "asf/test_metrics.json").read_text())
    assert set(metrics["metrics"]["views_5"]) == heads
    assert metrics["models"]["asf"]["weights"] == "trained"
    assert json.loads((results / "model/asf/metrics.json").read_text())["recipe"] == recipe


def test_a_recipe_for_audio_of_another_rate_is_refused_before_any_work(checkout):
    run = checkout.run(
        "epic={'name': 'v', 'pretraining': {'recipe': 'vggsound'}}",
        target="results/v/model/asf/model.safetensors",
    )
    assert run.returncode != 0
    assert "recipe vggsound is for audio at 16000 Hz, but preset epic_sounds" in run.stderr
    assert "set epic.preset: ave" in run.stderr
    assert not (checkout.folder / "results/v/probe").exists()


@pytest.mark.slow
def test_a_classifier_of_other_classes_is_refused_with_the_remedy(checkout):
    asf = AuditorySlowFast(num_classes=[309], width=8)
    torch.save({"model_state": asf.state_dict()}, checkout.folder / "asf_vggsound.pyth")
    given = f"'checkpoints': {{'asf': '{checkout.folder}/asf_vggsound.pyth'}}, 'preset': 'ave'"
    run = checkout.run(
        f"epic={{'name': 'other', {given}}}", target="results/other/asf/test_metrics.json"
    )
    assert run.returncode != 0
    log = (checkout.folder / "logs/other/evaluate_asf.log").read_text()
    assert "its classes (309) are not those of the study" in log
