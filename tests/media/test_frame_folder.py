import numpy as np
import pytest
from media_files import make_video
from PIL import Image

from avlib.errors import DataError
from avlib.media.frame_folder import FrameFolder, read_jpeg, write_frames


def test_a_video_becomes_eight_pictures_a_second_in_its_own_size(tmp_path):
    video = make_video(tmp_path / "-a b%d_.mp4", duration_s=2.0, fps="25")
    folder = tmp_path / "frames %d"
    folder.mkdir()
    write_frames(video, folder)
    names = sorted(path.name for path in folder.iterdir())
    assert names[:2] == ["000001.jpg", "000002.jpg"]
    pictures = FrameFolder(folder)
    assert 16 <= len(pictures) == len(names) <= 18
    assert pictures[0].shape == (48, 64, 3) and pictures[0].dtype == np.uint8


@pytest.mark.parametrize("suffix", ["webm", "mkv"])
def test_joined_files_become_pictures_of_both_parts(tmp_path, suffix):
    codec = {"webm": "libvpx", "mkv": "libx264"}[suffix]
    part = make_video(tmp_path / f"1.{suffix}", video_codec=codec, audio_codec=None)
    (tmp_path / f"a.{suffix}").write_bytes(part.read_bytes() * 2)
    (tmp_path / "frames").mkdir()
    write_frames(tmp_path / f"a.{suffix}", tmp_path / "frames")
    assert 32 <= len(FrameFolder(tmp_path / "frames")) <= 34


def test_pictures_are_rgb_and_sorted_by_name(tmp_path):
    for number, colour in ((10, (250, 10, 10)), (2, (10, 10, 250))):
        Image.new("RGB", (32, 24), colour).save(tmp_path / f"{number:06d}.jpg", quality=95)
    (tmp_path / "notes.txt").write_text("no picture")
    blue, red = FrameFolder(tmp_path)
    assert abs(red[12, 16].astype(int) - (250, 10, 10)).max() < 8
    assert abs(blue[12, 16].astype(int) - (10, 10, 250)).max() < 8
    assert np.array_equal(FrameFolder(tmp_path)[1:][0], red)
    assert np.array_equal(FrameFolder(tmp_path)[-1], red)


def test_a_grey_picture_has_three_channels(tmp_path):
    Image.new("L", (8, 8), 77).save(tmp_path / "000001.jpg")
    assert FrameFolder(tmp_path)[0].shape == (8, 8, 3)


def test_what_is_no_picture_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no \.jpg file"):
        FrameFolder(tmp_path)
    (tmp_path / "000001.jpg").write_bytes(b"\xff\xd8 half")
    with pytest.raises(DataError, match=r"000001\.jpg: not a readable"):
        FrameFolder(tmp_path)[0]
    sound = tmp_path / "sound.mp4"
    sound.write_bytes(b"nothing")
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=r"sound\.mp4"):
        write_frames(sound, tmp_path / "out")


def test_no_other_format_is_tried_whatever_the_name(tmp_path):
    path = tmp_path / "frame_0000000001.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    with pytest.raises(DataError, match="not a readable JPEG file"):
        read_jpeg(path)
    Image.new("RGB", (2, 2)).save(path, "PNG")
    with pytest.raises(DataError, match="not a readable JPEG file"):
        read_jpeg(path)
