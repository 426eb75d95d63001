"""Which frames EgoVLP sees, and what it sees of each."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from avlib.errors import DataError
from avlib.extractors.egovlp.frames import filled, frame_indices, seen, timed_frames
from avlib.extractors.frames import MEAN, STD

SPANS = st.tuples(st.integers(0, 10_000), st.integers(0, 2_000))


@given(st.integers(1, 32), SPANS)
def test_frames_lie_in_order_within_the_clip_but_for_the_one_before_it(num_frames, span):
    start, end = span[0], span[0] + span[1]
    found = frame_indices(num_frames, start, end)
    assert len(found) == min(num_frames, end)
    assert found == sorted(found)
    assert all(start - 1 <= index <= end for index in found)


def test_a_long_clip_is_seen_in_the_middle_of_its_parts():
    assert frame_indices(4, 100, 500) == [149, 249, 349, 449]


def test_a_clip_of_no_length_repeats_the_frame_before_it():
    assert frame_indices(3, 7, 7) == [6, 6, 6]


def test_times_are_counted_at_30_hz_and_cut():
    assert timed_frames(0.99, 2.05) == (29, 61)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (360, 202), (256, 256), (301, 533)])
def test_a_frame_is_seen_as_published(height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    short, long = min(height, width), int(256 * max(height, width) / min(height, width))
    size = (256, long) if height == short else (long, 256)
    x = F.interpolate(x, size, mode="bilinear", align_corners=False)
    top, left = (round((side - 256) / 2) for side in size)
    x = x[..., top : top + 256, left : left + 256]
    x = F.interpolate(x, (224, 224), mode="bilinear", align_corners=False)[0]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    torch.testing.assert_close(seen(image, 224), (x - mean) / std)


def test_a_frame_as_flat_as_a_line_is_refused():
    with pytest.raises(DataError, match="a frame of 4000 x 8 pixels"):
        seen(np.zeros((8, 4000, 3), np.uint8), 224)


def test_missing_frames_are_zeros_after_the_others():
    frames = torch.ones(2, 3, 4, 4)
    assert filled(frames, 4).sum(dim=(1, 2, 3)).tolist() == [48, 48, 0, 0]
    assert torch.equal(filled(frames, 2), frames)
