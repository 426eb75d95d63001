import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
from media_files import cut_off, make_video, run_ffmpeg

from avlib.media import probe as probe_module
from avlib.media.probe import VideoInfo, manifest_rows, probe_file, probe_videos
from avlib.media.scan import ScannedVideo, read_scan, scan, shard_list
from avlib.media.videos import folder_videos


def probe(path: Path) -> VideoInfo:
    return probe_file(VideoInfo("a", str(path), "test"), path)


def test_what_a_good_file_holds(tmp_path):
    info = probe(make_video(tmp_path / "a.mp4", fps="30000/1001", duration_s=2.002))
    assert (info.status, info.message) == ("ok", "")
    assert (info.width, info.height, info.frames) == (64, 48, 60)
    assert info.fps == pytest.approx(29.97, abs=0.01)
    assert info.duration_s == pytest.approx(2.002)
    assert (info.has_audio, info.audio_rate_hz, info.audio_channels) == (True, 44_100, 2)
    assert info.bytes == (tmp_path / "a.mp4").stat().st_size


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.mov", "a.ts", "A.MP4"])
def test_frames_are_counted_in_every_container(tmp_path, name):
    info = probe(make_video(tmp_path / name, audio_codec="mp2" if name == "a.ts" else "aac"))
    assert (info.status, info.frames, info.duration_s) == ("ok", 50, 2.0)


def test_a_file_without_sound(tmp_path):
    info = probe(make_video(tmp_path / "a.mp4", audio_codec=None))
    assert (info.status, info.has_audio) == ("no_audio", False)


def test_an_empty_file(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert probe(tmp_path / "a.mp4").status == "empty"


def test_a_file_that_is_no_video(tmp_path):
    (tmp_path / "a.mp4").write_text("<html>video unavailable</html>")
    info = probe(tmp_path / "a.mp4")
    assert info.status == "unreadable"
    assert "download it again" in info.message


@pytest.mark.parametrize("fraction", [0.5, 0.98])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi"])
def test_a_file_that_is_cut_off(tmp_path, name, fraction):
    codecs = {"audio_codec": "libopus", "video_codec": "libvpx"} if name == "a.webm" else {}
    whole = make_video(tmp_path / f"whole_{name}", sample_rate=48_000, **codecs)
    assert probe(whole).status == "ok"
    assert probe(cut_off(whole, tmp_path / name, fraction)).status == "truncated"


def test_a_cut_off_file_with_its_index_in_front(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", options=("-movflags", "+faststart"))
    assert probe(cut_off(whole, tmp_path / "a.mp4", 0.9)).status == "truncated"


def with_size(path, name, offset, n_bytes, change, order="big"):
    """Write another size into a header, `offset` bytes from the first occurrence of a name."""
    content = bytearray(path.read_bytes())
    start = content.index(name) + offset
    size = int.from_bytes(content[start : start + n_bytes], order) + change
    content[start : start + n_bytes] = size.to_bytes(n_bytes, order)
    path.write_bytes(content)


def test_whole_files_whose_headers_announce_more(tmp_path):
    front = ("-movflags", "+faststart")
    paths = {name: make_video(tmp_path / name) for name in ("a.avi", "a.mkv")}
    paths["a.mov"] = make_video(tmp_path / "a.mov", options=front)
    with_size(paths["a.avi"], b"RIFF", 4, 4, 5000, "little")
    with_size(paths["a.mkv"], b"\x18\x53\x80\x67", 4, 8, 4000)
    with_size(paths["a.mov"], b"mdat", -4, 4, 100_000)
    for name, path in paths.items():
        info = probe(path)
        assert (info.status, info.message, info.frames) == ("ok", "", 50), name
        assert probe(cut_off(path, tmp_path / f"cut_{name}", 0.8)).status == "truncated", name


def test_an_avi_file_that_was_written_into_a_pipe(tmp_path):
    path = tmp_path / "a.avi"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", make_video(tmp_path / "a.mp4")]
    with path.open("wb") as file:
        subprocess.run([*command, "-f", "avi", "pipe:"], stdout=file, check=True)
    info = probe(path)
    assert (info.status, info.frames, info.duration_s) == ("ok", 50, 2.0)
    assert "its content lasts 2.0 s" in info.message


@pytest.mark.parametrize("behind", [b"\r\n<!-- from a cache -->", b"GARBAGE 12" * 300, bytes(999)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_what_stands_behind_a_file_is_not_missed(tmp_path, name, behind):
    path = make_video(tmp_path / name)
    path.write_bytes(path.read_bytes() + behind)
    info = probe(path)
    assert (info.status, info.message, info.frames) == ("ok", "", 50)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "front.mp4"])
def test_a_file_is_cut_off_wherever_it_ends(tmp_path, name):
    options = ("-movflags", "+faststart") if name == "front.mp4" else ()
    path = make_video(tmp_path / name, duration_s=1, options=options)
    size = path.stat().st_size
    for n_missing in (1, 7, 8, 40, 700, 1500, 2000, size // 3):
        cut = cut_off(path, tmp_path / f"cut_{name}", (size - n_missing) / size)
        assert probe(cut).status == "truncated", n_missing


def test_a_link_to_nowhere(tmp_path):
    (tmp_path / "a.mp4").symlink_to(tmp_path / "gone.mp4")
    info = probe(tmp_path / "a.mp4")
    assert info.status == "unreadable"
    assert "No such file" in info.message


def test_a_recording_without_picture(tmp_path):
    video = make_video(tmp_path / "a.mp4", options=("-vn",))
    info = probe(video)
    assert (info.status, info.duration_s, info.fps) == ("ok", None, None)


def test_of_two_files_with_one_id_the_first_is_used(tmp_path):
    paths = [make_video(tmp_path / "x" / "a.mp4"), make_video(tmp_path / "y" / "a.mkv")]
    rows = probe_videos([ScannedVideo("a", "test", str(path)) for path in reversed(paths)])
    assert [row.status for row in rows] == ["ok", "duplicate_id"]
    assert str(paths[0]) in rows[1].message


def test_one_video_may_be_in_two_splits(tmp_path):
    path = str(make_video(tmp_path / "a.mp4"))
    rows = probe_videos([ScannedVideo("a", split, path) for split in ("train", "test")])
    assert [row.status for row in rows] == ["ok", "ok"]


@pytest.mark.parametrize("video_id", ["..", "a/b", "../a", "", "a\0b"])
def test_ids_that_would_leave_their_folder(tmp_path, video_id):
    path = str(make_video(tmp_path / "a.mp4"))
    assert probe_videos([ScannedVideo(video_id, "test", path)])[0].status == "invalid_id"


def test_a_missing_video():
    assert probe_videos([ScannedVideo("a", "test", None)])[0].status == "missing"


def test_rows_do_not_depend_on_the_order_of_the_files(tmp_path):
    rows = [replace(VideoInfo(name, name, "test"), bytes=3) for name in "cab"]
    assert manifest_rows(rows).equals(manifest_rows(sorted(rows, key=lambda row: row.video_id)))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(22_050, 1), (48_000, 2)])
def test_what_a_sound_file_holds(tmp_path, suffix, rate, channels):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.full((rate, channels), 0.1), rate)
    (row,) = probe_videos([ScannedVideo("a", "test", str(path), str(path))])
    assert (row.status, row.message, row.has_audio) == ("ok", "", True)
    assert (row.audio_rate_hz, row.audio_channels) == (rate, channels)
    assert (row.frames, row.fps, row.duration_s) == (None, None, None)
    assert manifest_rows([row])["bytes"].item() == path.stat().st_size


def test_a_cover_is_no_picture(tmp_path):
    make_video(tmp_path / "video.mp4")
    cover = ("-c:v", "png", "-frames:v", "1", "-disposition:v", "attached_pic")
    run_ffmpeg("-i", tmp_path / "video.mp4", *cover, "-c:a", "flac", tmp_path / "a.flac")
    info = probe(tmp_path / "a.flac")
    assert (info.status, info.width, info.audio_channels) == ("ok", None, 2)


def wav_with(content, *, whole=None, samples=None):
    """Return a WAV file with other sizes in the headers of the whole and of its samples."""
    at = content.index(b"data") + 4
    sizes = [None if size is None else size.to_bytes(4, "little") for size in (whole, samples)]
    whole, samples = sizes[0] or content[4:8], sizes[1] or content[at : at + 4]
    return content[:4] + whole + content[8:at] + samples + content[at + 4 :]


def test_wav_files_are_whole_that_hold_all_samples(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8001), 8_000, subtype="PCM_U8")
    content = path.read_bytes()
    whole = {
        "as written": content,
        "no byte of padding": content[:-1],
        "wrong size of the whole": wav_with(content, whole=len(content) + 8),
        "written into a pipe": wav_with(content, whole=2**32 - 1, samples=2**32 - 1),
        "by another program": wav_with(content, whole=2**31 - 1, samples=2**31 - 37),
        "something behind": content + b"LIST",
        "the header counted as samples": wav_with(content, samples=8001 + 44),
        "another size of the header": wav_with(content, whole=8001 + 72, samples=8001 + 36),
        "stopped while it was recorded": wav_with(content, whole=2**31 + 36, samples=2**31),
    }
    for what, variant in whole.items():
        path.write_bytes(variant)
        assert probe(path).status == "ok", what
    for n_bytes in (len(content) - 1000, len(content) // 2, 100):
        path.write_bytes(content[:n_bytes])
        assert probe(path).status == "truncated"


def test_real_clips(shared_data):
    clips = {path.name: probe(path) for path in (shared_data / "clips").glob("*.mp4")}
    with_sound = {name for name, info in clips.items() if info.status == "ok"}
    assert with_sound == {"v_GGSY1Qvo990.mp4", "v_ZNVhz7ctTq0.mp4"}
    assert {info.status for info in clips.values()} == {"ok", "no_audio"}
    assert clips["demo.mp4"].frames == 280
    assert clips["v_GGSY1Qvo990.mp4"].fps == pytest.approx(19.62)


def test_frames_at_varying_distances_last_as_long_as_their_timestamps(tmp_path):
    drop = ("-vf", "select='not(mod(n,3))+lt(n,20)'", "-fps_mode", "vfr")
    for name in ("a.mp4", "a.mkv"):
        info = probe(make_video(tmp_path / name, duration_s=4.0, options=drop))
        assert info.duration_s == pytest.approx(4.0, abs=0.15), name


def test_an_edit_list_shortens_the_picture(tmp_path):
    source = make_video(tmp_path / "a.mp4", duration_s=4.0)
    run_ffmpeg("-ss", "1.3", "-i", source, "-c", "copy", tmp_path / "b.mp4")
    assert probe(tmp_path / "b.mp4").duration_s == pytest.approx(2.7, abs=0.1)


def test_pipes_and_links_to_themselves_are_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "self.mp4").symlink_to(tmp_path / "self.mp4")
    videos = folder_videos(tmp_path, "test")
    assert [Path(video.path).name for video in videos] == ["pipe.mp4", "self.mp4"]
    scan(videos, shards=1, folder=tmp_path / "lists")
    rows = probe_videos(read_scan(shard_list(tmp_path / "lists", 0)))
    assert [row.status for row in rows] == ["unreadable", "unreadable"]


@pytest.mark.parametrize("rate", [1, 50])
def test_a_sample_rate_that_is_none_of_audio_is_left_out(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.zeros(3000), rate)
    info = probe(tmp_path / "a.wav")
    assert info.status == "unreadable"
    assert info.message == f"the audio has a sample rate of {rate} Hz"


def test_a_file_that_kills_the_process_costs_itself_alone(tmp_path, monkeypatch):
    paths = [make_video(tmp_path / f"{name}.mp4") for name in "abc"]
    read = probe_module.read_content

    def deadly(container, *args, **kw):
        if container.name.endswith("b.mp4"):
            os.kill(os.getpid(), signal.SIGKILL)
        return read(container, *args, **kw)

    monkeypatch.setattr(probe_module, "read_content", deadly)
    rows = probe_videos([ScannedVideo(path.stem, "test", str(path)) for path in paths])
    assert [row.status for row in rows] == ["ok", "unreadable", "ok"]
    reason = "the decoder died of SIGKILL; the memory of the machine may not suffice"
    assert rows[1].message == f"{reason}; convert the file"
