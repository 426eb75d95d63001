import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from avlib.soundtracks.metrics import over_folds, prediction_metrics, sound_metrics


def drawn(num_classes, n=200):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, n)
    return 2 * rng.standard_normal((n, num_classes)) + 2 * np.eye(num_classes)[labels], labels


def test_predictions_are_counted_by_class():
    found = prediction_metrics([0, 1, 1, -1, 2], [0, 0, 1, 1, 2], 4)
    assert found["accuracy"] == 3 / 5
    assert found["per_class"] == [0.5, 0.5, 1.0, None]
    assert found["mean_class_accuracy"] == pytest.approx(2 / 3)
    assert found["majority_share"] == 2 / 5
    assert found["confusion"] == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_the_metrics_are_those_of_other_programs():
    scores, labels = drawn(7)
    found, predicted = sound_metrics(scores, labels), scores.argmax(axis=1)
    assert found["accuracy"] == (predicted == labels).mean()
    assert found["top5"] == top_k_accuracy_score(labels, scores, k=5)
    expected = balanced_accuracy_score(labels, predicted)
    assert found["mean_class_accuracy"] == pytest.approx(expected)
    assert found["confusion"] == confusion_matrix(labels, predicted).tolist()


def test_of_five_classes_there_is_no_top5():
    assert "top5" not in sound_metrics(*drawn(5))


def test_folds_are_a_sample():
    found = over_folds([0.5, 0.7, 0.9])
    assert found == pytest.approx({"mean": 0.7, "standard_deviation": 0.2, "ddof": 1})
    assert over_folds([0.5])["standard_deviation"] is None
