import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.models.resnet import BasicBlock

from avlib.datasets.soundtrack_scores import NamedScores
from avlib.errors import CheckpointError, DataError
from avlib.evaluation.soundtrack_fusion import Paired, sweep, weight_grid
from avlib.io.tables import CLIPS, SOUNDTRACKS, read_table
from avlib.io.weights import save_weights
from avlib.models.soundtrack import ResNet, network_weights
from avlib.recognition.soundtrack_clips import (
    load_soundtrack_network,
    pool_soundtracks,
    score_clips,
)
from avlib.recognition.soundtrack_fusion import FusionSettings, fuse, name_half, pair_scores

COUNTS = {"b": 4, "silent": 0, "a": 7, "absent": None, "c": 1}


class Images(dict):
    def origin(self, video_id):
        return ""


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ResNet(BasicBlock, (1, 1, 1, 1), num_classes=6, width=4).eval()


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return Images(
        {
            name: (-80 * rng.random((n, 64, 96))).astype(np.float16)
            for name, n in COUNTS.items()
            if n is not None
        }
    )


@pytest.fixture
def soundtracks():
    return pd.DataFrame({"video_id": list(COUNTS), "class_id": [1, 2, 3, 4, 5]})


def score(folder, network, images, soundtracks, batch_size=3):
    targets = {"scores_target": folder / "clips.npy", "index_target": folder / "clips.parquet"}
    score_clips(network, images, soundtracks, batch_size=batch_size, **targets)
    return np.load(targets["scores_target"]), read_table(targets["index_target"], CLIPS)


def pool(folder, soundtracks, space="logit"):
    return pool_soundtracks(
        clip_scores=folder / "clips.npy",
        clip_index=folder / "clips.parquet",
        soundtracks=soundtracks,
        space=space,
        scores_target=folder / "scores.npy",
        table_target=folder / "soundtracks.parquet",
    )


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_every_clip_has_its_row_whatever_the_batches(
    tmp_path, network, images, soundtracks, batch_size
):
    scores, index = score(tmp_path, network, images, soundtracks, batch_size)
    assert (scores.dtype, scores.shape) == (np.float32, (12, 6))
    with torch.inference_mode():
        for row, clip in enumerate(index.itertuples()):
            image = torch.from_numpy(images[clip.video_id][[clip.clip]].astype(np.float32))
            expected = network(image)[0].numpy()
            np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-5)
    assert index["video_id"].tolist() == ["b"] * 4 + ["a"] * 7 + ["c"]
    assert index["class_id"].tolist() == [1] * 4 + [3] * 7 + [5]
    np.testing.assert_allclose(index["start_s"], 0.96 * index["clip"])
    np.testing.assert_allclose(index["stop_s"] - index["start_s"], 0.96)


def test_soundtracks_are_the_means_of_their_clips(tmp_path, network, images, soundtracks):
    clips, index = score(tmp_path, network, images, soundtracks)
    found = pool(tmp_path, soundtracks)
    scores, table = (
        np.load(tmp_path / "scores.npy"),
        read_table(tmp_path / "soundtracks.parquet", SOUNDTRACKS),
    )
    assert scores.dtype == np.float64
    assert table["clips"].tolist() == [4, 0, 7, 0, 1]
    for row, video_id in enumerate(table["video_id"]):
        own = clips[(index["video_id"] == video_id).to_numpy()].astype(np.float64)
        expected = own.mean(axis=0) if len(own) else np.zeros(6)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-12)
    assert found["without_clips"] == 2
    assert (found["reference"]["items"], found["scored"]["items"]) == (5, 3)


def test_soundtracks_are_pooled_in_parts(tmp_path, network, images, soundtracks, monkeypatch):
    score(tmp_path, network, images, soundtracks)
    pool(tmp_path, soundtracks)
    whole = (tmp_path / "scores.npy").read_bytes()
    monkeypatch.setattr("avlib.recognition.soundtrack_clips.POOLED_AT_ONCE", 2)
    pool(tmp_path, soundtracks)
    assert (tmp_path / "scores.npy").read_bytes() == whole


def test_scores_of_other_soundtracks_are_refused(tmp_path, network, images, soundtracks):
    score(tmp_path, network, images, soundtracks)
    with pytest.raises(DataError, match="12 clips of 3 soundtracks, 2 of them asked for"):
        pool(tmp_path, soundtracks.iloc[1:])


def test_a_network_is_read_from_its_weights_and_its_pool_from_the_notes(tmp_path, network):
    x = -80 * torch.rand(1, 64, 96)
    path = tmp_path / "model.safetensors"
    save_weights(path, network_weights(network), {"pool": "full"})
    with torch.inference_mode():
        noted, given = (load_soundtrack_network(path, pool=p) for p in (None, "first_columns"))
        torch.testing.assert_close(given(x), network(x))
        assert not torch.allclose(noted(x), network(x))
    assert not noted.training
    torch.save({"model_state_dict": {"other.weight": x}}, tmp_path / "other.pth.tar")
    with pytest.raises(CheckpointError, match=r"no soundtrack network, it lacks 'lin\.weight'"):
        load_soundtrack_network(tmp_path / "other.pth.tar")


def scores_by_both(n=40, num_classes=8):
    """Scores of n videos by ear and by eye, in other orders, one more on either side."""
    rng = np.random.default_rng(1)
    ids = [f"video{i}" for i in range(n)]
    labels = rng.integers(0, num_classes, n)
    by_ear = 2 * rng.standard_normal((n, num_classes)) + 2 * np.eye(num_classes)[labels]
    by_eye = 2 * rng.standard_normal((n, num_classes)) + 3 * np.eye(num_classes)[labels]
    order = rng.permutation(n)
    audio = NamedScores([*ids, "heard"], np.vstack([by_ear, by_ear[:1]]), "ears")
    eyes = np.vstack([by_eye[order], by_eye[:1]]).astype(np.float32)
    video = NamedScores([*(ids[i] for i in order), "seen"], eyes, "eyes")
    return audio, video, np.append(labels, 0), Paired(by_ear, by_eye.astype(np.float32), labels)


def run_fusion(folder, matched, settings=None, validation=None):
    fuse(
        matched,
        settings=settings or FusionSettings(),
        validation=validation,
        report_target=folder / "fusion.json",
        sweep_target=folder / "sweep.csv",
    )
    return json.loads((folder / "fusion.json").read_text()), pd.read_csv(folder / "sweep.csv")


def test_scores_are_fused_by_name_and_what_has_no_partner_is_counted(tmp_path):
    audio, video, labels, pairs = scores_by_both()
    report, rows = run_fusion(tmp_path, pair_scores(audio, video, labels))
    np.testing.assert_allclose(rows, sweep(pairs, weight_grid()).rows(), rtol=1e-12)
    assert report["counts"] == {"matched": 40, "without_video": 1, "without_audio": 1}
    assert (report["without_video"], report["without_audio"]) == (["heard"], ["seen"])
    assert report["scores"]["fused"]["weight_from"] == "other_half"
    assert report["probabilities"]["fused"]["items"] == 40
    assert report["scores"]["audio"] == report["probabilities"]["audio"]


def test_the_published_choice_of_the_weight_is_an_option(tmp_path):
    audio, video, labels, pairs = scores_by_both()
    settings = FusionSettings(weight_from="evaluation")
    report, _ = run_fusion(tmp_path, pair_scores(audio, video, labels), settings)
    best = sweep(pairs, weight_grid())
    found = report["scores"]["fused"]
    assert found["weight"] == best.weights[best.best()]
    assert found["top1"] == best.rows()[best.best(), 1]


def test_videos_for_validation_choose_the_weight(tmp_path):
    audio, video, labels, _ = scores_by_both()
    matched = pair_scores(audio, video, labels)
    report, _ = run_fusion(tmp_path, matched, validation=matched)
    published, _ = run_fusion(tmp_path, matched, FusionSettings(weight_from="evaluation"))
    assert report["scores"]["fused"]["weight_from"] == "validation"
    assert report["scores"]["fused"]["weight"] == published["scores"]["fused"]["weight"]


def test_the_order_of_the_videos_changes_nothing(tmp_path):
    audio, video, labels, _ = scores_by_both()
    turned = NamedScores(audio.video_ids[::-1], audio.scores[::-1], audio.source)
    first, _ = run_fusion(tmp_path, pair_scores(audio, video, labels))
    second, _ = run_fusion(tmp_path, pair_scores(turned, video, labels[::-1]))
    assert first == second


def test_a_name_falls_into_the_same_half_always():
    halves = [name_half(f"video{i}") for i in range(1000)]
    assert 450 < sum(halves) < 550
    assert halves[:8] == [name_half(f"video{i}") for i in range(8)]


def test_what_cannot_be_fused_is_said_in_one_line(tmp_path):
    audio, video, labels, _ = scores_by_both()
    with pytest.raises(DataError, match="video3: class 8, but ears has scores of the classes 0 to"):
        pair_scores(audio, video, np.where(np.arange(41) == 3, 8, labels))
    one = partial(NamedScores, ["video0"], np.zeros((1, 8)))
    matched = pair_scores(one("ears"), one("eyes"), np.array([0]))
    with pytest.raises(DataError, match=r"1 videos cannot be parted .*weight_from: evaluation"):
        run_fusion(tmp_path, matched)
