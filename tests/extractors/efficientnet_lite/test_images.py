import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from avlib.extractors.efficientnet_lite.images import centre_crop, classes, preprocess, resized


@given(height=st.integers(1, 2000), width=st.integers(1, 2000))
def test_the_crop_is_in_the_middle_and_seven_eighths_of_the_short_side(height, width):
    top, left, side = centre_crop(height, width)
    assert side == max(1, int(0.875 * min(height, width)))
    for before, size in ((top, height), (left, width)):
        assert size - side - before in (before, before - 1)
        assert 0 <= before <= size - side


def test_what_is_beyond_the_crop_does_not_count():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 90, 3), np.uint8)
    other = np.zeros_like(image)
    top, left, side = centre_crop(64, 90)
    square = (slice(top, top + side), slice(left, left + side))
    other[square] = image[square]
    np.testing.assert_array_equal(resized(image), resized(other))
    box = (left, top, left + side, top + side)
    looked_beyond = Image.fromarray(image).resize((224, 224), Image.Resampling.BICUBIC, box=box)
    assert (np.asarray(looked_beyond) != resized(image)).any()


def test_a_crop_of_the_right_size_is_not_resampled():
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    np.testing.assert_array_equal(resized(image), image[16:240, 16:240])


@pytest.mark.parametrize(("grey", "value"), [(127, 0.0), (255, 1.0), (0, -127 / 128)])
def test_grey_levels_are_scaled_to_about_one(grey, value):
    tensor = preprocess(np.full((300, 400, 3), grey, np.uint8))
    assert tensor.shape == (3, 224, 224) and tensor.dtype == np.float32
    assert (tensor == np.float32(value)).all()


def test_channels_keep_their_order():
    image = np.zeros((224, 224, 3), np.uint8)
    image[..., 0] = 255
    assert preprocess(image)[0].min() == 1.0
    assert preprocess(image)[1:].max() < 0


def test_classes_are_those_of_imagenet_in_the_order_of_the_outputs():
    digest = hashlib.sha256("\n".join(classes()).encode()).hexdigest()
    assert digest == "0b0f9fee7c952f257418d62aa701f023a9da13b443a14f5c4291e5724d92967c"
