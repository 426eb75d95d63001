import gc
import subprocess
import tempfile
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_files import cut_off, make_video, run_ffmpeg

from avlib.errors import DataError, StorageError
from avlib.media import ffmpeg
from avlib.media.frames import ClipReader, read_frames


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
