"""Duration, frames and rate of a video are what its content has, whatever its headers say."""

import struct
from pathlib import Path

import numpy as np
import pytest
from media_files import make_video, run_ffmpeg

from avlib.media.probe import VideoInfo, probe_file
from avlib.media.timeline import UNKNOWN, Stamps, audio_times, video_times


def probe(path):
    return probe_file(VideoInfo("a", str(path), "test"), path)


def joined(target, *parts):
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def replaced(path, name, offset, new):
    """Write other bytes behind the first occurrence of a name in a file."""
    content = bytearray(path.read_bytes())
    start = content.index(name) + len(name) + offset
    content[start : start + len(new)] = new
    path.write_bytes(content)
    return path


def h264(path, duration_s, *options):
    return make_video(
        path, duration_s=duration_s, video_codec="libx264", options=("-bf", "2", *options)
    )


def test_recordings_that_are_joined_last_as_long_as_all_parts(tmp_path):
    parts = [h264(tmp_path / f"{k}.ts", seconds) for k, seconds in enumerate([2, 1, 2])]
    info = probe(joined(tmp_path / "a.ts", *parts))
    assert (info.status, info.frames, info.fps) == ("ok", 125, 25.0)
    assert info.duration_s == pytest.approx(5.0)
    assert info.message == "announced to last 2.0 s, its content lasts 5.0 s"


def test_joined_program_streams(tmp_path):
    codecs = {"video_codec": "mpeg2video", "audio_codec": "mp2", "options": ("-bf", "2")}
    parts = [make_video(tmp_path / f"{s}.mpg", duration_s=s, **codecs) for s in (2, 3)]
    info = probe(joined(tmp_path / "a.mpg", *parts))
    assert (info.status, info.frames, info.duration_s) == ("ok", 125, 5.0)


def test_joined_webm_files(tmp_path):
    part = make_video(
        tmp_path / "1.webm", video_codec="libvpx", audio_codec="libopus", sample_rate=48_000
    )
    info = probe(joined(tmp_path / "a.webm", part, part))
    assert (info.status, info.frames, info.duration_s) == ("ok", 100, 4.0)


@pytest.mark.parametrize("offset_s", [1, 3600, 95_000])
def test_a_clock_that_jumps(tmp_path, offset_s):
    parts = [h264(tmp_path / "1.ts", 2), h264(tmp_path / "2.ts", 2, "-output_ts_offset", offset_s)]
    for name, order in {"forward": parts, "back": parts[::-1]}.items():
        info = probe(joined(tmp_path / f"{name}.ts", *order))
        assert (info.status, info.frames) == ("ok", 100), name
        assert info.duration_s == pytest.approx(4.0), name


def test_a_clock_that_begins_anew_at_its_largest_number(tmp_path):
    info = probe(h264(tmp_path / "a.ts", 4, "-output_ts_offset", "95440"))
    assert (info.status, info.message, info.duration_s) == ("ok", "", pytest.approx(4.0))


def test_frames_at_varying_distances_are_counted_and_timed(tmp_path):
    drop = ("-vf", "select='not(mod(n,5))+gt(n,49)'", "-fps_mode", "vfr")
    for name, options in {"a.mp4": ("-bf", "2"), "a.mkv": (), "a.webm": ()}.items():
        codecs = {"video_codec": "libx264"}
        if name == "a.webm":
            codecs = {"video_codec": "libvpx", "audio_codec": "libopus", "sample_rate": 48_000}
        path = make_video(tmp_path / name, duration_s=4.0, options=(*drop, *options), **codecs)
        info = probe(path)
        assert (info.status, info.frames) == ("ok", 60), name
        assert info.duration_s == pytest.approx(4.0, abs=0.01), name
        assert info.fps == pytest.approx(15.0, abs=0.05), name


def with_time_table(path, delta):
    """Let the header of an MP4 file say how long each frame is."""
    return replaced(path, b"stts", 12, struct.pack(">I", delta))


@pytest.mark.parametrize("lie", ["time scale", "time table"])
def test_times_that_the_audio_does_not_bear_out(tmp_path, lie):
    path = h264(tmp_path / "a.mp4", 3)
    content = path.read_bytes()
    edit_list = content.index(b"edts")
    path.write_bytes(content[:edit_list] + b"free" + content[edit_list + 4 :])
    if lie == "time scale":
        replaced(path, b"mdhd", 12, struct.pack(">I", 1))
    else:
        with_time_table(path, 0x7FFFFF)
    info = probe(path)
    assert (info.status, info.duration_s, info.frames) == ("unreadable", None, None)
    assert "75 frames are announced to last" in info.message
    assert "3.0 s of audio; convert" in info.message


def test_an_avi_header_with_a_wrong_rate(tmp_path):
    path = make_video(tmp_path / "a.avi", duration_s=3, audio_codec="mp3")
    replaced(path, b"strh", 4 + 20, struct.pack("<II", 1000, 1))
    info = probe(path)
    assert info.status == "unreadable"
    assert "75 frames are announced to last 75000 s" in info.message


def test_a_jump_in_a_container_whose_clock_does_not_jump(tmp_path):
    source = make_video(tmp_path / "1.mkv", duration_s=3, video_codec="libx264")
    jump = "setts=ts=TS+gte(N\\,40)*93600/TB"
    run_ffmpeg("-i", source, "-c", "copy", "-bsf", jump, tmp_path / "a.mkv")
    info = probe(tmp_path / "a.mkv")
    assert info.status == "unreadable"
    assert "announced to last 936" in info.message


def test_pictures_that_stand_still_under_speech_are_believed(tmp_path):
    slides = ("-vf", "select='not(mod(n,300))'", "-fps_mode", "vfr")
    info = probe(make_video(tmp_path / "a.mkv", duration_s=36, options=slides))
    assert (info.status, info.frames) == ("ok", 3)
    assert info.duration_s == pytest.approx(36, abs=12)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_missing_audio_is_said(tmp_path, suffix):
    source = h264(tmp_path / "whole.ts", 6)
    lost = "noise=drop=between(pts*tb\\,3.4\\,4.9)"
    run_ffmpeg("-i", source, "-c", "copy", "-bsf:a", lost, tmp_path / f"a.{suffix}")
    info = probe(tmp_path / f"a.{suffix}")
    assert (info.status, info.duration_s) == ("ok", pytest.approx(6.0))
    assert info.message.startswith("1.5 s of the audio are missing in one place; what follows")


def test_missing_audio_is_no_jump_of_the_clock_while_the_picture_goes_on(tmp_path):
    source = h264(tmp_path / "whole.ts", 16)
    lost = "noise=drop=between(pts*tb\\,3\\,15)"
    run_ffmpeg("-i", source, "-c", "copy", "-bsf:a", lost, tmp_path / "a.ts")
    assert probe(tmp_path / "a.ts").message.startswith("12.0 s of the audio are missing")


def test_the_audio_of_a_sound_file_that_is_missing(tmp_path):
    source = make_video(tmp_path / "whole.mkv", duration_s=6, options=("-vn",))
    lost = "noise=drop=between(pts*tb\\,2\\,3.5)"
    for name in ("a.mka", "a.m4a"):
        run_ffmpeg("-i", source, "-c", "copy", "-bsf:a", lost, tmp_path / name)
        assert probe(tmp_path / name).message.startswith("1.5 s of the audio are missing"), name


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_track_of_one_frame_is_a_still(tmp_path, suffix):
    cover, video = tmp_path / "cover.png", make_video(tmp_path / "video.mp4")
    run_ffmpeg("-f", "lavfi", "-i", "color=s=80x60", "-frames:v", "1", cover)
    inputs = ("-i", cover, "-i", video)
    codecs = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "copy")
    path = tmp_path / f"cover.{suffix}"
    run_ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", *codecs, path)
    info = probe(path)
    assert (info.status, info.width, info.frames, info.duration_s) == ("ok", None, None, None)
    assert info.message == "its picture is a single frame, so only the audio is used"
    path = tmp_path / f"both.{suffix}"
    run_ffmpeg(*inputs, "-map", "0:v", "-map", "1:v", "-map", "1:a", *codecs, path)
    info = probe(path)
    assert (info.status, info.message, info.width, info.frames) == ("ok", "", 64, 50)


def stamps(dts, length=1):
    dts = np.array(dts, np.int64)
    return Stamps(np.full(len(dts), UNKNOWN), dts, np.full(len(dts), length), 0.1)


def test_jumps_are_those_of_the_command():
    clock = [0, 1, 2, 2, 1, 1, 101, 204, 3]  # ticks of a tenth of a second
    assert stamps(clock).joins(may_jump=True) == [(7, 102), (8, -202)]
    assert stamps(clock).joins(may_jump=False) == [(8, -202)]


def test_packets_without_time_stamp_are_between_their_neighbours():
    times = stamps([5, UNKNOWN, 7, UNKNOWN]).seconds([])
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.2])
    assert len(stamps([UNKNOWN, UNKNOWN]).seconds([])) == 0


def test_a_rate_that_is_announced_wrongly_is_measured():
    times = video_times(np.arange(100) / 5, 0.2, announced=30.0, guessed=30.0)
    assert (times.frames, times.is_constant, times.fps, times.rate) == (100, True, 5.0, 5.0)
    assert times.duration_s == pytest.approx(20.0)


@pytest.mark.parametrize(("guessed", "rate"), [(25.0, 25.0), (90_000.0, 30.0), (0.01, 30.0)])
def test_frames_at_varying_distances_are_numbered_at_a_usual_rate(guessed, rate):
    seconds = np.append(np.arange(50) / 25, np.arange(2, 10, 0.5))
    times = video_times(seconds, 0.5, announced=25.0, guessed=guessed)
    assert (times.is_constant, times.rate, times.longest_s) == (False, rate, 0.5)
    assert times.fps == pytest.approx(66 / 10)


def test_nothing_is_missing_where_the_picture_jumps_as_well():
    audio = stamps([0, 1, 2, 152, 153, 173])
    assert audio_times(audio, []).missing_s == pytest.approx(14.9 + 1.9)
    found = audio_times(audio, [15.2])
    assert (found.missing_s, found.seconds) == pytest.approx((1.9, 0.6))
    assert found.gaps == 1


def test_real_clips_need_no_remark(shared_data):
    for path in Path(shared_data / "clips").iterdir():
        assert probe(path).status in ("ok", "no_audio"), path.name
