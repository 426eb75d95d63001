import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from avlib.extractors.rand_augment import operation
from avlib.extractors.videomae.clips import augmented_square, plain_square, videomae_frames


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_frames_are_the_middles_of_equal_parts():
    rows = videomae_frames([0, 6, 10, 5, 7], [33, 39, 26, 20, 7])
    assert rows.shape == (5, 16)
    assert rows[0].tolist() == list(range(1, 33, 2))
    assert rows[2].tolist() == list(range(10, 26))
    assert (rows[3] == 5).all() and (rows[4] == 7).all()


@pytest.mark.parametrize("size", [(224, 224), (256, 456), (480, 224), (301, 233), (100, 120)])
def test_a_square_is_cut_from_the_middle_after_scaling_the_short_side(size):
    assert plain_square(picture(*size)).shape == (224, 224, 3)
    assert augmented_square(picture(*size), []).shape == (224, 224, 3)


def test_a_picture_whose_short_side_fits_is_only_cut():
    tall = picture(229, 224)
    np.testing.assert_array_equal(plain_square(tall), tall[2:226])  # 2.5 is rounded to even
    np.testing.assert_array_equal(augmented_square(tall, []), tall[2:226])


def test_augmented_pictures_are_resized_by_pillow():
    wide = picture(300, 400)
    resized = np.asarray(Image.fromarray(wide).resize((298, 224), Resampling.BILINEAR))
    np.testing.assert_array_equal(augmented_square(wide, []), resized[:, 37:261])
    assert not np.array_equal(augmented_square(wide, []), plain_square(wide))


def test_operations_come_before_the_resize():
    wide = picture(240, 320)
    operations = [operation("Invert", 7.0, is_negative=False, resampling=Resampling.BICUBIC)]
    inverted = augmented_square(255 - wide, [])
    np.testing.assert_array_equal(augmented_square(wide, operations), inverted)
