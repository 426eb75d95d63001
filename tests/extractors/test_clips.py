import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from frame_files import pack_tar, write_frames
from media_files import cut_off, make_video, run_ffmpeg
from PIL import Image

from avlib.errors import DataError
from avlib.extractors.clips import ClipExtractor
from avlib.extractors.extraction import Journal, ShardFiles
from avlib.extractors.frames import normalise
from avlib.extractors.index import IndexFiles, index_features
from avlib.extractors.intervals import interval_table
from avlib.extractors.omnivore import extraction as omnivore_extraction
from avlib.extractors.omnivore.clips import omnivore_frames, omnivore_image
from avlib.extractors.omnivore.network import Omnivore
from avlib.extractors.omnivore.sizes import TrunkSizes
from avlib.extractors.omnivore.weights import ClipSize, load_omnivore, save_omnivore
from avlib.extractors.rand_augment import OMNIVORE, augment
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.atomic import write_json
from avlib.io.tables import read_table, write_table
from avlib.media.frames import read_frames
from avlib.media.probe import VideoInfo, manifest_rows, probe_file
from avlib.media.scan import ScannedVideo
from avlib.media.tables import MANIFEST
from avlib.seeds import generator

SETTINGS = {"frames": "decoded", "first_frame": "consistent", "seed": 0, "device": "cpu"}
SIZES = TrunkSizes(width=8, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), window=(2, 3, 3))
CLIP = ClipSize(num_frames=8, crop=32)


def make_shard(folder: Path, videos: list[Path]) -> ShardFiles:
    """Write manifest, intervals, list and weights for videos whose ids are their names."""
    rows = [probe_file(VideoInfo(path.stem, str(path), "train"), path) for path in videos]
    manifest = manifest_rows([replace(row, status="ok", message="") for row in rows])
    write_table(manifest, folder / "manifest.parquet", MANIFEST)
    write_table(interval_table(manifest), folder / "intervals.parquet", INTERVALS)
    scanned = [asdict(ScannedVideo(path.stem, "train", str(path))) for path in videos]
    write_json(folder / "videos.json", scanned)
    torch.manual_seed(0)
    save_omnivore(folder / "a.safetensors", Omnivore(SIZES, num_classes=[2]), CLIP, {})
    return ShardFiles(
        sources=[folder / "videos.json"],
        manifests=[folder / "manifest.parquet"],
        intervals=[folder / "intervals.parquet"],
        checkpoint=folder / "a.safetensors",
        folder=folder / "features",
        journal=folder / "journal.jsonl",
        index=folder / "index.parquet",
    )


def extract(files: ShardFiles, settings=SETTINGS, views: int = 1) -> dict[str, np.ndarray]:
    omnivore_extraction.extract_shard(files, settings, {"train": views, "val": 1, "test": 1})
    index = read_table(files.index, FEATURES)
    usable = index[index["status"] == "ok"]
    return {row.video_id: np.load(files.folder / row.path) for row in usable.itertuples()}


@pytest.fixture
def video(tmp_path) -> Path:
    return make_video(tmp_path / "-a ü.mp4", duration_s=2.4)


def plain_features(files, video, mode, change=lambda interval_id, place, picture: picture):
    """Return what the plain network makes of every interval's pictures, one clip at a time."""
    pictures = [frame() for frame in read_frames(video, mode)]
    trunk, _ = load_omnivore(files.checkpoint)
    features = []
    for row in read_table(files.intervals[0], INTERVALS).itertuples():
        numbers = omnivore_frames([row.start_frame], [row.stop_frame], num_frames=8)[0]
        chosen = [pictures[n] for n in np.minimum(numbers, len(pictures) - 1)]
        seen = [
            omnivore_image(change(row.interval_id, place, picture), 32)
            for place, picture in enumerate(chosen)
        ]
        with torch.inference_mode():
            features.append(trunk(normalise(torch.from_numpy(np.stack(seen))[None]))[0].numpy())
    return np.stack(features)


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
def test_features_are_those_of_the_plain_network_on_plain_clips(tmp_path, video, mode):
    files = make_shard(tmp_path, [video])
    features = extract(files, SETTINGS | {"frames": mode})["-a ü"]
    assert features.shape == (7, 1, 64)
    expected = plain_features(files, video, mode)
    np.testing.assert_allclose(features[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_jpeg_frames_give_other_features(tmp_path, video):
    files = make_shard(tmp_path, [video])
    decoded, jpeg = extract(files), extract(files, SETTINGS | {"frames": "jpeg"})
    assert np.abs(decoded["-a ü"] - jpeg["-a ü"]).max() > 1e-3


@pytest.mark.parametrize("first_frame", ["consistent", "reference"])
def test_augmented_views_have_one_draw_a_clip(tmp_path, video, first_frame):
    files = make_shard(tmp_path, [video])
    features = extract(files, SETTINGS | {"first_frame": first_frame}, views=3)["-a ü"]

    def change(interval_id, place, picture):
        item = before = (interval_id, 2)
        if first_frame == "reference" and place == 0:
            before = (interval_id, 1)
        names = generator(0, *before, "operations")
        operations = OMNIVORE.draw(names, generator(0, *item, "levels"))
        return np.asarray(augment(Image.fromarray(picture), operations, OMNIVORE.fill))

    expected = plain_features(files, video, "decoded", change)
    np.testing.assert_allclose(features[:, 2], expected, rtol=1e-4, atol=1e-5)


def test_view_0_does_not_depend_on_the_other_views(tmp_path, video):
    files = make_shard(tmp_path, [video])
    one, four = extract(files)["-a ü"], extract(files, views=4)["-a ü"]
    assert four.shape == (7, 4, 64)
    np.testing.assert_allclose(four[:, 0], one[:, 0], rtol=1e-5, atol=1e-5)
    assert np.abs(four[:, 1] - four[:, 2]).max() > 1e-3


def test_a_video_has_the_same_bytes_alone_and_among_others(tmp_path, video):
    other = make_video(tmp_path / "b.mp4", duration_s=1.7, fps="12")
    (tmp_path / "alone").mkdir()
    among = extract(make_shard(tmp_path, [video, other]), views=2)
    alone = extract(make_shard(tmp_path / "alone", [video]), views=2)
    assert sorted(among) == ["-a ü", "b"]
    assert among["-a ü"].tobytes() == alone["-a ü"].tobytes()


def test_a_portrait_video_is_seen_whole(tmp_path, video):
    turned = tmp_path / "b.mp4"
    run_ffmpeg("-display_rotation", "90", "-i", video, "-c", "copy", turned)
    assert np.isfinite(extract(make_shard(tmp_path, [turned]))["b"]).all()


def test_intervals_beyond_the_picture_repeat_its_end_and_are_counted(tmp_path):
    whole = make_video(tmp_path / "a.ts", duration_s=4, video_codec="mpeg2video")
    files = make_shard(tmp_path, [whole])
    cut_off(whole, tmp_path / "cut.ts", 0.5).replace(whole)
    features = extract(files)["a"]
    n_frames = sum(1 for _ in read_frames(whole, "decoded"))
    first = read_table(files.intervals[0], INTERVALS)["start_frame"]
    (row,) = read_table(files.index, FEATURES).itertuples()
    beyond = int((first - 1 >= n_frames).sum())
    assert 3 < beyond == row.padded_intervals < row.intervals == len(first)
    np.testing.assert_array_equal(features[-1], features[-2])


def test_a_video_without_a_readable_picture_is_left_out_and_said_to_be(tmp_path, video):
    broken, sound = tmp_path / "broken.mp4", tmp_path / "sound.mp4"
    broken.write_bytes(video.read_bytes())
    sound.write_bytes(video.read_bytes())
    files = make_shard(tmp_path, [video, broken, sound])
    features = extract(files)
    assert sorted(features) == ["-a ü", "broken", "sound"]
    broken.write_bytes(b"no video")
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=2", sound)
    manifest = read_table(files.manifests[0], MANIFEST)
    manifest.loc[manifest["video_id"] != "-a ü", "content_hash"] = "other"
    write_table(manifest, files.manifests[0], MANIFEST)
    assert list(extract(files)) == ["-a ü"]
    index = read_table(files.index, FEATURES).set_index("video_id")
    assert index["status"].to_dict() == {
        "-a ü": "ok",
        "broken": "unreadable",
        "sound": "no_frames",
    }
    assert "broken.mp4: " in index.loc["broken", "message"]
    assert "no video stream in the file" in index.loc["sound", "message"]
    assert index.loc["broken", ["path", "intervals", "channels"]].to_list() == ["", 0, 0]
    assert [path.name for path in (files.folder / "train").iterdir()] == ["-a ü.npy"]


def test_the_summary_counts_what_was_left_out(tmp_path, video):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(video.read_bytes())
    files = make_shard(tmp_path, [video, broken])
    broken.write_bytes(b"no video")
    extract(files)
    (tmp_path / "files.json").write_text('{"found": 2}')
    index_files = IndexFiles(
        shards=[files.index],
        manifest=files.manifests[0],
        media_files=tmp_path / "files.json",
        checkpoint=files.checkpoint,
        index=tmp_path / "s" / "index.parquet",
        summary=tmp_path / "summary.json",
    )
    index = partial(index_features, index_files, study="s", extraction=SETTINGS)
    with pytest.raises(DataError, match=r"1 of 2 videos for .*s are left out .*: 0\.4$"):
        index(max_bad_fraction=0.4)
    index(max_bad_fraction=0.5)
    counts = json.loads((tmp_path / "summary.json").read_text())["counts"]
    assert counts["features"] == {"ok": 1, "unreadable": 1}
    assert (counts["feature_files"], counts["intervals"]) == (1, 7)
    assert counts["media_files"] == {"found": 2}


def test_intervals_without_frame_numbers_are_left_out(tmp_path, video):
    files = make_shard(tmp_path, [video])
    intervals = read_table(files.intervals[0], INTERVALS).astype({"start_frame": "Int64"})
    intervals["start_frame"] = intervals["start_frame"].mask(intervals["start_frame"] > 10)
    write_table(intervals, files.intervals[0], INTERVALS)
    assert extract(files) == {}
    assert "no image" in read_table(files.index, FEATURES)["message"].item()


def test_only_what_is_missing_is_done_again(tmp_path, video, monkeypatch):
    broken = tmp_path / "broken.mp4"
    other = make_video(tmp_path / "b.mp4", duration_s=1.7)
    broken.write_bytes(video.read_bytes())
    files = make_shard(tmp_path, [video, other, broken])
    broken.write_bytes(b"no video")
    before = extract(files, views=2)
    (files.folder / "train" / "b.npy").unlink()
    done = record_extractions(monkeypatch)
    after = extract(files, views=2)
    assert done == ["b"]
    assert {k: v.tobytes() for k, v in before.items()} == {k: v.tobytes() for k, v in after.items()}


def record_extractions(monkeypatch) -> list[str]:
    done, real = [], ClipExtractor.extract

    def extract_one(self, video, rows, views):
        done.append(video.video_id)
        return real(self, video, rows, views)

    monkeypatch.setattr(ClipExtractor, "extract", extract_one)
    return done


def test_a_killed_run_goes_on_where_it_was(tmp_path, video, monkeypatch):
    other = make_video(tmp_path / "b.mp4", duration_s=1.7)
    files = make_shard(tmp_path, [video, other])
    real = ClipExtractor._features
    calls = []

    def killed(self, clips):
        calls.append(len(clips))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, clips)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ClipExtractor, "_features", killed)
        extract(files)
    assert [path.name for path in files.folder.rglob("*")] == ["train", "-a ü.npy"]
    assert list(Journal(files.journal).entries) == ["train/-a ü.npy"]
    done = record_extractions(monkeypatch)
    interrupted = extract(files)
    assert done == ["b"]
    files.journal.unlink()
    whole = extract(files)
    assert {k: v.tobytes() for k, v in interrupted.items()} == {
        k: v.tobytes() for k, v in whole.items()
    }


@pytest.mark.parametrize("change", [{"seed": 1}, {"frames": "jpeg"}, {"first_frame": "reference"}])
def test_other_settings_are_other_features(tmp_path, video, monkeypatch, change):
    files = make_shard(tmp_path, [video])
    extract(files)
    done = record_extractions(monkeypatch)
    extract(files, SETTINGS | change)
    assert done == ["-a ü"]


def test_the_network_is_not_loaded_when_nothing_is_missing(tmp_path, video, monkeypatch):
    files = make_shard(tmp_path, [video])
    extract(files)
    monkeypatch.setattr(omnivore_extraction, "load_omnivore", lambda _: pytest.fail("loaded"))
    extract(files)


@pytest.fixture
def images(tmp_path) -> Path:
    """Two and a half seconds of images."""
    return write_frames(tmp_path / "P01_01", range(1, 63), height=40, width=60)


def image_shard(folder: Path, paths: list[Path]) -> ShardFiles:
    """Write what `make_shard` writes, for folders and tars of frames at 25 a second."""
    folder.mkdir(exist_ok=True)
    files = make_shard(folder, [])
    rows = [probe_file(VideoInfo(path.stem, str(path), "train"), path, fps=25.0) for path in paths]
    manifest = manifest_rows([replace(row, status="ok", message="") for row in rows])
    write_table(manifest, files.manifests[0], MANIFEST)
    write_table(interval_table(manifest), files.intervals[0], INTERVALS)
    scanned = [ScannedVideo(path.stem, "train", str(path), fps=25.0) for path in paths]
    write_json(files.sources[0], list(map(asdict, scanned)))
    return files


def test_images_in_a_tar_give_the_same_bytes_as_in_a_folder(tmp_path, images):
    tar = pack_tar(images, tmp_path / "P01_01.tar", "P01_01/")
    from_folder = extract(image_shard(tmp_path / "one", [images]), views=2)["P01_01"]
    from_tar = extract(image_shard(tmp_path / "other", [tar]), views=2)["P01_01"]
    assert from_folder.shape == (7, 2, 64)
    assert from_tar.tobytes() == from_folder.tobytes()


def test_features_of_images_are_those_of_the_plain_network(tmp_path, images):
    files = image_shard(tmp_path / "images", [images])
    expected = plain_features(files, images, "decoded")
    np.testing.assert_allclose(extract(files)["P01_01"][:, 0], expected, rtol=1e-4, atol=1e-5)


def test_the_last_image_stands_for_those_after_it(tmp_path, images):
    files = image_shard(tmp_path / "images", [images])
    intervals = read_table(files.intervals[0], INTERVALS)
    intervals[["start_frame", "stop_frame"]] += 35
    write_table(intervals, files.intervals[0], INTERVALS)
    features = extract(files)["P01_01"]
    (row,) = read_table(files.index, FEATURES).itertuples()
    assert row.padded_intervals == 1
    np.testing.assert_allclose(features[:, 0], plain_features(files, images, "decoded"), atol=1e-4)


def test_an_image_that_is_broken_or_gone_costs_its_own_video(tmp_path, images):
    others = [write_frames(tmp_path / name, range(1, 63)) for name in ("P01_02", "P01_03")]
    files = image_shard(tmp_path / "images", [images, *others])
    (others[0] / "frame_0000000041.jpg").write_bytes(b"broken")
    (others[1] / "frame_0000000041.jpg").unlink()
    assert list(extract(files)) == ["P01_01"]
    index = read_table(files.index, FEATURES).set_index("video_id")
    assert index["status"].to_list() == ["ok", "unreadable", "unreadable"]
    assert "P01_02/frame_0000000041.jpg: not a whole JPEG" in index.loc["P01_02", "message"]
    assert "P01_03/frame_0000000041.jpg: No such file" in index.loc["P01_03", "message"]


@pytest.mark.gpu
def test_a_gpu_gives_the_same_features(tmp_path, video):
    files = make_shard(tmp_path, [video])
    on_cpu = extract(files, views=2)["-a ü"]
    on_gpu = extract(files, SETTINGS | {"device": "cuda"}, views=2)["-a ü"]
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-3, atol=1e-4)
