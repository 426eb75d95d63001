import os

import pytest

from avlib.media.frame_sources import (
    expected_folder,
    frame_source,
    has_frames,
    sources_fingerprint,
)


@pytest.fixture
def images(tmp_path):
    """Two images of a video in the published layout, another's folder, a tar; the folder of all."""
    own, other = tmp_path / "P01/rgb_frames/P01_11", tmp_path / "P02_01"
    for path in (own / "frame_0000000001.jpg", own / "frame_0000000007.jpg", other / "0001.jpg"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "P03_01.tar").touch()
    return tmp_path


def test_frames_lie_in_the_published_folder_or_below_the_given_one(images):
    assert frame_source(images, "P01_11") == images / "P01/rgb_frames/P01_11"
    assert frame_source(images, "P01_11") == expected_folder(images, "P01_11")
    assert frame_source(images, "P02_01") == images / "P02_01"
    assert frame_source(images, "P03_01") == images / "P03_01.tar"
    assert frame_source(images, "P04_01") is None
    assert frame_source(images, "..") is None


def test_frames_are_known_by_their_published_names(images):
    assert has_frames(images / "P01/rgb_frames/P01_11")
    assert has_frames(images / "P03_01.tar")
    assert not has_frames(images / "P02_01")
    assert not has_frames(images / "absent")


def test_the_fingerprint_is_that_of_the_frames_of_the_videos(images):
    def fingerprint(*video_ids):
        return sources_fingerprint(images, video_ids)

    before = fingerprint("P01_11", "P02_01")
    assert fingerprint("P02_01", "P01_11", "P01_11") == before
    other = fingerprint("P02_01")
    folder = images / "P01/rgb_frames/P01_11"
    state = folder.stat()
    (folder / "frame_0000000008.jpg").touch()
    os.utime(folder, ns=(state.st_atime_ns, state.st_mtime_ns))  # as a copy may keep it
    added = fingerprint("P01_11", "P02_01")
    assert added != before
    (folder / "frame_0000000008.jpg").replace(folder / "frame_0000000007.jpg")
    assert fingerprint("P01_11", "P02_01") not in (before, added)
    assert fingerprint("P02_01") == other


def test_the_fingerprint_of_a_tar_follows_its_size_and_time(images):
    tar = images / "P03_01.tar"
    seen = {sources_fingerprint(images, ["P03_01"])}
    os.utime(tar, ns=(1, 1))
    seen.add(sources_fingerprint(images, ["P03_01"]))
    tar.write_bytes(b"more")
    os.utime(tar, ns=(1, 1))
    seen.add(sources_fingerprint(images, ["P03_01"]))
    assert len(seen) == 3
