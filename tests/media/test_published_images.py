import os

import pytest

from avlib.media.published_images import image_folder, image_numbers, images_fingerprint


@pytest.fixture
def images(tmp_path):
    """Two images of a recording in the published layout, and one of another; the folder of all."""
    own, other = tmp_path / "P01/rgb_frames/P01_11", tmp_path / "P02_01"
    for path in (own / "frame_0000000001.jpg", own / "frame_0000000007.jpg", other / "0001.jpg"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_images_lie_in_the_published_folder_or_below_the_given_one(images):
    assert image_folder(images, "P01_11") == images / "P01/rgb_frames/P01_11"
    assert image_folder(images, "P02_01") == images / "P02_01"
    assert image_folder(images, "P03_01") is None
    assert image_folder(images, "..") is None
    (images / "P03_01.tar").touch()
    assert image_folder(images, "P03_01") is None


def test_images_are_counted_by_their_published_names(images):
    assert sorted(image_numbers(images / "P01/rgb_frames/P01_11")) == [1, 7]
    assert list(image_numbers(images / "P02_01")) == []
    assert list(image_numbers(images / "absent")) == []


def test_the_fingerprint_is_that_of_the_images_of_the_recordings(images):
    def fingerprint(*recordings):
        return images_fingerprint(images, recordings)

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
