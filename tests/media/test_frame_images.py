import io
import os
import tarfile

import cv2
import numpy as np
import pytest
from frame_files import image, pack_tar, write_frames
from media_files import make_video

from avlib.errors import DataError
from avlib.io.packs import FrameStore
from avlib.io.tables import write_table
from avlib.media import ffmpeg
from avlib.media.clip_reader import ClipReader
from avlib.media.frame_images import decode_jpeg, open_images
from avlib.media.frame_packs import FramePackSettings, pack_frames
from avlib.media.frame_sources import frame_sources
from avlib.media.frames import read_frames
from avlib.media.probe import VideoInfo, manifest_rows, probe_file, probe_videos
from avlib.media.scan import ScannedVideo, content_hash, fingerprint, read_scan, scan, shard_list
from avlib.media.tables import MANIFEST
from avlib.media.videos import Video


@pytest.fixture
def folder(tmp_path):
    return write_frames(tmp_path / "P01" / "rgb_frames" / "P01_01")


def probe(path, fps=50.0):
    return probe_file(VideoInfo("P01_01", str(path), "train"), path, fps=fps)


@pytest.mark.parametrize("prefix", ["", "./", "P01_01/", "./P01_01/"])
def test_a_tar_has_the_images_of_its_folder(tmp_path, folder, prefix):
    tar = pack_tar(folder, tmp_path / "P01_01.tar", prefix)
    ours, theirs = ([frame() for frame in read_frames(path, "jpeg")] for path in (tar, folder))
    assert len(ours) == 40
    np.testing.assert_array_equal(ours, theirs)


def test_an_image_is_what_opencv_reads_in_rgb(folder):
    images = open_images(folder)
    expected = cv2.imread(images.name(7))[:, :, ::-1]
    np.testing.assert_array_equal(images.image(7), expected)


def test_the_frames_of_a_video_as_files_are_those_of_its_jpeg_mode(tmp_path):
    video = make_video(tmp_path / "a.mp4", duration_s=1)
    (tmp_path / "a").mkdir()
    ffmpeg.write_jpeg_frames(video, tmp_path / "a", name="frame_%010d.jpg", rate=None, stream=None)
    ours = [frame() for frame in read_frames(tmp_path / "a", "jpeg")]
    np.testing.assert_array_equal(ours, [frame() for frame in read_frames(video, "jpeg")])


def test_images_are_found_in_all_published_places(tmp_path):
    for place in ("P01/rgb_frames/P01_01", "P02_05", "rgb_frames/P03_07"):
        write_frames(tmp_path / place, range(1, 3))
    pack_tar(tmp_path / "P02_05", tmp_path / "P04_9.tar")
    pack_tar(tmp_path / "P02_05", tmp_path / "P02_05.tar")  # its folder comes first
    ids = ["P01_01", "P02_05", "P03_07", "P04_9", "P05_01", "../P02_05", "rgb_frames"]
    found = frame_sources(tmp_path, ids)
    assert {v: os.path.relpath(path, tmp_path) for v, path in found.items()} == {
        "P01_01": "P01/rgb_frames/P01_01",
        "P02_05": "P02_05",
        "P03_07": "rgb_frames/P03_07",
        "P04_9": "P04_9.tar",
        "rgb_frames": "rgb_frames",  # a folder of this name; probing finds no frames in it
    }
    assert probe(tmp_path / "rgb_frames").status == "unreadable"


def test_a_probed_folder_and_tar_tell_frames_rate_and_size(tmp_path, folder):
    for path in (folder, pack_tar(folder, tmp_path / "P01_01.tar")):
        row = probe(path)
        assert (row.frames, row.fps, row.duration_s) == (40, 50.0, 0.8)
        assert (row.width, row.height, row.has_audio) == (40, 24, False)
        assert (row.status, row.content_hash) == ("no_audio", content_hash(path))
        assert "`sound`" in row.message
    assert probe(folder).bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert probe(folder, fps=None).duration_s is None


def remove_two(folder):
    for number in (12, 30):
        (folder / f"frame_{number:010d}.jpg").unlink()


def count_from_zero(folder):
    write_frames(folder, [0])


def break_the_first(folder):
    path = folder / "frame_0000000001.jpg"
    path.write_bytes(path.read_bytes()[:-40])


def empty(folder):
    for path in folder.iterdir():
        path.rename(path.with_suffix(".jpeg"))


@pytest.mark.parametrize(
    ("damage", "status", "message"),
    [
        (remove_two, "incomplete", "2 of 40 frames are missing, frame 12 the first"),
        (count_from_zero, "unreadable", "counted from 0"),
        (break_the_first, "unreadable", "frame_0000000001.jpg: not a whole JPEG file"),
        (empty, "unreadable", "no frame_0000000001.jpg in it"),
    ],
)
@pytest.mark.parametrize("as_tar", [False, True])
def test_what_is_wrong_with_images_is_said(tmp_path, folder, damage, status, message, as_tar):
    damage(folder)
    path = pack_tar(folder, tmp_path / "P01_01.tar") if as_tar else folder
    row = probe(path)
    assert row.status == status
    assert message in row.message


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.5, 0.9])
def test_a_tar_that_is_cut_off_is_unreadable_wherever_it_is_cut(tmp_path, folder, kept):
    tar = pack_tar(folder, tmp_path / "P01_01.tar")
    content = tar.read_bytes()
    with tarfile.open(tar) as file:
        ends = [m.offset for m in file.getmembers()]
    exact = ends[int(kept * len(ends))]  # between two members, and within one
    for size in (exact, exact + 100, exact + 700):
        tar.write_bytes(content[:size])
        assert probe(tar).status == "unreadable", size


@pytest.mark.parametrize("content", [b"", b"no tar" * 500, b"\x1f\x8b" + bytes(2000)])
def test_what_is_no_tar_is_unreadable(tmp_path, content):
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    row = probe(path)
    assert row.status == "unreadable"
    assert "a.tar" in row.message


def add(tar, name, content=b"", **changes):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in changes.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


def jpeg(number):
    return cv2.imencode(".jpg", image(number))[1].tobytes()


def test_names_that_lead_out_of_a_tar_and_links_are_no_frames(tmp_path):
    secret = write_frames(tmp_path / "secret", [3]) / "frame_0000000003.jpg"
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "frame_0000000001.jpg", jpeg(1))
        add(tar, "frame_0000000002.jpg", jpeg(2))
        add(tar, "../frame_0000000003.jpg", jpeg(3))
        add(tar, str(secret), jpeg(3))
        add(tar, "frame_0000000003.jpg", type=tarfile.SYMTYPE, linkname=str(secret))
        add(tar, "frame_0000000004.jpg", type=tarfile.LNKTYPE, linkname="../secret")
        add(tar, "frame_0000000005.jpg", type=tarfile.FIFOTYPE)
        add(tar, "notes.txt", b"of the camera")
    images = open_images(tmp_path / "a.tar")
    assert images.count == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "secret"]


def test_a_tar_of_two_videos_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "P01_01/frame_0000000001.jpg", jpeg(1))
        add(tar, "P01_02/frame_0000000002.jpg", jpeg(2))
    with pytest.raises(DataError, match="two folders, P01_01 and P01_02"):
        open_images(tmp_path / "a.tar")


def test_of_an_image_that_was_added_twice_the_last_one_counts(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "frame_0000000001.jpg", jpeg(1))
        add(tar, "frame_0000000001.jpg", jpeg(9))
    images = open_images(tmp_path / "a.tar")
    assert images.read(1) == jpeg(9)


@pytest.mark.parametrize(
    "content",
    [b"", jpeg(1)[:-2], jpeg(1)[:300], b"GIF89a" + jpeg(1), cv2.imencode(".png", image(1))[1]],
)
def test_an_image_that_is_not_whole_or_of_another_format_is_refused(content):
    with pytest.raises(DataError, match=r"^a\.jpg: not a whole JPEG file"):
        decode_jpeg(bytes(content), "a.jpg")


def test_a_named_pipe_among_the_images_does_not_block(folder):
    pipe = folder / "frame_0000000003.jpg"
    pipe.unlink()
    os.mkfifo(pipe)
    images = open_images(folder)
    with pytest.raises(DataError, match="not a regular file"):
        images.image(3)


def test_only_the_images_of_clips_are_read(folder):
    (folder / "frame_0000000002.jpg").write_bytes(b"broken")
    reader = ClipReader(folder, "decoded", lambda frame: frame, np.array([[0, 2], [3, 99]]))
    clips = list(reader)
    images = open_images(folder)
    np.testing.assert_array_equal(clips[0], [images.image(1), images.image(3)])
    np.testing.assert_array_equal(clips[1], [images.image(4), images.image(40)])
    assert reader.frames == 40


def test_a_fingerprint_follows_names_sizes_and_content(tmp_path, folder):
    same = write_frames(tmp_path / "copy")
    assert content_hash(same) == content_hash(folder)
    seen = {content_hash(folder)}
    (folder / "frame_0000000017.jpg").write_bytes(jpeg(17) + b"!")
    seen.add(content_hash(folder))
    write_frames(folder, [41])
    seen.add(content_hash(folder))
    assert len(seen) == 3


def test_a_tar_that_is_packed_anew_has_another_fingerprint(tmp_path, folder):
    tar = pack_tar(folder, tmp_path / "a.tar")
    before = content_hash(tar)
    os.utime(tar, ns=(1, 1))
    assert content_hash(tar) != before


def test_a_list_of_images_has_their_rate_and_a_changed_one_another_fingerprint(tmp_path, folder):
    video = Video("P01_01", "train", str(folder), fps=50.0)
    first = scan([video], shards=1, folder=tmp_path / "lists")
    (row,) = read_scan(shard_list(tmp_path / "lists", 0))
    assert (row.fps, row.content_hash) == (50.0, content_hash(folder))
    assert scan([video], shards=1, folder=tmp_path / "lists") == first
    write_frames(folder, [41])
    assert scan([video], shards=1, folder=tmp_path / "lists") != first
    (info,) = probe_videos([row])
    assert (info.frames, info.duration_s, info.status) == (41, 0.82, "no_audio")


def test_the_rate_of_images_counts_and_that_of_videos_is_none():
    video, images = ScannedVideo("a", "train", "a"), ScannedVideo("a", "train", "a", fps=50.0)
    assert fingerprint([images]) != fingerprint([video])


def test_small_frames_are_made_of_images_at_their_rate(tmp_path, folder):
    rows = manifest_rows([probe(folder), probe(folder, fps=None)])
    rows["video_id"], rows["status"] = ["known", "unknown"], "ok"
    write_table(rows, tmp_path / "manifest.parquet", MANIFEST)
    videos = [Video(v, "train", str(folder)) for v in ("known", "unknown")]
    scan(videos, shards=1, folder=tmp_path / "lists")
    pack_frames(
        videos=shard_list(tmp_path / "lists", 0),
        manifest=tmp_path / "manifest.parquet",
        settings=FramePackSettings(rate_fps=10, short_side=12),
        previous=tmp_path / "previous.h5",
        pack_target=tmp_path / "pack.h5",
    )
    with FrameStore([tmp_path / "pack.h5"], rate_fps=10) as frames:
        assert "unknown" not in frames
        assert frames.read("known", range(8)).shape == (8, 12, 20, 3)
        seen = frames.read("known", [1])[0].mean()
    images = open_images(folder)
    expected = images.image(6).mean()  # shown after 0.1 s
    assert seen == pytest.approx(expected, abs=0.5)
