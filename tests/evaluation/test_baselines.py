import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from avlib.evaluation.baselines import majority_share, single_class, single_class_notes


def test_the_majority_share_is_the_accuracy_of_the_most_frequent_class():
    labels = np.random.default_rng(0).integers(0, 5, 40) ** 2
    items = np.zeros((40, 1))
    dummy = DummyClassifier(strategy="most_frequent").fit(items, labels)
    assert majority_share(labels) == dummy.score(items, labels)
    assert majority_share([3, 1, 3, 3]) == 0.75
    assert majority_share([]) is None


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([2, 2, 2], 2),
        ([2, -1, 2], 2),  # one item has no prediction
        ([2, 2, 1], None),
        ([2], None),
        ([2, -1], None),
        ([], None),
    ],
)
def test_a_single_class_is_one_for_all_of_several_items(predicted, expected):
    assert single_class(predicted) == expected


def test_a_model_that_predicts_one_class_is_called_that():
    predicted = {"audio": [1, 1, -1, 1], "visual": [0, 1, 1, 1]}
    (note,) = single_class_notes(predicted, ["dog", "background"], "test segments")
    assert note.startswith("audio: the model predicts one class, 'background', for all 3 test seg")
    assert note.endswith(".")
