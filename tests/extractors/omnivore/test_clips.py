import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avlib.extractors.frames import MEAN, STD, normalise
from avlib.extractors.omnivore.clips import (
    centre_crop,
    omnivore_frames,
    omnivore_image,
    resize,
    short_side_scale,
)
from avlib.verify.sources import picture


def plain_frames(start, stop, num_frames):
    step = (stop - start - 1) / num_frames
    numbers = []
    for i in range(num_frames):
        first, last = round(step * i), round(step * (i + 1))
        numbers.append(max(start + (first + last) // 2, 1) - 1)
    return numbers


@given(start=st.integers(0, 100_000), length=st.integers(0, 1000), num_frames=st.integers(1, 64))
def test_frames_are_the_middles_of_equal_parts_one_early(start, length, num_frames):
    (numbers,) = omnivore_frames([start], [start + length], num_frames=num_frames)
    assert numbers.tolist() == plain_frames(start, start + length, num_frames)


def test_many_intervals_at_once_are_those_one_by_one():
    starts, stops = np.array([0, 6, 100]), np.array([33, 39, 101])
    together = omnivore_frames(starts, stops, num_frames=32)
    assert together.shape == (3, 32)
    for row, start, stop in zip(together, starts, stops, strict=True):
        assert row.tolist() == plain_frames(int(start), int(stop), 32)


@given(height=st.integers(8, 300), width=st.integers(8, 300), crop=st.integers(4, 64))
def test_what_the_network_sees_is_square_whatever_the_picture(height, width, crop):
    frame = picture("ramp", height, width, 0, count=1)[0]
    assert omnivore_image(frame, crop).shape == (crop, crop, 3)


def test_a_picture_of_the_right_size_is_seen_as_it_is():
    frame = picture("ramp", 32, 32, 0, count=1)[0]
    np.testing.assert_array_equal(omnivore_image(frame, 32), frame)


def test_the_short_side_decides_the_scale():
    assert short_side_scale(np.zeros((64, 48, 3), np.uint8), 24) == 0.5
    assert resize(picture("ramp", 64, 48, 0, count=1)[0], 0.5).shape == (32, 24, 3)


@pytest.mark.parametrize(("size", "first"), [(4, 0), (5, 1), (6, 1), (7, 2)])
def test_an_odd_rest_is_left_at_the_end(size, first):
    picture = np.arange(size * size * 3).reshape(size, size, 3).astype(np.uint8)
    expected = picture[first : first + 4, first : first + 4]
    np.testing.assert_array_equal(centre_crop(picture, 4), expected)


def test_normalised_clips_are_channels_first_and_centred():
    clips = torch.from_numpy(picture("ramp", 8, 10, 0, count=6)).reshape(2, 3, 8, 10, 3)
    normal = normalise(clips)
    assert normal.shape == (2, 3, 3, 8, 10)
    value = (clips[1, 2, 3, 4, 1].item() / 255 - MEAN[1]) / STD[1]
    assert normal[1, 1, 2, 3, 4].item() == pytest.approx(value, rel=1e-6)
