from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from frame_files import write_frames
from media_files import make_video

from avlib.extractors.efficientnet_lite import extraction
from avlib.extractors.efficientnet_lite.images import preprocess, resized
from avlib.extractors.efficientnet_lite.inference import (
    EfficientNetLite0Model,
    MiddleFrames,
    nearest_frames,
)
from avlib.extractors.efficientnet_lite.network import fused
from avlib.extractors.efficientnet_lite.weights import untrained_efficientnet_lite0
from avlib.extractors.extraction import ShardFiles
from avlib.extractors.intervals import interval_table, second_intervals
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.atomic import write_json
from avlib.io.tables import read_table, write_table
from avlib.media.frames import read_frames
from avlib.media.probe import VideoInfo, manifest_rows, probe_file
from avlib.media.scan import ScannedVideo
from avlib.media.tables import MANIFEST

SETTINGS = {"frames": "decoded", "seed": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def network():
    """Random weights whose batch norms have statistics of their own."""
    network = untrained_efficientnet_lite0(0)
    draws = torch.Generator().manual_seed(0)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.randn(buffer.shape, generator=draws) / 10)
        elif name.endswith("running_var"):
            buffer.copy_(torch.rand(buffer.shape, generator=draws) + 0.5)
    return network


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "lite0.pth"
    torch.save(network.state_dict(), path)
    return path


def make_shard(folder, checkpoint, videos, table=interval_table) -> ShardFiles:
    rows = [probe_file(VideoInfo(path.stem, str(path), "train"), path) for path in videos]
    manifest = manifest_rows([replace(row, status="ok", message="") for row in rows])
    write_table(manifest, folder / "manifest.parquet", MANIFEST)
    write_table(table(manifest), folder / "intervals.parquet", INTERVALS)
    scanned = [asdict(ScannedVideo(path.stem, "train", str(path))) for path in videos]
    write_json(folder / "videos.json", scanned)
    return ShardFiles(
        sources=[folder / "videos.json"],
        manifests=[folder / "manifest.parquet"],
        intervals=[folder / "intervals.parquet"],
        checkpoint=checkpoint,
        folder=folder / "features",
        journal=folder / "journal.jsonl",
        index=folder / "index.parquet",
    )


def extract(files, views=1):
    extraction.extract_shard(files, SETTINGS, {"train": views, "val": 1, "test": 1})
    index = read_table(files.index, FEATURES)
    return {r.video_id: np.load(files.folder / r.path) for r in index.itertuples() if r.path}


@torch.inference_mode()
def plain(network, images):
    """Return embeddings and softmax outputs of images (H, W, 3), one at a time."""
    found = [network(torch.from_numpy(preprocess(image))[None]) for image in images]
    return torch.cat([e for e, _ in found]), torch.cat([x for _, x in found]).softmax(dim=1)


def test_the_network_for_inference_differs_by_rounding_alone(network):
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain, inference = network(images), fused(network)(images)
    for own, other in zip(plain, inference, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


def test_a_repeated_picture_is_looked_at_once(network, monkeypatch):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (60, 80, 3), np.uint8) for _ in range(2)]
    one, two = map(resized, images)
    model = EfficientNetLite0Model(network, torch.device("cpu"), torch.float32)
    seen = []
    run = model.run
    monkeypatch.setattr(model, "run", lambda x: seen.append(len(x)) or run(x))
    (block,) = model.blocks([one, two, two, two, one])
    assert seen == [3]
    embedding, scores = plain(network, [images[i] for i in (0, 1, 1, 1, 0)])
    np.testing.assert_allclose(block.embedding, embedding, atol=1e-5)
    np.testing.assert_allclose(block.scores, scores, atol=1e-6)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_features(network):
    images = np.random.default_rng(0).standard_normal((3, 3, 224, 224)).astype(np.float32)
    outputs = (
        EfficientNetLite0Model(network, torch.device(device), torch.float32).run(images)
        for device in ("cpu", "cuda")
    )
    for expected, found in zip(*outputs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("middle_s", "rate", "frame"),
    [(0.5, 25.0, 12), (1.5, 25.0, 37), (0.55, 25.0, 14), (0.5, 30.0, 15), (0.01, 25.0, 0)],
)
def test_the_frame_nearest_to_the_middle_is_taken_the_first_of_two(middle_s, rate, frame):
    assert nearest_frames(np.array([middle_s]), rate) == frame


def test_features_are_those_of_the_frames_in_the_middle(tmp_path, network, checkpoint):
    video = make_video(tmp_path / "-a ü.mp4", duration_s=2.4, audio_codec=None)
    files = make_shard(tmp_path, checkpoint, [video])
    features = extract(files, views=5)["-a ü"]
    frames = [frame() for frame in read_frames(video, "decoded")]
    rows = read_table(files.intervals[0], INTERVALS)
    middle_s = (rows["start_s"] + rows["stop_s"]) / 2
    rate = len(frames) / 2.4
    nearest = [int(np.argmin(np.abs(np.arange(len(frames)) / rate - m))) for m in middle_s]
    assert features.shape == (7, 1, 1280) and features.dtype == np.float32
    embedding, _ = plain(network, [frames[n] for n in nearest])
    np.testing.assert_allclose(features[:, 0], embedding, atol=1e-5)


def test_each_frame_is_read_once_and_those_beyond_the_end_are_the_last(tmp_path, monkeypatch):
    video = make_video(tmp_path / "a.mp4", duration_s=2.0, audio_codec=None, fps="4")
    prepared = []
    monkeypatch.setattr(
        "avlib.extractors.efficientnet_lite.inference.resized",
        lambda image: prepared.append(1) or image,
    )
    frames = MiddleFrames(video, second_intervals(["a"], 4), "decoded")
    assert frames.numbers.tolist() == [2, 6, 10, 14]
    pictures = list(frames)
    assert [id(p) == id(pictures[-1]) for p in pictures] == [False, False, True, True]
    assert len(prepared) == 3
    assert frames.count_padded() == 2


def test_images_of_a_folder_are_found_by_their_frame_numbers(tmp_path, network, checkpoint):
    folder = write_frames(tmp_path / "a", range(1, 121))
    rows = second_intervals(["a"], 2).assign(start_frame=[0, 60], stop_frame=[60, 120])
    frames = MiddleFrames(folder, rows, "decoded")
    assert frames.numbers.tolist() == [30, 90]
    assert len(list(frames)) == 2


def test_a_video_without_a_picture_is_left_out_with_its_reason(tmp_path, checkpoint):
    (tmp_path / "b.mp4").write_bytes(b"nothing")
    video = make_video(tmp_path / "a.mp4", duration_s=1.5, audio_codec=None, fps="8")
    files = make_shard(
        tmp_path, checkpoint, [video, tmp_path / "b.mp4"], lambda _: second_intervals(["a", "b"], 1)
    )
    assert list(extract(files)) == ["a"]
    index = read_table(files.index, FEATURES).set_index("video_id")
    assert index["status"].to_dict() == {"a": "ok", "b": "unreadable"}
    assert "b.mp4" in index.loc["b", "message"]


def test_features_are_not_made_twice(tmp_path, checkpoint, monkeypatch):
    video = make_video(tmp_path / "a.mp4", duration_s=1.5, audio_codec=None, fps="8")
    files = make_shard(tmp_path, checkpoint, [video])
    extract(files)
    monkeypatch.setattr(extraction, "load_efficientnet_lite0", lambda _: pytest.fail("loaded"))
    extract(files)
