import h5py
import numpy as np
import pytest

from avlib.errors import DataError
from avlib.io.embeddings import WHOLE, Embeddings, read_embeddings, write_embeddings


def some_embeddings():
    vectors = np.arange(8, dtype=np.float32).reshape(4, 2)
    crops = np.array([WHOLE, 0, 1, WHOLE])
    return Embeddings(["short", "long", "long", "écouter / 1"], crops, vectors, list("abcd"))


def test_a_file_returns_what_was_written(tmp_path):
    target = tmp_path / "embeddings.h5"
    write_embeddings(target, some_embeddings())
    found = read_embeddings(target)
    assert (found.keys, found.made_from) == (some_embeddings().keys, list("abcd"))
    np.testing.assert_array_equal(found.crops, some_embeddings().crops)
    np.testing.assert_array_equal(found.vectors, some_embeddings().vectors)


def test_rows_are_those_of_a_crop_and_of_what_needs_none():
    assert some_embeddings().rows(1) == {"short": 0, "long": 2, "écouter / 1": 3}
    assert some_embeddings().rows() == {"short": 0, "écouter / 1": 3}


def test_shards_without_clips_join_those_that_have_some():
    empty = Embeddings([], np.zeros(0, np.int64), np.zeros((0, 0), np.float32), [])
    joined = Embeddings.joined([empty, some_embeddings()])
    assert joined.keys == some_embeddings().keys
    assert joined.vectors.shape == (4, 2)


def test_the_same_rows_make_the_same_bytes(tmp_path):
    for name in "ab":
        write_embeddings(tmp_path / name, some_embeddings())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_with_columns_of_different_length_is_refused_by_name(tmp_path):
    target = tmp_path / "embeddings.h5"
    write_embeddings(target, some_embeddings())
    with h5py.File(target, "a") as file:
        del file["crop"]
        file["crop"] = [0]
    with pytest.raises(DataError, match=r"embeddings\.h5"):
        read_embeddings(target)
