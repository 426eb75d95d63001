"""Graded relevance against the plain form, given matrices, and the real tables."""

import pickle

import numpy as np
import plain_rankings as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_golden import GOLDEN, failures

from avlib.errors import DataError, UnsafePickleError
from avlib.retrieval import similarity
from avlib.retrieval.relevancy import of_matrix, read_relevancy, shared_classes

SETS = st.lists(st.frozensets(st.integers(0, 5), max_size=4), min_size=6, max_size=6)


@settings(max_examples=60)
@given(st.lists(SETS, min_size=1, max_size=3), st.lists(st.integers(0, 5), max_size=8))
def test_relevance_is_bit_equal_to_the_plain_form(groups, sentences):
    found = shared_classes(groups, np.array(sentences, dtype=np.intp))
    classes = list(zip(*groups, strict=True))
    expected = [[plain.relevance(a, classes[s]) for s in sentences] for a in classes]
    assert found.dense().tolist() == expected
    assert found.grades[0] == 0
    assert (np.diff(found.grades) > 0).all()


def test_blocks_of_rows_and_columns_are_those_of_the_matrix(monkeypatch):
    rng = np.random.default_rng(0)
    verbs = [frozenset({int(v)}) for v in rng.integers(0, 4, 30)]
    nouns = [frozenset(rng.integers(0, 6, 3).tolist()) for _ in range(30)]
    sentences = rng.integers(0, 30, 12)
    whole = shared_classes([verbs, nouns], sentences)
    matrix = whole.dense()
    monkeypatch.setattr(similarity, "CELLS", 7)
    found = shared_classes([verbs, nouns], sentences)
    np.testing.assert_array_equal(found.dense(), matrix)
    np.testing.assert_array_equal(found.grades[found.of_clips(slice(4, 9))], matrix[4:9])
    some = np.array([7, 2, 2])
    np.testing.assert_array_equal(found.grades[found.of_sentences(some)], matrix.T[some])
    kept = np.array([1, 5, 29])
    np.testing.assert_array_equal(found.subset(kept).dense(), matrix[kept])


def test_clips_of_the_same_classes_share_a_row():
    verbs = [frozenset({n % 3}) for n in range(3000)]
    found = shared_classes([verbs], np.arange(3000))
    assert found.table.shape == (3, 3)
    assert found.table.dtype == np.uint8


@pytest.mark.parametrize("values", [2, 300, 70_000])
def test_a_given_matrix_is_kept_as_it_is(values):
    rng = np.random.default_rng(values)
    matrix = rng.integers(0, values, (300, 400)) / (values - 1)
    np.testing.assert_array_equal(of_matrix(matrix).dense(), matrix)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_published_matrix_is_read(tmp_path, protocol):
    matrix = np.array([[0, 0.5, 1.0], [0.25, 0, 0]])
    path = tmp_path / "caption.pkl"
    path.write_bytes(pickle.dumps(matrix, protocol))
    np.testing.assert_array_equal(read_relevancy(path, (2, 3)).dense(), matrix)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((3, 2)), "3 clips x 2 sentences, the tables have 2 clips x 3 sentences"),
        (np.zeros(6), r"of shape \(6,\), the tables have 2 clips x 3 sentences"),
        (np.array([[0, 0, 0], [0, 1.5, 0]]), r"row 1, column 1 is 1\.5, expected .* from 0 to 1"),
        (np.array([[0, np.nan, 0], [0, 1.5, 0]]), "row 0, column 1 is nan"),
        (np.full((2, 3), "a", dtype=object), "values of type object, expected numbers"),
        ([[0, 1, 0]], "holds a list, expected an array"),
    ],
)
def test_another_matrix_is_refused_with_the_file_and_what_was_found(tmp_path, content, message):
    path = tmp_path / "verb.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=rf"verb\.pkl: .*{message}"):
        read_relevancy(path, (2, 3))


def test_a_matrix_that_would_execute_code_is_refused(tmp_path):
    class Call:
        def __reduce__(self):
            return print, ("executed",)

    path = tmp_path / "noun.pkl"
    path.write_bytes(pickle.dumps(Call()))
    with pytest.raises(UnsafePickleError, match=r"noun\.pkl: .*print"):
        read_relevancy(path, (2, 3))


@pytest.mark.slow
def test_the_real_tables_have_the_published_relevance(shared_data):
    path = GOLDEN / "retrieval/relevancy_epic_test.json"
    assert failures(path, data=shared_data) == []
