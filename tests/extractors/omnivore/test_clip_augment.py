import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlib.extractors.omnivore.clip_augment import GREY, augment_clip, change_colours
from avlib.extractors.omnivore.recipes import ClipAugmentation

PLAIN = ClipAugmentation(area=1.0, colour=0.0, grey=0.0, covered=0.0)


def noise(shape=(3, 20, 30, 3)):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    area=st.floats(0.05, 1),
)
def test_any_picture_gives_a_clip_of_the_size_in_range(seed, height, width, area):
    rng = np.random.default_rng(seed)
    clip = augment_clip(
        noise((2, height, width, 3)), 16, rng, ClipAugmentation(area, 0.4, 0.5, 0.5)
    )
    assert clip.shape == (2, 16, 16, 3)
    assert clip.dtype == np.float32
    assert clip.min() >= 0 and clip.max() <= 255


def test_all_pictures_of_a_clip_change_alike():
    still = np.repeat(noise((1, 20, 30, 3)), 3, axis=0)
    strong = ClipAugmentation(0.2, 0.5, 0.5, 0.9)
    for seed in range(10):
        clip = augment_clip(still, 16, np.random.default_rng(seed), strong)
        assert (clip == clip[:1]).all()


def test_about_half_of_the_clips_are_mirrored():
    ramp = np.tile(np.arange(0, 240, 15, np.uint8)[:, None], (1, 16, 1, 3))
    found = set()
    for seed in range(20):
        clip = augment_clip(ramp, 16, np.random.default_rng(seed), PLAIN)
        found.add(bool(clip[:, :, :8].mean() < clip[:, :, 8:].mean()))
    assert found == {True, False}


def test_grey_clips_have_no_colour():
    clip = augment_clip(noise(), 16, np.random.default_rng(0), ClipAugmentation(1.0, 0.0, 1.0, 0.0))
    np.testing.assert_array_equal(clip[..., 0], clip[..., 1])
    np.testing.assert_array_equal(clip[..., 0], clip[..., 2])


@pytest.mark.parametrize("level", [30, 100, 200])
def test_brightness_stays_within_its_share(level):
    flat = np.full((1, 16, 16, 3), level, np.uint8)
    means = [
        (
            augment_clip(flat, 16, np.random.default_rng(s), ClipAugmentation(1, 0.2, 0, 0)) @ GREY
        ).mean()
        for s in range(50)
    ]
    assert 0.8 * level - 0.01 <= min(means) < 0.85 * level
    assert 1.15 * level < max(means) <= min(1.2 * level, 255) + 0.01


def test_a_covered_square_has_the_mean_colour():
    white = np.full((2, 20, 20, 3), 255, np.uint8)
    clip = augment_clip(white, 20, np.random.default_rng(0), ClipAugmentation(1.0, 0.0, 0.0, 1.0))
    is_covered = (clip != 255).any(axis=-1)
    share = is_covered.mean()
    assert 0.15**2 <= share <= 0.5**2
    assert len(np.unique(clip[is_covered], axis=0)) == 1


def test_colours_change_by_three_factors_in_turn():
    clip = noise().astype(np.float32)
    expected = 0.9 * clip
    mean = (expected @ GREY).mean()
    expected = mean + 1.3 * (expected - mean)
    grey = (expected @ GREY)[..., None]
    expected = grey + 0.6 * (expected - grey)
    np.testing.assert_allclose(change_colours(clip, 0.9, 1.3, 0.6), expected, atol=1e-3)
