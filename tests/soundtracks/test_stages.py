import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_weights import MAPS

from avlib.errors import CheckpointError, DataError
from avlib.io.tables import read_table
from avlib.io.weights import save_weights
from avlib.soundtracks.blocks import BasicBlock
from avlib.soundtracks.fusion import fuse, name_half
from avlib.soundtracks.matching import pair_scores
from avlib.soundtracks.network import ResNet, network_weights
from avlib.soundtracks.score_files import FusionFiles, NamedScores, ScoreFiles
from avlib.soundtracks.scoring import pool_soundtracks, score_clips
from avlib.soundtracks.sweep import Fusion, Paired, sweep, weight_grid
from avlib.soundtracks.tables import CLIPS, FUSED_ANSWERS, SOUNDTRACKS
from avlib.soundtracks.weights import Windows, check_weights, load_soundtrack_network

PUBLISHED = Windows()
CLIPS_EACH = np.full(41, 10)  # of the soundtracks that are fused
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
    splits = ["val", "test", "test", "val", "test"]
    return pd.DataFrame({"video_id": list(COUNTS), "split": splits, "class_id": [1, 2, 3, 4, 5]})


def score(folder, network, images, soundtracks, batch_size=3, windows=PUBLISHED):
    targets = ScoreFiles(folder / "clips.npy", folder / "clips.parquet")
    options = {"batch_size": batch_size, "windows": windows}
    score_clips(network, images, soundtracks, **options, targets=targets)
    return np.load(targets.scores), read_table(targets.rows, CLIPS)


def pool(folder, soundtracks, space="logit"):
    return pool_soundtracks(
        ScoreFiles(folder / "clips.npy", folder / "clips.parquet"),
        soundtracks,
        space=space,
        targets=ScoreFiles(folder / "scores.npy", folder / "soundtracks.parquet"),
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
    assert table["split"].tolist() == soundtracks["split"].tolist()
    for row, video_id in enumerate(table["video_id"]):
        own = clips[(index["video_id"] == video_id).to_numpy()].astype(np.float64)
        expected = own.mean(axis=0) if len(own) else np.zeros(6)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-12)
    assert found["without_clips"] == 2
    assert (found["reference"]["items"], found["scored"]["items"]) == (5, 3)


def test_silent_clips_are_left_out_where_the_training_did_so(
    tmp_path, network, images, soundtracks
):
    everything, _ = score(tmp_path, network, images, soundtracks)
    images["a"][[0, 3, 4]] = images["c"][0] = -80
    scores, index = score(
        tmp_path, network, images, soundtracks, windows=Windows(drops_silence=True)
    )
    assert index["clip"].tolist() == [0, 1, 2, 3, 1, 2, 5, 6, 0]
    np.testing.assert_allclose(scores[:8], everything[[0, 1, 2, 3, 5, 6, 9, 10]], rtol=1e-5)
    pool(tmp_path, soundtracks)
    table = read_table(tmp_path / "soundtracks.parquet", SOUNDTRACKS)
    assert table["clips"].tolist() == [4, 0, 4, 0, 1]


def test_half_steps_lie_between_the_clips_and_the_start_follows_the_end(
    tmp_path, network, images, soundtracks
):
    grid, _ = score(tmp_path, network, images, soundtracks)
    scores, index = score(tmp_path, network, images, soundtracks, windows=Windows(half_steps=True))
    of_b = (index["video_id"] == "b").to_numpy()
    assert index["start_s"][of_b].tolist() == pytest.approx([0.48 * n for n in range(8)])
    np.testing.assert_allclose(scores[of_b][::2], grid[:4], rtol=1e-5)
    last = np.concatenate([images["b"][3][:, 48:], images["b"][0][:, :48]], axis=1)
    with torch.inference_mode():
        expected = network(torch.from_numpy(last[None].astype(np.float32)))
    np.testing.assert_allclose(scores[of_b][-1:], expected, rtol=1e-5)
    pool(tmp_path, soundtracks)
    table = read_table(tmp_path / "soundtracks.parquet", SOUNDTRACKS)
    assert table["clips"].tolist() == [8, 0, 14, 0, 2]


def test_soundtracks_are_pooled_in_parts(tmp_path, network, images, soundtracks, monkeypatch):
    score(tmp_path, network, images, soundtracks)
    pool(tmp_path, soundtracks)
    whole = (tmp_path / "scores.npy").read_bytes()
    monkeypatch.setattr("avlib.soundtracks.scoring.POOLED_AT_ONCE", 2)
    pool(tmp_path, soundtracks)
    assert (tmp_path / "scores.npy").read_bytes() == whole


def test_scores_of_other_soundtracks_are_refused(tmp_path, network, images, soundtracks):
    score(tmp_path, network, images, soundtracks)
    with pytest.raises(DataError, match="12 clips of 3 soundtracks, 2 of them listed"):
        pool(tmp_path, soundtracks.iloc[1:])


def test_a_network_is_read_from_its_weights_and_its_pool_from_the_notes(tmp_path, network):
    x = -80 * torch.rand(1, 64, 96)
    path = tmp_path / "model.safetensors"
    save_weights(path, network_weights(network), MAPS | {"pool": "full"})
    with torch.inference_mode():
        noted, given = (load_soundtrack_network(path, pool=p) for p in (None, "first_columns"))
        torch.testing.assert_close(given(x), network(x))
        assert not torch.allclose(noted(x), network(x))
    assert not noted.training
    torch.save({"model_state_dict": {"other.weight": x}}, tmp_path / "other.pth.tar")
    with pytest.raises(CheckpointError, match=r"no soundtrack network, it lacks 'lin\.weight'"):
        load_soundtrack_network(tmp_path / "other.pth.tar")


def test_given_weights_are_described_if_they_fit(tmp_path, network):
    path, classes = tmp_path / "model.safetensors", tmp_path / "classes.json"
    save_weights(path, network_weights(network), MAPS | {"recipe": "small"})
    classes.write_text(json.dumps({"class_id": list("abcdef")}))
    check_weights(path, tmp_path / "given.json", classes=classes)
    found = json.loads((tmp_path / "given.json").read_text())
    assert (found["network"], found["num_classes"]) == ("ResNet", 6)
    classes.write_text(json.dumps({"class_id": list("abc")}))
    with pytest.raises(CheckpointError, match="for 6 classes, but the study has 3"):
        check_weights(path, tmp_path / "given.json", classes=classes)


def scores_by_both(n=40, num_classes=8):
    """Audio and visual scores of n videos, in other orders, each with one more."""
    rng = np.random.default_rng(1)
    ids = [f"video{i}" for i in range(n)]
    labels = rng.integers(0, num_classes, n)
    heard = 2 * rng.standard_normal((n, num_classes)) + 2 * np.eye(num_classes)[labels]
    seen = 2 * rng.standard_normal((n, num_classes)) + 3 * np.eye(num_classes)[labels]
    order = rng.permutation(n)
    audio = NamedScores([*ids, "heard"], np.vstack([heard, heard[:1]]), "audio scores")
    rows = np.vstack([seen[order], seen[:1]]).astype(np.float32)
    video = NamedScores([*(ids[i] for i in order), "seen"], rows, "visual scores")
    return audio, video, np.append(labels, 0), Paired(heard, seen.astype(np.float32), labels)


def run_fusion(folder, matched, fusion=None, validation=None):
    fuse(
        matched,
        fusion=fusion or Fusion(),
        validation=validation,
        targets=FusionFiles(
            folder / "fusion.json", folder / "sweep.csv", folder / "answers.parquet"
        ),
    )
    return json.loads((folder / "fusion.json").read_text()), pd.read_csv(folder / "sweep.csv")


def test_scores_are_fused_by_name_and_what_has_no_partner_is_counted(tmp_path):
    audio, video, labels, pairs = scores_by_both()
    report, rows = run_fusion(tmp_path, pair_scores(audio, video, labels, CLIPS_EACH))
    np.testing.assert_allclose(rows, sweep(pairs, weight_grid()).rows(), rtol=1e-12)
    left_out = {"without_video": 1, "without_audio": 1, "without_clips": 0}
    assert report["counts"] == {"evaluated": 40, "validation": 0, **left_out}
    assert (report["without_video"], report["without_audio"]) == (["heard"], ["seen"])
    assert report["scores"]["fused"]["weight_from"] == "other_half"
    assert report["probabilities"]["fused"]["items"] == 40
    assert report["scores"]["audio"] == report["probabilities"]["audio"]


def test_the_answers_to_single_videos_are_those_that_are_counted(tmp_path):
    audio, video, labels, pairs = scores_by_both()
    report, _ = run_fusion(tmp_path, pair_scores(audio, video, labels, CLIPS_EACH))
    answers = read_table(tmp_path / "answers.parquet", FUSED_ANSWERS)
    assert answers["video_id"].tolist() == list(audio.video_ids[:-1])
    for column, name in (("audio", "audio"), ("video", "video"), ("fusion", "fused")):
        right = (answers[column] == answers["class_id"]).mean()
        assert right == report["scores"][name]["top1"]
    for row, answer in enumerate(answers.itertuples()):
        fused = pairs.part(slice(row, row + 1)).fused(answer.weight)
        assert answer.fusion == fused.argmax()


def test_a_soundtrack_without_a_clip_is_fused_as_published_only(tmp_path):
    audio, video, labels, pairs = scores_by_both()
    audio.scores[[0, 3]] = pairs.audio[[0, 3]] = 0
    clips = np.where(np.isin(np.arange(41), (0, 3)), 0, 10)
    report, rows = run_fusion(tmp_path, pair_scores(audio, video, labels, clips))
    assert report["without_clips"] == ["video0", "video3"]
    assert report["scores"]["audio"]["items"] == report["counts"]["evaluated"] == 38
    has_clips = ~np.isin(np.arange(40), (0, 3))
    expected = sweep(pairs.part(has_clips), weight_grid()).rows()
    np.testing.assert_allclose(rows, expected, rtol=1e-12)
    published = sweep(pairs, weight_grid())
    record = dict(
        zip(("weight", "top1", "top5", "mean"), published.rows()[published.best()], strict=True)
    )
    assert report["reference"] == pytest.approx({"items": 40, **record})


def test_the_published_choice_of_the_weight_is_an_option(tmp_path):
    audio, video, labels, pairs = scores_by_both()
    settings = Fusion(weight_from="evaluation")
    report, _ = run_fusion(tmp_path, pair_scores(audio, video, labels, CLIPS_EACH), settings)
    best = sweep(pairs, weight_grid())
    found = report["scores"]["fused"]
    assert found["weight"] == best.weights[best.best()]
    assert found["top1"] == best.rows()[best.best(), 1]


def test_videos_for_validation_choose_the_weight(tmp_path):
    audio, video, labels, _ = scores_by_both()
    matched = pair_scores(audio, video, labels, CLIPS_EACH)
    report, _ = run_fusion(tmp_path, matched, validation=matched)
    published, _ = run_fusion(tmp_path, matched, Fusion(weight_from="evaluation"))
    assert report["scores"]["fused"]["weight_from"] == "validation"
    assert report["counts"]["validation"] == 40
    assert report["scores"]["fused"]["weight"] == published["scores"]["fused"]["weight"]


def test_the_order_of_the_videos_changes_nothing(tmp_path):
    audio, video, labels, _ = scores_by_both()
    turned = NamedScores(audio.video_ids[::-1], audio.scores[::-1], audio.source)
    first, _ = run_fusion(tmp_path, pair_scores(audio, video, labels, CLIPS_EACH))
    second, _ = run_fusion(tmp_path, pair_scores(turned, video, labels[::-1], CLIPS_EACH))
    assert first == second


def test_a_name_falls_into_the_same_half_always():
    halves = [name_half(f"video{i}") for i in range(1000)]
    assert 450 < sum(halves) < 550
    assert halves[:8] == [name_half(f"video{i}") for i in range(8)]


def test_what_cannot_be_fused_is_said_in_one_line(tmp_path):
    audio, video, labels, _ = scores_by_both()
    with pytest.raises(DataError, match="video3: class 8, but audio scores has scores of the"):
        pair_scores(audio, video, np.where(np.arange(41) == 3, 8, labels), CLIPS_EACH)
    one = partial(NamedScores, ["video0"], np.zeros((1, 8)))
    matched = pair_scores(one("audio scores"), one("visual scores"), np.array([0]), np.array([1]))
    silent = pair_scores(audio, video, labels, np.zeros(41))
    with pytest.raises(DataError, match="no video with visual scores has a soundtrack as long"):
        run_fusion(tmp_path, silent)
    with pytest.raises(DataError, match=r"1 videos cannot be split .*weight_from: evaluation"):
        run_fusion(tmp_path, matched)
