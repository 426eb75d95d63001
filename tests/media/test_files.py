import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from media_files import make_video, run_ffmpeg

from avlib.errors import DataError
from avlib.io.tables import read_table
from avlib.media.ffmpeg import command_waveform
from avlib.media.files import check_regular, open_media
from avlib.media.frames import read_frames
from avlib.media.probe import VideoInfo, probe_file, probe_shard
from avlib.media.scan import scan
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings
from avlib.media.tables import MANIFEST
from avlib.media.videos import Video, folder_videos


def make_irregular(path: Path, kind: str) -> Path:
    """Put something in a file's place that is no regular file."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to nowhere":
        path.symlink_to(path.parent / "gone")
    elif kind == "link to a pipe":
        os.mkfifo(path.parent / "pipe")
        path.symlink_to(path.parent / "pipe")
    elif kind == "device":
        path.symlink_to("/dev/zero")
    return path


KINDS = ["pipe", "folder", "link to nowhere", "link to a pipe", "device"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_opened(tmp_path, kind):
    path = make_irregular(tmp_path / "a.mp4", kind)
    with pytest.raises(DataError, match=r"a\.mp4: (not a regular file|No such file)"):
        check_regular(path)
    for mode in ("decoded", "jpeg"):
        with pytest.raises(DataError, match=r"a\.mp4"):
            next(read_frames(path, mode))


@pytest.mark.parametrize("kind", KINDS)
def test_what_became_irregular_after_the_scan_is_left_out(tmp_path, kind):
    """The scan has taken its hash, so that nothing else would look at the file first."""
    path = make_irregular(tmp_path / "a.mp4", kind)
    row = probe_file(VideoInfo("a", str(path), "test"), path, known_hash="0" * 32)
    assert row.status == "unreadable"
    said = ("not a regular file", "No such file", "no frame_0000000001.jpg in it")
    assert any(reason in row.message for reason in said)


@pytest.mark.parametrize("kind", KINDS)
def test_irregular_files_in_place_of_audio_are_left_out(tmp_path, kind):
    good = make_video(tmp_path / "videos" / "a.mp4")
    make_video(tmp_path / "videos" / "b.mp4")
    videos = folder_videos(tmp_path / "videos", "test")
    wav = make_irregular(tmp_path / "a.wav", kind)
    videos = [Video(v.video_id, v.split, v.path, str(wav)) for v in videos[:1]] + videos[1:]
    manifest = pack(videos, tmp_path)
    assert manifest["status"].to_dict() in (
        {"a": "unreadable", "b": "ok"},
        {"a": "no_audio", "b": "ok"},
    )
    assert good.exists()


def pack(videos, folder):
    scan(videos, shards=1, folder=folder / "lists")
    probe_shard(folder / "lists" / "0.json", folder / "probe.parquet")
    pack_waveforms(
        videos=folder / "lists" / "0.json",
        manifest=folder / "probe.parquet",
        settings=SoundSettings(16_000, "ffmpeg"),
        previous=folder / "previous.h5",
        pack_target=folder / "pack.h5",
        manifest_target=folder / "manifest.parquet",
    )
    return read_table(folder / "manifest.parquet", MANIFEST).set_index("video_id")


def test_streams_that_appear_late_stop_nothing(tmp_path):
    make_video(tmp_path / "both.flv", duration_s=3, video_codec="flv1")
    tone = ["-f", "lavfi", "-i", "sine=r=44100:d=12", "-c:a", "aac", "-ac", "2"]
    run_ffmpeg(*tone, tmp_path / "sound.flv")
    video = tmp_path / "videos" / "a.flv"
    video.parent.mkdir()
    tags = (tmp_path / "both.flv").read_bytes()[13:]  # behind the header
    video.write_bytes((tmp_path / "sound.flv").read_bytes() + tags)
    manifest = pack(folder_videos(video.parent, "test"), tmp_path)
    assert manifest["status"]["a"] == "ok"
    samples = np.concatenate(list(command_waveform(video, sample_rate=16_000, channels=1)))
    with h5py.File(tmp_path / "pack.h5") as file:
        np.testing.assert_array_equal(file["a"][:] * 32_768, samples)
    assert len(samples) == pytest.approx(15 * 16_000, abs=3200)


@pytest.mark.parametrize("name", ["rec:12.30", "http:", "concat:a|b", "pipe:0", "%03d", "file:x"])
def test_names_are_never_addresses(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / name / "a.mp4")
    manifest = pack(folder_videos(Path(name), "test"), Path("out"))
    assert manifest["status"].to_dict() == {"a": "ok"}
    with h5py.File("out/pack.h5") as file:
        assert len(file["a"]) == pytest.approx(32_000, abs=1500)
    with open_media(Path(name) / "a.mp4") as container:
        assert len(container.streams.video) == 1
