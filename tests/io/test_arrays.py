import numpy as np
import pytest

from avlib.errors import DataError
from avlib.io.arrays import read_arrays, write_arrays

ARRAYS = {"rows": np.arange(6, dtype=np.int32).reshape(2, 3), "names": np.array(["ü", "-b_"])}


def test_arrays_come_back_as_written(tmp_path):
    write_arrays(ARRAYS, tmp_path / "a.npz")
    found = read_arrays(tmp_path / "a.npz")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_equal_arrays_are_equal_bytes(tmp_path):
    for name in "ab":
        write_arrays(ARRAYS, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        write_arrays({"x": np.array([None])}, tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["torn", "npy", "objects", None])
def test_another_file_is_named(tmp_path, content):
    path = tmp_path / "a.npz"
    if content == "torn":
        path.write_bytes(b"PK\x03\x04 torn")
    elif content == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif content == "objects":
        np.savez(path, x=np.array([None]))
    with pytest.raises(DataError, match=r"a\.npz: not a readable \.npz file") as error:
        read_arrays(path)
    assert "\n" not in str(error.value)
