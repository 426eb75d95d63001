import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.Image import Resampling

from avlib.extractors.rand_augment import OMNIVORE, OPERATIONS, VIDEOMAE, augment, operation
from avlib.seeds import generator
from avlib.verify.sources import picture

FILL = (124, 116, 104)


def image(height=24, width=40):
    return Image.fromarray(picture("ramp", height, width, 3, count=1)[0])


def applied(name, level=10.0, *, is_negative=False, resampling=Resampling.BILINEAR):
    op = operation(name, level, is_negative=is_negative, resampling=resampling)
    return np.asarray(augment(image(), [op], FILL))


def draws(kind, count=2000):
    for item in range(count):
        rng = generator(0, item)
        yield kind.draw(rng, rng)


@pytest.mark.parametrize(
    ("name", "level", "is_negative", "argument"),
    [
        ("Invert", 10, False, None),
        ("Rotate", 5, True, -15.0),
        ("Posterize", 7, False, 2.0),
        ("Posterize", 10, False, 0.0),
        ("Solarize", 10, False, 0.0),
        ("Solarize", 2.5, True, 192.0),
        ("SolarizeAdd", 7, False, 77.0),
        ("Color", 10, True, 1 - 0.9),
        ("Sharpness", 5, False, 1.45),
        ("ShearX", 10, True, -0.3),
        ("TranslateY", 4, False, 0.45 * 0.4),
    ],
)
def test_levels_become_arguments(name, level, is_negative, argument):
    op = operation(name, level, is_negative=is_negative, resampling=Resampling.BICUBIC)
    assert op.argument == (argument if argument is None else pytest.approx(argument))


def test_an_unknown_operation_is_named():
    with pytest.raises(ValueError, match="'Blur'; there are AutoContrast, "):
        operation("Blur", 1, is_negative=False, resampling=Resampling.BICUBIC)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_keeps_the_size_and_changes_the_picture(name):
    result = applied(name)
    assert result.shape == (24, 40, 3)
    assert not np.array_equal(result, np.asarray(image())) or name == "AutoContrast"


def test_posterising_to_no_bits_is_black():
    assert not applied("Posterize").any()


def test_solarising_at_the_highest_level_inverts():
    np.testing.assert_array_equal(applied("Solarize"), np.asarray(ImageOps.invert(image())))


def test_solarize_add_lightens_what_is_dark():
    dark = np.asarray(image()).astype(int)
    expected = np.where(dark < 128, np.minimum(dark + 110, 255), dark)
    np.testing.assert_array_equal(applied("SolarizeAdd"), expected)


def test_what_comes_from_outside_has_the_colour_of_the_fill():
    moved = applied("TranslateX", is_negative=True)
    np.testing.assert_array_equal(moved[:, :17], np.full((24, 17, 3), FILL))
    np.testing.assert_array_equal(moved[:, 18:], np.asarray(image())[:, :22])


def test_the_direction_follows_the_sign():
    assert (applied("Rotate") != applied("Rotate", is_negative=True)).any()
    assert (applied("Color") != applied("Color", is_negative=True)).any()


def test_resampling_matters_to_geometric_operations():
    assert (applied("ShearX") != applied("ShearX", resampling=Resampling.BICUBIC)).any()


def test_operations_follow_each_other():
    ops = [
        operation(name, 10, is_negative=False, resampling=Resampling.BILINEAR)
        for name in ("SolarizeAdd", "Invert")
    ]
    one = augment(image(), ops[:1], FILL)
    both = np.asarray(augment(image(), ops, FILL))
    np.testing.assert_array_equal(both, np.asarray(ImageOps.invert(one)))


def test_omnivore_always_gets_two_operations_at_the_highest_level():
    clips = list(draws(OMNIVORE))
    assert {len(ops) for ops in clips} == {2}
    assert {abs(op.argument) for ops in clips for op in ops if op.name == "Rotate"} == {30.0}
    assert all(a.resampling == b.resampling for a, b in clips)
    assert {(a.argument > 0) == (b.argument > 0) for a, b in clips if a.name == b.name == "ShearX"}


def test_every_operation_has_the_same_chance():
    names = [op.name for ops in draws(OMNIVORE) for op in ops]
    counts = np.array([names.count(name) for name in OPERATIONS])
    assert np.all(np.abs(counts - 4000 / 15) < 5 * np.sqrt(4000 / 15))


def test_signs_and_resampling_are_drawn_with_equal_chance():
    ops = [op for clip in draws(OMNIVORE) for op in clip[:1]]
    positive = np.mean([op.argument > 0 for op in ops if op.name in {"Rotate", "ShearX", "ShearY"}])
    bicubic = np.mean([op.resampling == Resampling.BICUBIC for op in ops])
    assert abs(positive - 0.5) < 0.12
    assert abs(bicubic - 0.5) < 0.06


def test_videomae_applies_each_of_four_operations_half_the_time():
    counts = np.bincount([len(ops) for ops in draws(VIDEOMAE)], minlength=5) / 2000
    np.testing.assert_allclose(counts, np.array([1, 4, 6, 4, 1]) / 16, atol=0.05)


def test_videomae_draws_each_level_about_seven():
    degrees = [abs(op.argument) for ops in draws(VIDEOMAE) for op in ops if op.name == "Rotate"]
    assert np.mean(degrees) == pytest.approx(21, abs=0.5)
    assert np.std(degrees) == pytest.approx(1.5, abs=0.4)


def test_draws_depend_on_their_generators_alone():
    first, second = (OMNIVORE.draw(generator(1, "a"), generator(1, "b")) for _ in range(2))
    assert first == second
