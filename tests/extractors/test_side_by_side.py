"""Features of intervals by several visual extractors, which decode each video once."""

import threading
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from media_files import make_video
from tiny_weights import with_settings

from avlib.errors import CheckpointError, DataError
from avlib.extractors.clip.network import ClipSizes, TowerSizes
from avlib.extractors.clip.weights import untrained_clip
from avlib.extractors.interval_frames import spread_frames
from avlib.extractors.intervals import interval_table
from avlib.extractors.registry import EXTRACTORS, extract_side_by_side
from avlib.extractors.resnet.network import R2Plus1d, ResNet
from avlib.extractors.structure import own_settings
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.extractors.vgg19.network import VGG19
from avlib.io.atomic import write_json
from avlib.io.tables import read_table, write_table
from avlib.media import frames as media_frames
from avlib.media.probe import VideoInfo, manifest_rows, probe_file
from avlib.media.scan import ScannedVideo
from avlib.media.shared_frames import SharedFrames
from avlib.media.tables import MANIFEST

SHARED = {"seed": 0, "dtype": "float32", "device": "cpu", "allow_tf32": False, "frames": "decoded"}
CHANNELS = {"res152": 128, "r2plus1d_18": 32, "vgg19": 16, "clip": 24}
TOWER = TowerSizes(width=64, depth=1, feedforward=32)
CLIP = ClipSizes(
    vision=TOWER,
    text=TOWER,
    image_size=28,
    patch_size=14,
    vocabulary=40,
    positions=6,
    embedding=24,
)


@pytest.fixture(scope="module")
def extractions(tmp_path_factory):
    """Small random networks of each kind, and how they are run."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    states = {
        "res152": ResNet(blocks=(1, 1, 1, 1), width=4).state_dict(),
        "r2plus1d_18": R2Plus1d(blocks=(1, 1, 1, 1), width=4, middle=3).state_dict(),
        "vgg19": VGG19(width=2).state_dict(),
        "clip": with_settings(untrained_clip(CLIP, 0).model.state_dict(), own_settings(CLIP)),
    }
    for name, state in states.items():
        torch.save(state, folder / f"{name}.pth")
    own = {name: {} for name in states} | {"clip": {"antialias": True}}
    views = {"train": 1, "val": 1, "test": 1}
    return {
        name: {"settings": SHARED | own[name], "views": views, "checkpoint": folder / f"{name}.pth"}
        for name in states
    }


@pytest.fixture
def shard(tmp_path):
    """Two videos."""
    lengths = {"long": 2.0, "short": 1.4}
    paths = [make_video(tmp_path / f"videos/{n}.mp4", duration_s=s) for n, s in lengths.items()]
    rows = [probe_file(VideoInfo(path.stem, str(path), "train"), path) for path in paths]
    manifest = manifest_rows([replace(row, status="ok", message="") for row in rows])
    write_table(manifest, tmp_path / "manifest.parquet", MANIFEST)
    write_table(interval_table(manifest), tmp_path / "intervals.parquet", INTERVALS)
    scanned = [asdict(ScannedVideo(path.stem, "train", str(path))) for path in paths]
    write_json(tmp_path / "videos.json", scanned)
    return tmp_path


def run(folder, extractions, names):
    """Extract features by these extractors, and return them by extractor and video."""
    places = {n: {"folder": folder / n, "journal": folder / f"{n}.jsonl"} for n in names}
    indices = [folder / f"{n}.parquet" for n in names]
    extract_side_by_side(
        {n: extractions[n] | places[n] for n in names},
        sources=[folder / "videos.json"],
        manifests=[folder / "manifest.parquet"],
        intervals=[folder / "intervals.parquet"],
        indices=indices,
    )
    tables = {n: read_table(path, FEATURES) for n, path in zip(names, indices, strict=True)}
    return {
        n: {r.video_id: np.load(folder / n / r.path) for r in table.itertuples() if r.path}
        for n, table in tables.items()
    }


@pytest.fixture
def decoded(monkeypatch):
    """Paths of the videos that are decoded."""
    paths, decode = [], media_frames._received_frames

    def counted(path, *args):
        paths.append(path.stem)
        return decode(path, *args)

    monkeypatch.setattr(media_frames, "_received_frames", counted)
    return paths


def test_together_they_decode_each_video_once_and_get_what_each_gets_alone(
    shard, extractions, decoded, tmp_path_factory
):
    together = run(shard, extractions, list(extractions))
    assert sorted(decoded) == ["long", "short"]
    for name, found in together.items():
        assert set(found) == {"long", "short"}
        assert found["long"].shape == (5, 1, CHANNELS[name])
        (shard / name).rename(shard / f"former {name}")
        (shard / f"{name}.jsonl").unlink()
        alone = run(shard, extractions, [name])[name]
        for video_id, features in alone.items():
            np.testing.assert_array_equal(features, found[video_id])


def test_what_is_there_is_not_made_again(shard, extractions, decoded):
    run(shard, extractions, ["res152", "clip"])
    (shard / "clip/train/long.npy").unlink()
    decoded.clear()
    run(shard, extractions, ["res152", "clip"])
    assert decoded == ["long"]


def test_a_file_without_frames_costs_no_other(shard, extractions):
    (shard / "videos/short.mp4").write_bytes(b"no video")
    found = run(shard, extractions, ["res152", "vgg19"])
    assert [set(videos) for videos in found.values()] == [{"long"}, {"long"}]
    index = read_table(shard / "vgg19.parquet", FEATURES)
    assert index["status"].to_list() == ["ok", "unreadable"]


def test_weights_that_do_not_fit_end_the_job(shard, extractions, tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "wrong.pth")
    wrong = extractions | {"clip": extractions["clip"] | {"checkpoint": tmp_path / "wrong.pth"}}
    with pytest.raises(CheckpointError, match="wrong"):
        run(shard, wrong, ["res152", "clip", "vgg19"])


def test_the_frames_of_an_interval_are_spread_evenly_over_it():
    rows = pd.DataFrame({"start_s": [0.0, 0.2], "stop_s": [1.0, 1.2]})
    assert spread_frames(rows, 25.0, 1).tolist() == [[12], [17]]
    assert spread_frames(rows, 24.0, 4).tolist() == [[3, 9, 15, 21], [7, 13, 19, 25]]


def test_an_error_of_decoding_reaches_every_reader():
    shared = SharedFrames(2)

    def broken(_wanted):
        yield "frame"
        raise DataError("broken")

    def read(found):
        try:
            found.extend(shared.join("video", frozenset({0}), broken))
        except DataError as error:
            found.append(str(error))

    results = [[], []]
    threads = [threading.Thread(target=read, args=(found,)) for found in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [["frame", "broken"]] * 2


def test_a_late_reader_decodes_for_itself():
    shared = SharedFrames(1)
    assert list(shared.join("video", None, lambda _: iter_of([1, 2]))) == [1, 2]
    assert shared.join("video", None, lambda _: iter_of([1, 2])) is None


def iter_of(items):
    yield from items


def test_every_row_says_whether_it_makes_intervals():
    made = {name for name, row in EXTRACTORS.items() if row.makes_intervals}
    assert made >= {"asf", "omnivore", "videomae", "yamnet", "efficientnet_lite0", *CHANNELS}
    assert made >= {"vggish", "clap"}
