import faulthandler
import gc
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from media_files import cut_off, make_video, run_ffmpeg

from avlib.errors import DataError, StorageError
from avlib.media import ffmpeg, isolation
from avlib.media.clip_reader import ClipReader
from avlib.media.frames import _sent_frames, frame_numbers, read_frames


def pictures(path, mode="decoded"):
    return [frame() for frame in read_frames(path, mode)]


def opencv_pictures(path):
    capture, found = cv2.VideoCapture(str(path)), []
    while (frame := capture.read())[0]:
        found.append(cv2.cvtColor(frame[1], cv2.COLOR_BGR2RGB))
    return found


def colour_video(path, *options):
    """Write red above blue, 64 wide and 48 high."""
    red, blue = (f"color={c}:s=64x24:r=10:d=0.5" for c in ("red", "blue"))
    inputs = ["-f", "lavfi", "-i", red, "-f", "lavfi", "-i", blue]
    run_ffmpeg(*inputs, "-filter_complex", "vstack", "-c:v", "libx264", path.with_suffix(".mkv"))
    run_ffmpeg(*options, "-i", path.with_suffix(".mkv"), "-c", "copy", path)
    return path


@pytest.mark.parametrize(
    "options", [(), ("-pix_fmt", "yuv444p"), ("-colorspace", "bt709"), ("-bf", "2")]
)
def test_decoded_frames_are_those_that_opencv_reads(tmp_path, options):
    path = make_video(tmp_path / "-a b.mp4", video_codec="libx264", options=options)
    np.testing.assert_array_equal(pictures(path), opencv_pictures(path))


def test_decoded_frames_are_freed_at_once(tmp_path):
    path = make_video(tmp_path / "a.mp4", video_codec="libx264")
    gc.disable()
    try:
        for _ in _sent_frames(path, frame_numbers(path), None):
            n_frames = sum(type(found) is av.VideoFrame for found in gc.get_objects())
            assert n_frames < 10  # of 50
    finally:
        gc.enable()


def test_frames_of_odd_size_are_whole(tmp_path):
    odd = ("-vf", "scale=51:37", "-pix_fmt", "yuv420p")
    path = make_video(tmp_path / "a.mkv", audio_codec=None, video_codec="ffv1", options=odd)
    assert np.shape(pictures(path)) == (50, 37, 51, 3)


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
@pytest.mark.parametrize(
    ("options", "red"),
    [
        ((), np.s_[:20]),
        (("-display_rotation", "90"), np.s_[:, :20]),
        (("-display_rotation", "180"), np.s_[-20:]),
        (("-display_rotation", "270"), np.s_[:, -20:]),
        (("-display_vflip",), np.s_[-20:]),
        (("-display_rotation", "90", "-display_hflip"), np.s_[:, -20:]),
    ],
)
def test_pictures_are_upright(tmp_path, mode, options, red):
    picture = pictures(colour_video(tmp_path / "a.mp4", *options), mode)[2]
    assert picture.shape == ((64, 48, 3) if "90" in options or "270" in options else (48, 64, 3))
    others = np.ones(picture.shape[:2], bool)
    others[red] = False
    assert np.all(np.abs(picture[red] - np.array([255.0, 0, 0])) < 12)
    assert np.mean(picture[others][:, 0]) < 60


def test_jpeg_frames_are_those_of_the_published_command(tmp_path):
    path = make_video(tmp_path / "100%03d.avi", options=("-bf", "2"))
    subprocess.run([ffmpeg.binary(), "-i", path, tmp_path / "frame_%10d.jpg"], check=True)
    files = sorted(tmp_path.glob("*.jpg"))
    expected = [cv2.imread(str(file))[..., ::-1] for file in files]
    np.testing.assert_array_equal(pictures(path, "jpeg"), expected)
    assert files[0].name == "frame_0000000001.jpg"
    assert np.abs(expected[3].astype(float) - pictures(path)[3]).mean() > 1


def test_no_jpeg_files_stay_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    Path(tempfile.tempdir).mkdir()
    path = make_video(tmp_path / "a.mp4")
    for clip in ClipReader(path, "jpeg", np.copy, np.array([[0, 1], [2, 3]])):
        assert len(clip) == 2
        break
    gc.collect()
    assert not list(Path(tempfile.tempdir).iterdir())


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
def test_a_file_without_frames_is_named(tmp_path, mode):
    path = tmp_path / "a.wav"
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=1", path)
    with pytest.raises(DataError, match=r"a\.wav: .*(no frame|no video stream)"):
        pictures(path, mode)


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
def test_what_is_no_video_is_named(tmp_path, mode):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"a\.mp4: "):
        pictures(tmp_path / "a.mp4", mode)


def test_a_full_disk_is_no_short_video(tmp_path):
    path = make_video(tmp_path / "a.mp4", duration_s=0.5)
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "frame_0000000003.jpg").symlink_to("/dev/full")
    with pytest.raises(StorageError, match=r"frames \(set TMPDIR .*: no space is left"):
        ffmpeg.write_jpeg_frames(path, folder)
    assert (folder / "frame_0000000002.jpg").exists()


def test_frames_before_a_break_are_read(tmp_path):
    path = make_video(tmp_path / "a.ts", video_codec="mpeg2video")
    broken = cut_off(path, tmp_path / "b.ts", 0.5)
    read = pictures(broken)
    assert 10 < len(read) < 40
    np.testing.assert_array_equal(read[:10], pictures(path)[:10])


def test_damage_in_the_middle_does_not_end_the_frames(tmp_path):
    path = make_video(tmp_path / "a.ts", video_codec="mpeg2video")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    assert 40 < len(pictures(path)) <= 50


def test_clips_hold_the_frames_of_their_numbers(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    expected = pictures(path)
    numbers = np.array([[-1, 0, 3, 3], [2, 4, 9, 8], [30, 31, 40, 49]])
    reader = ClipReader(path, "decoded", np.copy, numbers)
    for clip, row in zip(reader, np.maximum(numbers, 0), strict=True):
        np.testing.assert_array_equal(clip, [expected[n] for n in row])
    assert reader.frames == 50


def test_the_last_frame_stands_in_for_those_beyond_the_end(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    last = pictures(path)[-1]
    numbers = np.array([[40, 60], [52, 55], [60, 70]])
    reader = ClipReader(path, "decoded", np.copy, numbers)
    clips = list(reader)
    assert reader.frames == 50
    np.testing.assert_array_equal(clips[0][1], last)
    np.testing.assert_array_equal(np.concatenate(clips[1:]), [last] * 4)


def brightening_video(path, codec, *options):
    """Write 6 s whose brightness is 20 + 35 t: 30 pictures a second for 1.5 s, then 5."""
    brightness = "geq=lum='20+T*35':cb=128:cr=128"
    drop = "select='lt(n,45)+not(mod(n,6))'"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=s=64x48:r=30:d=6", "-vf", f"{brightness},{drop}"),
        *("-fps_mode", "vfr", "-c:v", codec, *options, path),
    )
    return path


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.webm", "libvpx", ("-b:v", "1M")),
        ("a.mkv", "ffv1", ()),
        ("a.mp4", "libx264", ("-bf", "2")),
        ("a.ts", "mpeg2video", ("-q:v", "2")),
    ],
)
def test_frames_at_varying_distances_are_found_by_their_time(tmp_path, mode, name, codec, options):
    path = brightening_video(tmp_path / name, codec, *options)
    numbers = frame_numbers(path)
    assert (numbers.rate, numbers.is_constant, numbers.times.frames) == (30.0, False, 67)
    seconds = np.array([[0.0, 0.5, 1.0], [1.3, 2.0, 2.5], [2.6, 3.0, 3.1], [4.0, 5.0, 5.5]])
    places = np.rint(seconds * numbers.rate).astype(int)
    clips = list(ClipReader(path, mode, np.mean, places, numbers))
    newest = np.where(seconds < 1.5, seconds, np.floor(seconds * 5 + 1e-6) / 5)
    shown = (20 + 35 * newest - 16) * 255 / 219  # of limited range
    np.testing.assert_allclose(clips, shown, atol=9)  # the command is up to a frame late


def test_a_repeated_frame_is_prepared_once(tmp_path):
    path = brightening_video(tmp_path / "a.mkv", "ffv1")
    prepared = []
    reader = ClipReader(path, "decoded", lambda p: prepared.append(p), np.array([range(90, 120)]))
    assert [len(clip) for clip in reader] == [30]
    assert len(prepared) == 5


def test_lost_frames_do_not_move_what_follows(tmp_path):
    path = make_video(tmp_path / "a.mkv", video_codec="mjpeg")
    lost = "noise=drop=between(n\\,10\\,12)"
    run_ffmpeg("-i", path, "-c", "copy", "-bsf:v", lost, tmp_path / "b.mkv")
    expected, found = pictures(path), pictures(tmp_path / "b.mkv")
    assert frame_numbers(tmp_path / "b.mkv").times.frames == 47
    np.testing.assert_array_equal(found[13:], expected[13:])
    np.testing.assert_array_equal(found[10:13], [expected[9]] * 3)


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
def test_joined_recordings_have_all_their_frames(tmp_path, mode):
    path = make_video(tmp_path / "1.ts", video_codec="libx264", options=("-bf", "2"))
    (tmp_path / "a.ts").write_bytes(path.read_bytes() * 2)
    expected, found = pictures(path, mode), pictures(tmp_path / "a.ts", mode)
    assert len(found) == 100
    for part in (found[:50], found[50:]):  # how strongly JPEG compresses varies in a file
        assert np.abs(np.subtract(part, expected, dtype=float)).mean() < (
            4 * (mode == "jpeg") or 1e-9
        )


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
@pytest.mark.parametrize("name", ["a.webm", "a.mkv", "a.ts"])
def test_joined_files_show_one_part_after_the_other(tmp_path, mode, name):
    codec = "libvpx" if name == "a.webm" else "libx264"
    parts = []
    for colour in ("black", "white"):
        part = tmp_path / f"{colour}_{name}"
        picture = ["-f", "lavfi", "-i", f"color=c={colour}:s=64x48:r=25:d=2"]
        run_ffmpeg(*picture, "-c:v", codec, "-pix_fmt", "yuv420p", "-bf", "0", part)
        parts.append(part.read_bytes())
    (tmp_path / name).write_bytes(b"".join(parts))
    is_white = [picture.mean() > 128 for picture in pictures(tmp_path / name, mode)]
    assert is_white == [False] * 50 + [True] * 50


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
@pytest.mark.parametrize(("codec", "suffix"), [("h264", "mkv"), ("hevc", "mp4"), ("h264", "mp4")])
def test_what_is_cropped_is_not_seen(tmp_path, mode, codec, suffix):
    crop = f"{codec}_metadata=crop_left=6:crop_right=2:crop_top=4:crop_bottom=2"
    encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
    whole = make_video(
        tmp_path / "whole.mkv",
        duration_s=0.5,
        video_codec=encoder,
        options=("-vf", "scale=160:128", *(("-x265-params", "log-level=none") * (codec == "hevc"))),
    )
    run_ffmpeg("-i", whole, "-c", "copy", "-bsf:v", crop, tmp_path / f"a.{suffix}")
    found, expected = pictures(tmp_path / f"a.{suffix}", mode), pictures(whole, mode)
    assert found[0].shape == (122, 152, 3)
    if mode == "decoded":
        inside = [picture[4:-2, 6:-2] for picture in expected]
        assert np.abs(np.subtract(found, inside, dtype=float)).mean() < 1


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
def test_a_cover_is_no_frame_of_a_video(tmp_path, mode):
    cover, video = tmp_path / "cover.png", make_video(tmp_path / "video.mp4", duration_s=1)
    run_ffmpeg("-f", "lavfi", "-i", "color=s=80x60", "-frames:v", "1", cover)
    codecs = ("-c:v", "mpeg4", "-q:v", "1")
    run_ffmpeg("-i", cover, *codecs, tmp_path / "still.mp4")
    with pytest.raises(DataError, match=r"still\.mp4: only a still picture in the file"):
        pictures(tmp_path / "still.mp4", mode)
    path = tmp_path / "both.mp4"
    run_ffmpeg("-i", cover, "-i", video, "-map", "0:v", "-map", "1:v", *codecs, path)
    assert np.shape(pictures(path, mode)) == (25, 48, 64, 3)


def test_each_frame_is_prepared_once_and_dropped_when_no_clip_needs_it(tmp_path):
    path = make_video(tmp_path / "a.mp4", duration_s=4)
    numbers = np.arange(0, 90, 5)[:, None] + np.arange(0, 10, 2)
    alive, most = weakref.WeakSet(), 0
    prepared = []

    def prepare(picture):
        copy = picture.view(Tracked)
        alive.add(copy)
        prepared.append(copy.shape)
        return copy

    for _ in ClipReader(path, "decoded", prepare, numbers):
        most = max(most, len(alive))
    assert len(prepared) == len(np.unique(numbers))
    assert most <= 12


class Tracked(np.ndarray):
    """An array that weak references can point to and sets can hold."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


def decoded_frames_of_a_faulty_decoder(path, numbers, wanted):
    faulthandler.disable()  # pytest has it print
    yield 0.0, partial(np.zeros, (48, 64, 3), np.uint8)
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.skipif(not isolation.FORKS, reason="another process does not know the faulty decoder")
def test_a_decoder_that_dies_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.mp4", duration_s=1.0)
    isolation.stop_workers()
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "_spawn", isolation._fork)
        patch.setattr("avlib.media.frames._decoded_frames", decoded_frames_of_a_faulty_decoder)
        with pytest.raises(DataError, match=r"a\.mp4: the decoder died of SIGSEGV"):
            list(read_frames(path, "decoded"))
    assert len(list(read_frames(path, "decoded"))) == 25


@pytest.mark.parametrize("wanted", [(), {0}, {3, 4, 40}, range(30, 90), {49}, {200}])
def test_frames_that_are_not_wanted_are_counted(tmp_path, wanted):
    path = make_video(tmp_path / "a.mp4", fps="100")
    every = [frame() for frame in read_frames(path, "decoded")]
    frames = list(read_frames(path, "decoded", wanted=wanted))
    assert len(frames) == len(every) == 200
    for number in {*wanted, 199}.intersection(range(200)):
        np.testing.assert_array_equal(frames[number](), every[number])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is not limited elsewhere")
def test_many_frames_take_little_memory(tmp_path):
    path = make_video(tmp_path / "a.mp4", fps="100", duration_s=4.0)
    numbers = frame_numbers(path)
    with isolation.Worker(memory_bytes=200 << 20) as worker:
        images = list(worker.items(_sent_frames, path, numbers, None))
    assert [image.shape for image in images] == [images[0].shape] * 400
