"""The stage that scores soundtracks, from a study's files to scores."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from soundtrack_files import CLASSES, labelled_files, write_images, write_labels
from tiny_weights import MAPS

from avlib.errors import CheckpointError, DataError
from avlib.io.checkpoints import load_state_dict
from avlib.io.tables import read_table
from avlib.io.weights import save_weights
from avlib.soundtracks.blocks import BasicBlock
from avlib.soundtracks.network import ResNet, network_weights
from avlib.soundtracks.score_files import ScoreFiles
from avlib.soundtracks.scoring import score_soundtracks
from avlib.soundtracks.tables import CLIPS, SOUNDTRACKS

TARGETS = ("clip_scores.npy", "clip_index.parquet", "soundtrack_scores.npy", "soundtracks.parquet")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ResNet(BasicBlock, (1, 1, 1, 1), num_classes=2, width=4)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_weights(path, network_weights(network), MAPS | {"pool": "full"})
    return path


def score(folder, files, weights, *, fold="all", classes=CLASSES, clips=None, **changes):
    targets = [folder / name for name in TARGETS]
    score_soundtracks(
        replace(write_labels(folder, files, classes), fold=fold),
        replace(write_images(folder / "mel", files, **(clips or {})), **changes),
        weights=weights,
        space="logit",
        device="cpu",
        clip_targets=ScoreFiles(*targets[:2]),
        targets=ScoreFiles(*targets[2:]),
    )
    return np.load(targets[2]), read_table(targets[3], SOUNDTRACKS)


def test_the_held_out_splits_are_scored_in_the_order_of_the_labels(tmp_path, weights):
    scores, table = score(tmp_path, labelled_files(), weights, clips={"video5": 5})
    assert table["video_id"].tolist() == ["video4", "video5", "video6", "video7"]
    assert table["split"].tolist() == ["val", "val", "test", "test"]
    assert table["clips"].tolist() == [3, 5, 3, 3]
    clips = np.load(tmp_path / "clip_scores.npy").astype(np.float64)
    index = read_table(tmp_path / "clip_index.parquet", CLIPS)
    for row, video_id in enumerate(table["video_id"]):
        own = clips[(index["video_id"] == video_id).to_numpy()]
        np.testing.assert_allclose(scores[row], own.mean(axis=0), rtol=1e-12)


def test_only_the_files_of_a_fold_are_scored(tmp_path, weights):
    files = labelled_files(folds=["1", "2"] * 4)
    _, table = score(tmp_path, files, weights, fold="2")
    assert table["video_id"].tolist() == ["video1", "video3", "video5", "video7"]
    assert set(table["split"]) == {"test"}
    with pytest.raises(DataError, match="fold '3' has no files"):
        score(tmp_path, files, weights, fold="3")


def test_a_soundtrack_without_a_clip_has_a_row_and_a_file_without_sound_has_none(
    tmp_path, weights, caplog
):
    clips = {"video5": "no_audio", "video7": 0}
    scores, table = score(tmp_path, labelled_files(), weights, clips=clips)
    assert table["video_id"].tolist() == ["video4", "video6", "video7"]
    assert table["clips"].tolist() == [3, 3, 0]
    assert not scores[2].any()
    assert "1 files are no_audio and have no scores, video5 the first" in caplog.text


def test_the_same_files_give_the_same_bytes(tmp_path, weights):
    for name in ("a", "b"):
        score(tmp_path / name, labelled_files(), weights)
    for target in TARGETS:
        assert (tmp_path / "a" / target).read_bytes() == (tmp_path / "b" / target).read_bytes()


def test_silent_clips_are_not_scored_if_the_network_was_not_trained_on_them(tmp_path, weights):
    files = labelled_files()
    with h5py.File(write_images(tmp_path / "mel", files).packs[0], "r+") as pack:
        pack["video6"][1] = -80
    packs = {"packs": [tmp_path / "mel/0.h5", tmp_path / "mel/1.h5"]}
    noted = tmp_path / "noted.safetensors"
    save_weights(noted, load_state_dict(weights), MAPS | {"drops_silence": "True"})
    counts = []
    for path in (weights, noted):
        _, table = score(tmp_path / path.stem, files, path, **packs)
        counts.append(table.set_index("video_id")["clips"]["video6"])
    assert counts == [3, 2]


def test_weights_for_other_classes_are_refused(tmp_path, weights):
    with pytest.raises(CheckpointError, match="for 2 classes, but the study has 3"):
        score(tmp_path, labelled_files(), weights, classes=["low", "high", "none"])
    named = tmp_path / "named.safetensors"
    save_weights(
        named, load_state_dict(weights), MAPS | {"classes": '{"class_id": ["low", "loud"]}'}
    )
    with pytest.raises(CheckpointError, match="its class 1 is 'loud', that of the study is 'high'"):
        score(tmp_path, labelled_files(), named)


def test_a_split_without_sound_is_refused(tmp_path, weights):
    silent = {"video6": "no_audio", "video7": "unreadable"}
    with pytest.raises(DataError, match=r"no file of split test has sound \(fold all\)"):
        score(tmp_path, labelled_files(), weights, clips=silent)


def test_images_that_are_missing_without_a_reason_are_not_overlooked(tmp_path, weights):
    files = labelled_files()
    packs = write_images(tmp_path / "mel", files).packs
    with pytest.raises(DataError, match=r"video5: one of 2 labelled .* pack the images"):
        score(tmp_path, files, weights, packs=packs[:1])
