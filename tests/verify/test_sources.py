import numpy as np
import pytest
from golden.fill import rule_input

from avlib.verify.sources import picture, rule_array, sound


def test_a_rule_is_that_of_the_golden_files():
    expected = rule_input("a", (2, 3), 4, 2.0) - np.float32(5)
    np.testing.assert_array_equal(rule_array("a", [2, 3], 4, 2.0, -5.0), expected)


def test_a_rule_is_clipped_and_padded():
    plain = rule_array("a", [2, 3], 0)
    clipped = rule_array("a", [2, 3], 0, clip=[-0.5, 0.5], pad_to=5, dtype="float64")
    np.testing.assert_array_equal(clipped[:, :3], plain.clip(-0.5, 0.5))
    assert clipped.shape == (2, 5) and clipped.dtype == np.float64 and not clipped[:, 3:].any()
    np.testing.assert_array_equal(rule_array("a", [2, 3], 0, above=0.1), plain > 0.1)


def test_an_unknown_key_of_a_rule_is_an_error():
    with pytest.raises(TypeError, match="wrap"):
        rule_array("a", [2], 0, wrap=True)


def test_a_sound_is_the_sum_of_its_parts():
    parts = [{"sine": 100.0, "amplitude": 0.5}, {"impulses": [3], "amplitude": 0.25}]
    t = np.arange(50) / 1000
    expected = 0.5 * np.sin(2 * np.pi * 100 * t)
    expected[3] += 0.25
    np.testing.assert_allclose(sound(50, 1000, [parts]), expected, rtol=1e-6, atol=1e-7)
    assert sound(50, 1000, [parts, []]).shape == (2, 50)


@pytest.mark.parametrize(("rounding", "step"), [("nearest", 2), ("truncate", 1)])
def test_16_bits_round_or_truncate(rounding, step):
    part = {"impulses": [0], "amplitude": 1.6 / 32768}
    made = sound(2, 10, [[part]], int16={"times": 32768, "rounding": rounding})
    np.testing.assert_array_equal(made, np.float32([step / 32768, 0]))


def test_a_part_of_an_unknown_shape_is_an_error():
    with pytest.raises(ValueError, match="square"):
        sound(5, 10, [[{"square": 1.0, "amplitude": 1.0}]])


def test_pictures_are_numbers_of_bytes():
    ramp = picture("ramp", 4, 5, 2, count=3)
    assert ramp.shape == (3, 4, 5, 3) and ramp[1, 2, 3, 0] == 3 * 3 + 5 * 2 + 7 + 0 + 26
    waves = picture("waves", 4, 5, 0)
    assert waves.shape == (4, 5, 3) and waves.dtype == np.uint8
    with pytest.raises(ValueError, match="stripes"):
        picture("stripes", 4, 5, 0)
