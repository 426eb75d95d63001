import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from media_files import cut_off, make_video

from avlib.io.packs import FrameStore
from avlib.media.frame_packs import FramePackSettings, pack_frames
from avlib.media.frames import read_frames
from avlib.media.probe import probe_shard
from avlib.media.scan import scan
from avlib.media.videos import folder_videos

SETTINGS = FramePackSettings(rate_fps=8, short_side=24)


def pack(folder, settings=SETTINGS):
    """Run the stages of one shard; return the pack."""
    scan(folder_videos(folder / "videos", "train"), shards=1, folder=folder / "lists")
    probe_shard(folder / "lists" / "0.json", folder / "probe.parquet")
    pack_frames(
        videos=folder / "lists" / "0.json",
        manifest=folder / "probe.parquet",
        settings=settings,
        previous=folder / "previous.h5",
        pack_target=folder / "pack.h5",
    )
    return folder / "pack.h5"


@pytest.fixture
def folder(tmp_path):
    """Two good videos and two that are not."""
    make_video(tmp_path / "videos" / "-good.mp4")
    make_video(tmp_path / "videos" / "sub" / "slow.mkv", fps="4", audio_codec="flac")
    (tmp_path / "videos" / "text.mp4").write_text("no video")
    cut_off(tmp_path / "videos" / "-good.mp4", tmp_path / "videos" / "cut.mp4", 0.5)
    return tmp_path


def test_good_videos_are_packed_at_the_rate_and_size(folder):
    with h5py.File(pack(folder)) as file:
        assert set(file) == {"-good", "slow"}
        assert file.attrs["rate_fps"] == 8
        for video_id in file:
            assert file[video_id].shape == (16, 24, 32, 3)
            assert file[video_id].dtype == np.uint8


def test_a_packed_frame_is_the_one_of_its_time(folder):
    frames = [frame() for frame in read_frames(folder / "videos" / "-good.mp4", "decoded")]
    with FrameStore([pack(folder, FramePackSettings(8, 48))], rate_fps=8) as store:
        packed = store.read("-good", range(16))
    expected = [frames[int(k * 25 / 8)] for k in range(16)]
    np.testing.assert_array_equal(packed, expected)


def test_a_slow_video_repeats_its_frames(folder):
    with FrameStore([pack(folder)], rate_fps=8) as store:
        packed = store.read("slow", range(16))
    np.testing.assert_array_equal(packed[::2], packed[1::2])
    assert all((a != b).any() for a, b in zip(packed[::2], packed[2::2], strict=False))


def test_an_unreadable_picture_is_left_out_with_a_warning(folder, caplog, monkeypatch):
    """The file breaks off after it was looked at, so that its row says ok."""
    scan(folder_videos(folder / "videos", "train"), shards=1, folder=folder / "lists")
    probe_shard(folder / "lists" / "0.json", folder / "probe.parquet")
    (folder / "videos" / "sub" / "slow.mkv").write_bytes(b"\x1aE\xdf\xa3 torn")
    pack_frames(
        videos=folder / "lists" / "0.json",
        manifest=folder / "probe.parquet",
        settings=SETTINGS,
        previous=folder / "previous.h5",
        pack_target=folder / "pack.h5",
    )
    with h5py.File(folder / "pack.h5") as file:
        assert set(file) == {"-good"}
    assert "slow is not trained on" in caplog.text


def test_a_folder_whose_name_is_not_utf8_is_read(tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "videos") + b"/\xff"))
    make_video(tmp_path / "a.mp4", duration_s=1.0)
    odd.mkdir(parents=True)
    (tmp_path / "a.mp4").rename(odd / "a.mp4")
    with h5py.File(pack(tmp_path)) as file:
        assert file["a"].shape == (8, 24, 32, 3)


def test_the_same_videos_give_the_same_bytes(folder):
    first = pack(folder).read_bytes()
    for name in ("pack.h5", "previous.h5"):
        (folder / name).unlink()
    assert pack(folder).read_bytes() == first


def test_only_changed_videos_are_decoded_again(folder, monkeypatch):
    first = pack(folder).read_bytes()
    (folder / "pack.h5").unlink()
    decoded = []

    def read(path, *args, **options):
        decoded.append(path.stem)
        return read_frames(path, *args, **options)

    monkeypatch.setattr("avlib.media.frame_packs.read_frames", read)
    assert pack(folder).read_bytes() == first
    assert decoded == []
    make_video(folder / "videos" / "-good.mp4", duration_s=1.5)
    pack(folder)
    assert decoded == ["-good"]
    decoded.clear()
    pack(folder, FramePackSettings(4, 24))
    assert decoded == ["-good", "slow"]
