import hashlib

import numpy as np
import pytest
import torch

from avlib.verify.comparison import compare

TABLE = np.arange(12, dtype=np.float32).reshape(3, 4)


def passes(result, **entry):
    return compare("x", entry, {"x": result}, {"golden": TABLE, "abs": np.full((3, 4), 0.5)}).passed


def test_tolerances_are_absolute_plus_relative():
    assert passes(1.5, value=1.0, abs=0.5) and not passes(1.51, value=1.0, abs=0.5)
    assert passes(110.0, value=100.0, rel=0.1) and not passes(110.1, value=100.0, rel=0.1)
    assert passes(3, value=3) and not passes(3.0000001, value=3)


def test_each_element_can_have_a_tolerance_of_its_own():
    assert passes(TABLE + 0.5, array="golden", abs={"array": "abs"})
    assert not passes(TABLE + 0.6, array="golden", abs={"array": "abs"})


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_nan_and_infinities_equal_only_themselves(special):
    table = TABLE.copy()
    table[0, 0] = special
    assert compare("x", {"array": "a", "abs": 1e9}, {"x": table}, {"a": table}).passed
    assert not compare("x", {"array": "a", "abs": 1e9}, {"x": TABLE}, {"a": table}).passed
    assert not compare("x", {"array": "a", "abs": 1e9}, {"x": table}, {"a": TABLE}).passed


def test_shapes_types_and_lengths_must_be_equal():
    assert not passes(TABLE[:2], array="golden")
    assert passes(TABLE, array="golden", dtype="float32")
    assert not passes(TABLE, array="golden", dtype="float64")
    assert not passes([1, 2], value=[1, 2, 3]) and not passes({"a": 1}, value={"a": 1, "b": 2})
    assert not passes(None, value=1.0, abs=9) and not passes("1", value=1.0)


def test_lists_and_objects_are_compared_entry_by_entry():
    golden = {"name": "a", "rows": [[1.0, "x", None], [2.0, "y", True]]}
    assert passes({"name": "a", "rows": [[1.1, "x", None], [2, "y", True]]}, value=golden, abs=0.2)
    assert not passes({"name": "a", "rows": [[1, "x", None], [2, "z", True]]}, value=golden)
    assert passes(torch.tensor([1, 2]), value=[1, 2])


def test_parts_are_taken_from_the_result():
    index = [{"start": 1}, [0, 3]]
    assert passes(TABLE, value=[[4, 7], [8, 11]], index=index)
    assert passes(TABLE, value=[10, 11], flat=True, index=[{"start": -2}])
    assert passes(TABLE, value=[0, 4, 8], index=[None, [0]], statistic="sum", axes=[1])
    assert passes(["a", "b", "c"], value=["c"], index=[[2]])


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        ("mean", 5.5),
        ("std", 3.452052529534663),
        ("std_unbiased", 3.605551275463989),
        ("sum", 66),
        ("norm", 22.494443758403985),
        ("min", 0),
        ("max", 11),
        ("shape", [3, 4]),
        ("sha256", hashlib.sha256(TABLE.astype("<f4").tobytes()).hexdigest()),
    ],
)
def test_statistics_are_taken_in_float64(statistic, value):
    assert passes(torch.from_numpy(TABLE), value=value, statistic=statistic, rel=1e-15)
    assert not passes(TABLE[:, :3], value=value, statistic=statistic) or statistic == "min"


def test_the_sum_of_sizes_and_the_hash_of_a_text():
    assert passes(-TABLE, value=66, statistic="abs_sum")
    digest = hashlib.sha256("é".encode()).hexdigest()
    assert passes("é", value=digest, statistic="sha256")


def test_half_precision_tensors_are_compared():
    assert passes(torch.tensor([0.5], dtype=torch.bfloat16), value=[0.5], dtype="bfloat16")
