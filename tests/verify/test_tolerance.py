import numpy as np
import pytest

from avlib.verify.golden import compare
from avlib.verify.tolerance import DEFAULT, EXACT, Tolerance, find_tolerance

TWO = {"warp": "flow: abs 1e-4 + rel 1e-5; out: abs 1e-3 (amplified float32 solve)"}


@pytest.mark.parametrize(
    "source, expected",
    [
        ({"tolerance": 1e-6}, Tolerance(1e-6, 1e-6)),
        ({"tolerance": 0}, EXACT),
        ({"tolerance": "exact"}, EXACT),
        ({"tolerance_abs": 1e-5}, Tolerance(1e-5, 0)),
        ({"tolerance_rel": 1e-12}, Tolerance(0, 1e-12)),
        ({"tolerance": "abs 2e-5 + rel 1e-5"}, Tolerance(2e-5, 1e-5)),
        ({"tolerance": "rel 1e-6 when run in float64"}, Tolerance(0, 1e-6)),
        ({"tolerance": "absolute 2e-4 dB"}, Tolerance(2e-4, 0)),
        ({"tolerance": "1e-5 absolute and relative"}, Tolerance(1e-5, 1e-5)),
        ({"tolerance": "2e-5 absolute"}, Tolerance(2e-5, 0)),
        ({"tolerance": "1e-6"}, Tolerance(1e-6, 1e-6)),
        ({"tolerance": {"abs": 1e-5}}, Tolerance(1e-5, 0)),
        ({"tolerance": {"out": 1e-3, "probs": "abs 1e-5"}}, Tolerance(1e-3, 1e-3)),
        ({"tolerance": {"probs": "abs 1e-5"}}, DEFAULT),
        ({}, DEFAULT),
        ({"tolerance": TWO}, Tolerance(1e-3, 0)),
    ],
)
def test_tolerances_are_read_in_all_their_forms(source, expected):
    assert find_tolerance((source,), ("warp", "out")) == expected


def test_a_clause_belongs_to_the_array_it_names():
    assert find_tolerance(({"tolerance": TWO},), ("warp", "flow")) == Tolerance(1e-4, 1e-5)


def test_the_first_source_that_has_a_tolerance_counts():
    assert find_tolerance(({}, {"tolerance_abs": 1}, {"tolerance": 2}), ("x",)) == Tolerance(1, 0)


def test_differences_are_the_largest_ones():
    result = compare("x", [1.0, 2.1, -4.0], [1.0, 2.0, -4.0], Tolerance(0.0, 0.1))
    assert result.passed
    assert result.absolute == pytest.approx(0.1) and result.relative == pytest.approx(0.05)
    assert not compare("x", [1.0, 2.1], [1.0, 2.0], Tolerance(0.01, 0.01)).passed


@pytest.mark.parametrize("result", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_equals_only_itself(result):
    tolerance = Tolerance(1.0, 1.0)
    assert compare("x", [result], [result], tolerance).passed
    assert not compare("x", [result], [0.5], tolerance).passed
    assert not compare("x", [0.5], [result], tolerance).passed
