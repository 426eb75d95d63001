"""The stage that scores videos by their frames."""

import json

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from avlib.datasets.tables import EVENTS
from avlib.errors import CheckpointError, DataError
from avlib.extractors.omnivore.network import Omnivore, network_weights
from avlib.extractors.omnivore.recipes import OMNIVORE_RECIPES
from avlib.extractors.omnivore.sizes import TrunkSizes
from avlib.extractors.omnivore.task import VisualEvents
from avlib.io.packs import FrameStore
from avlib.io.tables import read_table, write_table
from avlib.io.weights import save_weights
from avlib.soundtracks.score_files import ScoreFiles
from avlib.soundtracks.tables import SCORED_VIDEOS
from avlib.soundtracks.video_scores import load_trained_omnivore, score_videos

FPS = 8
CLASSES = ["red", "green", "blue"]
SIZES = TrunkSizes(width=8, depths=(1, 1), heads=(1, 2), window=(1, 4, 4))
NOTED = {"num_frames": "2", "crop": "16", "recipe": "miniature"}
LENGTHS = {"video0": 16, "video1": 24, "video2": 4, "video3": 16, "video4": None, "video5": 16}
SPLITS = ["train", "val", "test", "test", "test", "val"]


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Omnivore(SIZES, num_classes=[3]).eval()
        torch.nn.init.normal_(network.head.weight, std=3.0)
    return network


@pytest.fixture(scope="module")
def weights(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_weights(path, network_weights(network), NOTED)
    return path


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "frames.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["rate_fps"] = FPS
        for video_id, length in LENGTHS.items():
            if length is not None:
                file[video_id] = rng.integers(0, 256, (length, 20, 28, 3), dtype=np.uint8)
    return path


def events(**changes):
    numbers = np.arange(len(LENGTHS))
    columns = {
        "event_id": list(LENGTHS),
        "video_id": list(LENGTHS),
        "split": SPLITS,
        "modality": "audio_visual",
        "start_s": 0.0,
        "stop_s": [(length or 8) / FPS for length in LENGTHS.values()],
        "label": [CLASSES[n % 3] for n in numbers],
        "class_id": numbers % 3,
    }
    names = [column.name for column in EVENTS.columns]
    return pd.DataFrame(columns | changes).reindex(columns=names)


def score(folder, pack, weights, rows=None, classes=CLASSES):
    folder.mkdir(exist_ok=True)
    write_table(events() if rows is None else rows, folder / "events.parquet", EVENTS)
    (folder / "classes.json").write_text(json.dumps({"class_id": classes}))
    score_videos(
        events=folder / "events.parquet",
        classes=folder / "classes.json",
        packs=[pack],
        rate_fps=FPS,
        weights=weights,
        device="cpu",
        targets=ScoreFiles(folder / "scores.npy", folder / "videos.parquet"),
    )
    return np.load(folder / "scores.npy"), read_table(folder / "videos.parquet", SCORED_VIDEOS)


def test_scores_are_the_logarithms_of_the_probabilities_of_the_validation(
    tmp_path, pack, weights, network, caplog
):
    scores, table = score(tmp_path, pack, weights)
    assert table["video_id"].tolist() == ["video1", "video2", "video3", "video5"]
    assert table["split"].tolist() == ["val", "test", "test", "val"]
    assert table["class_id"].tolist() == [1, 2, 0, 2]
    assert "1 videos have no frames and no scores, video4 the first" in caplog.text
    recipe = OMNIVORE_RECIPES["miniature"]
    rows = events()[events()["video_id"].isin(table["video_id"])]
    clip = {"clip_s": recipe.clip_s, "num_frames": 2, "crop": 16}
    cv2.setNumThreads(1)
    with FrameStore([pack], rate_fps=FPS) as frames, torch.inference_mode():
        clips = VisualEvents(
            rows, frames, heads=("class_id",), augmentation=recipe.augmentation, **clip
        )
        probs = np.zeros((4, 3))
        for index in range(4):
            offsets = clips.view_offsets(index, recipe.views)
            views = torch.stack([clips.clip(index, offset) for offset in offsets])
            probs[index] = network(views).softmax(dim=1).mean(dim=0).numpy()
    assert scores.dtype == np.float64
    np.testing.assert_allclose(np.exp(scores), probs, rtol=1e-4, atol=1e-7)


def test_hopeless_classes_have_finite_scores(tmp_path, pack, network):
    """A probability that is 0 as a number has a logarithm all the same."""
    sure = {name: 500 * v if name == "head.bias" else v for name, v in _biased(network).items()}
    path = tmp_path / "sure.safetensors"
    save_weights(path, sure, NOTED)
    scores, _ = score(tmp_path, pack, path)
    assert np.isfinite(scores).all()
    assert scores.min() < -800


def _biased(network):
    return network_weights(network) | {"head.bias": torch.tensor([2.0, 0.0, -2.0])}


def test_the_same_files_give_the_same_bytes(tmp_path, pack, weights):
    for name in ("a", "b"):
        score(tmp_path / name, pack, weights)
    for name in ("scores.npy", "videos.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_cannot_be_scored_is_said_in_one_line(tmp_path, pack, weights):
    with pytest.raises(CheckpointError, match="for 3 classes, but the study has 2"):
        score(tmp_path, pack, weights, classes=["red", "blue"])
    twice = events(video_id=[*[*LENGTHS][:5], "video3"], split="test")
    with pytest.raises(DataError, match="video3 has two events; a scored video has one label"):
        score(tmp_path, pack, weights, twice)
    unseen = events(split=["train", "val", "val", "val", "test", "val"])
    with pytest.raises(DataError, match="no video of split test has frames in the packs"):
        score(tmp_path, pack, weights, unseen)


def test_weights_that_were_not_trained_here_are_refused(tmp_path, network):
    path = tmp_path / "model.safetensors"
    save_weights(path, network_weights(network), NOTED | {"recipe": "other"})
    with pytest.raises(CheckpointError, match="its recipe 'other' is not known; train it again"):
        load_trained_omnivore(path)
    save_weights(path, network_weights(network), {})
    with pytest.raises(CheckpointError, match=r"its `recipe`, .* is missing; give"):
        load_trained_omnivore(path)
    save_weights(path, {"lin.weight": torch.zeros(2, 2)}, NOTED)
    with pytest.raises(CheckpointError, match="no Omnivore trained here"):
        load_trained_omnivore(path)
