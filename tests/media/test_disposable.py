import numpy as np
import pytest
from media_files import cut_off, damage, make_video, run_ffmpeg

from avlib.media import frames
from avlib.media.disposable import PassedFrames
from avlib.media.frames import frame_numbers


def expanded(items):
    """Return the image of each frame, None for those that are counted alone."""
    found, image = [], None
    for item in items:
        if isinstance(item, int):
            found += [None] * item
        else:
            image = image if item is None else item
            found.append(image)
    return found


def compare(path, wanted):
    """Check that wanted frames are the same when others are passed over."""
    numbers = frame_numbers(path)
    plain = expanded(frames._items(path, numbers, wanted, passes=False))
    found = expanded(frames._sent_frames(path, numbers, wanted))
    assert [image is None for image in found] == [image is None for image in plain]
    for own, other in zip(plain, found, strict=True):
        if own is not None:
            np.testing.assert_array_equal(own, other)


@pytest.fixture
def passed(monkeypatch):
    """Times of the packets that are passed over."""
    noted = []
    passes = PassedFrames.passes

    def noting(self, packet):
        is_passed = passes(self, packet)
        noted.extend([packet.pts] * is_passed)
        return is_passed

    monkeypatch.setattr(PassedFrames, "passes", noting)
    return noted


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A film with frames that others need and frames that none needs."""
    folder = tmp_path_factory.mktemp("video")
    plain = make_video(folder / "a.mp4", duration_s=4.0, audio_codec=None)
    target = folder / "b.mp4"
    options = ["-c:v", "libx264", "-bf", "3", "-b_strategy", "0", "-g", "40"]
    run_ffmpeg("-i", plain, *options, target)
    return target


@pytest.mark.parametrize(
    "wanted", [range(12, 100, 25), range(0, 100, 7), {3}, {99}, (), {50, 51, 200}, range(100)]
)
def test_wanted_frames_are_the_same_where_others_are_passed_over(video, passed, wanted):
    compare(video, frozenset(wanted))
    assert (len(passed) > 20) == (len(wanted) < 50)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_other_forms_are_decoded_whole(tmp_path, passed, codec, video):
    target = tmp_path / ("a.mp4" if codec == "mpeg4" else "a.ts")
    run_ffmpeg("-i", video, "-c:v", codec, "-bf", "2", target)
    compare(target, frozenset({12, 37}))
    assert not passed


def test_a_film_that_breaks_off_ends_with_its_last_frame(video, tmp_path):
    whole = tmp_path / "whole.mkv"
    run_ffmpeg("-i", video, "-c", "copy", whole)
    for fraction in (0.5, 0.6, 0.7, 0.8):
        broken = cut_off(whole, tmp_path / f"{fraction}.mkv", fraction)
        compare(broken, frozenset(range(12, 100, 25)))


def test_damaged_films_give_as_many_frames(video, tmp_path):
    copy = tmp_path / "c.mp4"
    copy.write_bytes(video.read_bytes())
    compare(damage(copy), frozenset(range(12, 100, 25)))
