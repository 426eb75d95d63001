from contextlib import closing
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from frame_files import write_frames
from media_files import make_video

from avlib.extractors.extraction import ShardFiles
from avlib.extractors.frames import normalise
from avlib.extractors.intervals import interval_table
from avlib.extractors.rand_augment import VIDEOMAE
from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.extractors.videomae.clips import augmented_square, plain_square, videomae_frames
from avlib.extractors.videomae.network import VideoMAE, VideoMAESizes
from avlib.extractors.videomae.weights import load_videomae
from avlib.io.atomic import write_json
from avlib.io.tables import read_table, write_table
from avlib.media.frame_images import open_images
from avlib.media.frames import read_frames
from avlib.media.probe import VideoInfo, manifest_rows, probe_file
from avlib.media.scan import ScannedVideo
from avlib.media.tables import MANIFEST
from avlib.seeds import generator

SETTINGS = {"frames": "decoded", "seed": 3, "device": "cpu"}


@pytest.fixture(scope="module")
def shard(tmp_path_factory) -> ShardFiles:
    """A video of two intervals, the second of which ends after it."""
    folder = tmp_path_factory.mktemp("videomae")
    path = make_video(folder / "a.mp4", duration_s=1.4, fps="20")
    manifest = manifest_rows([probe_file(VideoInfo("a", str(path), "train"), path)])
    write_table(manifest, folder / "manifest.parquet", MANIFEST)
    intervals = interval_table(manifest)
    intervals.loc[1, "stop_frame"] = 60
    write_table(intervals, folder / "intervals.parquet", INTERVALS)
    write_json(folder / "videos.json", [asdict(ScannedVideo("a", "train", str(path)))])
    torch.manual_seed(0)
    network = VideoMAE(VideoMAESizes(width=384, depth=1, feedforward=32, classes=(5, 3)))
    torch.save({"module": network.state_dict()}, folder / "weights.pth.tar")
    files = ShardFiles(
        sources=[folder / "videos.json"],
        manifests=[folder / "manifest.parquet"],
        intervals=[folder / "intervals.parquet"],
        checkpoint=folder / "weights.pth.tar",
        folder=folder / "features",
        journal=folder / "journal.jsonl",
        index=folder / "index.parquet",
    )
    EXTRACTORS["videomae"].extract_shard(files, SETTINGS, {"train": 2, "val": 1, "test": 1})
    return files


def test_images_have_the_features_of_their_numbers_and_the_last_stands_for_those_after_it(
    shard, tmp_path
):
    folders = [write_frames(tmp_path / name, range(1, 31), height=224) for name in "ab"]
    rows = [probe_file(VideoInfo(f.name, str(f), "val"), f, fps=20.0) for f in folders]
    manifest = manifest_rows([replace(row, status="ok") for row in rows])
    intervals = interval_table(manifest)
    is_beyond = intervals["interval_id"] == "b_1"
    intervals.loc[is_beyond, ["start_frame", "stop_frame"]] = [30, 52]
    write_table(manifest, tmp_path / "manifest.parquet", MANIFEST)
    write_table(intervals, tmp_path / "intervals.parquet", INTERVALS)
    scanned = [ScannedVideo(f.name, "val", str(f), fps=20.0) for f in folders]
    write_json(tmp_path / "videos.json", list(map(asdict, scanned)))
    files = ShardFiles(
        sources=[tmp_path / "videos.json"],
        manifests=[tmp_path / "manifest.parquet"],
        intervals=[tmp_path / "intervals.parquet"],
        checkpoint=shard.checkpoint,
        folder=tmp_path / "features",
        journal=tmp_path / "journal.jsonl",
        index=tmp_path / "index.parquet",
    )
    EXTRACTORS["videomae"].extract_shard(files, SETTINGS, {"train": 1, "val": 1, "test": 1})
    index = read_table(files.index, FEATURES).set_index("video_id")
    assert index["status"].to_list() == ["ok", "ok"]
    assert index["padded_intervals"].to_list() == [0, 1]
    first = intervals.iloc[0]
    numbers = videomae_frames([first["start_frame"]], [first["stop_frame"]])[0]
    for name, chosen in (("a", numbers), ("b", np.full(len(numbers), 29))):
        images = open_images(folders["ab".index(name)])
        clip = np.stack([plain_square(images.image(int(n) + 1)) for n in chosen])
        with torch.inference_mode():
            model = load_videomae(shard.checkpoint)
            feature = model.features(normalise(torch.from_numpy(clip[None])))
        found = np.load(tmp_path / f"features/val/{name}.npy")[0]
        np.testing.assert_allclose(found, feature, atol=1e-5)


def expected(files, prepare):
    """Return the features of the clips whose pictures are prepared by (interval_id, picture)."""
    with closing(read_frames(files.sources[0].with_name("a.mp4"), "decoded")) as frames:
        pictures = [frame() for frame in frames]
    rows = read_table(files.intervals[0], INTERVALS)
    chosen = videomae_frames(rows["start_frame"], rows["stop_frame"]).clip(max=len(pictures) - 1)
    clips = [
        np.stack([prepare(interval_id, pictures[i]) for i in numbers])
        for interval_id, numbers in zip(rows["interval_id"], chosen, strict=True)
    ]
    with torch.inference_mode():
        return load_videomae(files.checkpoint).features(
            normalise(torch.from_numpy(np.stack(clips)))
        )


def test_view_0_is_plain_and_ends_with_the_last_frame(shard):
    found = np.load(shard.folder / "train/a.npy")
    plain = expected(shard, lambda _, picture: plain_square(picture))
    assert found.shape == (2, 2, 384)
    np.testing.assert_allclose(found[:, 0], plain, atol=1e-5)


def test_the_pictures_of_a_view_have_the_operations_that_its_interval_draws(shard):
    def prepare(interval_id, picture):
        names, levels = (generator(3, interval_id, 1, part) for part in ("operations", "levels"))
        return augmented_square(picture, VIDEOMAE.draw(names, levels))

    found = np.load(shard.folder / "train/a.npy")
    np.testing.assert_allclose(found[:, 1], expected(shard, prepare), atol=1e-5)
    assert not np.allclose(found[:, 1], found[:, 0], atol=1e-3)
