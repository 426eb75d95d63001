import pickle

import numpy as np
import pytest

from avlib.errors import DataError, UnsafePickleError
from avlib.tim.published_predictions import (
    PublishedPredictions,
    read_predictions,
    write_predictions,
)

RNG = np.random.default_rng(0)


def random_probs(n, k):
    values = RNG.random((n, k), dtype=np.float32)
    return values / values.sum(axis=1, keepdims=True)


@pytest.fixture
def predictions():
    sizes = {"verb": (3, 97), "noun": (3, 300), "action": (3, 120), "audio": (2, 44)}
    probs = {head: random_probs(*size) for head, size in sizes.items()}
    return PublishedPredictions(probs, ["P_0", "v_a_1", "ü"], ["P_0", "a_v_"])


@pytest.mark.parametrize("suffix", ["pkl", "npz"])
def test_predictions_come_back_as_written(tmp_path, predictions, suffix):
    write_predictions(predictions, tmp_path / f"p.{suffix}")
    found = read_predictions(tmp_path / f"p.{suffix}")
    assert found.visual_ids == predictions.visual_ids
    assert found.audio_ids == predictions.audio_ids
    assert found.probs.keys() == predictions.probs.keys()
    for head, probs in predictions.probs.items():
        np.testing.assert_array_equal(found.probs[head], probs)
        assert found.probs[head].dtype == np.float32


def test_the_pickle_is_the_authors_dictionary(tmp_path, predictions):
    write_predictions(predictions, tmp_path / "p.pkl")
    content = pickle.loads((tmp_path / "p.pkl").read_bytes())
    assert list(content) == [
        "verb",
        "noun",
        "action",
        "audio",
        "v_narration_ids",
        "a_narration_ids",
    ]
    assert content["v_narration_ids"].dtype == object
    assert content["v_narration_ids"].tolist() == ["v_P_0", "v_v_a_1", "v_ü"]
    assert content["a_narration_ids"].tolist() == ["a_P_0", "a_a_v_"]
    np.testing.assert_array_equal(content["action"], predictions.probs["action"])


def test_equal_predictions_are_equal_bytes(tmp_path, predictions):
    fresh = ["".join(name) for name in predictions.visual_ids]
    fortran = {head: np.asfortranarray(p) for head, p in predictions.probs.items()}
    other = PublishedPredictions(fortran, fresh, predictions.audio_ids)
    for suffix in ("pkl", "npz"):
        write_predictions(predictions, tmp_path / f"a.{suffix}")
        write_predictions(other, tmp_path / f"b.{suffix}")
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["pkl", "npz"])
def test_a_label_space_that_is_not_used_has_no_rows(tmp_path, suffix):
    path = tmp_path / f"p.{suffix}"
    write_predictions(PublishedPredictions({"action": random_probs(2, 5)}, ["x", "y"], []), path)
    found = read_predictions(path)
    assert found.probs["audio"].shape[0] == 0 and found.audio_ids == []
    assert found.probs["action"].shape == (2, 5)


def test_files_of_the_authors_with_their_oddities_are_read(tmp_path):
    """An id as an array of one text, and zeros for a label space that was not used."""
    ids = np.empty(2, dtype=object)
    ids[:] = ["a_x", np.array(["a_y"], dtype=object)]
    content = {
        "verb": np.zeros((2, 6), np.float32),
        "action": np.zeros((2, 11), np.float32),
        "audio": random_probs(2, 8),
        "v_narration_ids": np.array([], dtype=object),
        "a_narration_ids": ids,
    }
    (tmp_path / "p.pkl").write_bytes(pickle.dumps(content))
    found = read_predictions(tmp_path / "p.pkl")
    assert found.audio_ids == ["x", "y"] and found.visual_ids == []
    assert found.probs["action"].shape == (0, 11)
    np.testing.assert_array_equal(found.probs["audio"], content["audio"])


def test_predictions_without_their_query_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="action: 2 predictions for 1 queries"):
        write_predictions(
            PublishedPredictions({"action": random_probs(2, 5)}, ["x"], []), tmp_path / "p"
        )
    probs = random_probs(2, 5)
    probs[1] = np.nan
    with pytest.raises(ValueError, match="action: no prediction of y"):
        write_predictions(PublishedPredictions({"action": probs}, ["x", "y"], []), tmp_path / "p")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio": random_probs(3, 8)}, r"audio is float32 \(3, 8\), expected probabilities of 2"),
        ({"audio": np.zeros((2, 8), np.int64)}, r"audio is int64"),
        ({"audio": [1.0, 2.0]}, "'audio' is a list, expected an array"),
        ({"a_narration_ids": np.array(["a_x", "y"], dtype=object)}, "'y' does not begin with 'a_'"),
        ({"a_narration_ids": None}, "a_narration_ids"),
    ],
)
def test_another_dictionary_is_named(tmp_path, changes, message):
    content = {
        "audio": random_probs(2, 8),
        "v_narration_ids": np.array([], dtype=object),
        "a_narration_ids": np.array(["a_x", "a_y"], dtype=object),
    }
    (tmp_path / "p.pkl").write_bytes(pickle.dumps(content | changes))
    with pytest.raises(DataError, match=message) as error:
        read_predictions(tmp_path / "p.pkl")
    assert str(error.value).startswith(str(tmp_path / "p.pkl"))


def test_a_missing_key_is_named(tmp_path):
    (tmp_path / "p.pkl").write_bytes(pickle.dumps({"audio": random_probs(2, 8)}))
    with pytest.raises(DataError, match=r"no 'v_narration_ids'; the keys are \['audio'\]"):
        read_predictions(tmp_path / "p.pkl")


def test_a_pickle_that_calls_is_refused(tmp_path):
    (tmp_path / "p.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UnsafePickleError, match=r"os\.system"):
        read_predictions(tmp_path / "p.pkl")
