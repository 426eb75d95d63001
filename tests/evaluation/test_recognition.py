import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from tiny_golden import GOLDEN, contents

from avlib.evaluation.recognition import confusion_matrix, recognition_metrics, top_k_hits

SHARES = ("top1", "top5", "mean_class_accuracy", "mAP", "AUC")


def test_metrics_are_those_of_the_published_code():
    golden = contents("asf/metrics.json")["metrics"]["expected"]
    expected = {name: entry["value"] for name, entry in golden.items()}
    arrays = np.load(GOLDEN / "asf" / "metrics.npz")
    ours = recognition_metrics(arrays["probs"], arrays["labels"])
    assert 100 * ours["top1"] == pytest.approx(expected["top1_acc"], abs=1e-5)
    assert 100 * ours["top5"] == pytest.approx(expected["top5_acc"], abs=1e-5)
    assert ours["mAP"] == pytest.approx(expected["mAP"], rel=1e-6)
    assert ours["AUC"] == pytest.approx(expected["mAUC"], rel=1e-6)
    assert ours["d_prime"] == pytest.approx(expected["d_prime"], rel=1e-6)
    assert ours["mean_class_accuracy"] == pytest.approx(expected["mPCA"], rel=1e-6)
    seen = [a for a in ours["per_class"]["accuracy"] if a is not None]
    assert seen == pytest.approx(expected["PCA"], abs=5e-6)
    assert ours["classes"] == expected["seen_classes"]


def test_a_case_small_enough_to_count_by_hand():
    probs = [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]]
    ours = recognition_metrics(probs, [0, 0, 1])
    assert ours["top1"] == pytest.approx(1 / 3)
    assert ours["top5"] == 1.0  # there are only three classes
    assert ours["mean_class_accuracy"] == pytest.approx((1 / 2 + 0) / 2)
    # class 0 ranks its items 1st and 3rd of 3; class 1 ranks its item 2nd
    assert ours["per_class"]["AP"] == pytest.approx([(1 + 2 / 3) / 2, 1 / 2, None])
    assert ours["AUC"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert ours["d_prime"] == pytest.approx(0, abs=1e-12)


def ranks_by_counting(probs, labels):
    """Average precision and AUC of one class by counting pairs, without sorting."""
    precisions, wins = {}, {}
    for c in set(labels):
        truth, scores = labels == c, probs[:, c]
        precisions[c] = np.mean([truth[scores >= s].mean() for s in scores[truth]])
        pairs = scores[truth][:, None] - scores[~truth][None]
        wins[c] = np.mean((pairs > 0) + 0.5 * (pairs == 0))
    return np.mean(list(precisions.values())), np.mean(list(wins.values()))


@given(seed=st.integers(0, 10_000), n=st.integers(2, 40), k=st.integers(2, 9))
def test_metrics_agree_with_counting_pairs_and_with_torch(seed, n, k):
    rng = np.random.default_rng(seed)
    probs = rng.permutation(n * k).reshape(n, k).astype(float)  # no two scores are equal
    labels = rng.integers(0, k, n)
    labels[:2] = [0, 1]
    ours = recognition_metrics(probs, labels)
    precision, auc = ranks_by_counting(probs, labels)
    assert ours["mAP"] == pytest.approx(precision)
    assert ours["AUC"] == pytest.approx(auc)
    top5 = torch.tensor(probs).topk(min(5, k), dim=1).indices == torch.tensor(labels)[:, None]
    assert ours["top5"] == pytest.approx(top5.any(1).double().mean().item())
    expected = sk.confusion_matrix(labels, probs.argmax(1), labels=range(k))
    found = confusion_matrix(probs.argmax(1), labels, k)
    assert (found == expected).all()
    seen = found.sum(1) > 0
    assert ours["mean_class_accuracy"] == pytest.approx(
        (found.diagonal()[seen] / found.sum(1)[seen]).mean()
    )


def test_with_one_class_only_ranking_measures_are_undefined():
    ours = recognition_metrics([[0.9, 0.1], [0.2, 0.8]], [1, 1])
    assert ours["AUC"] is None and ours["d_prime"] is None
    assert ours["top1"] == 0.5 and ours["mAP"] == 1.0


def test_d_prime_of_a_perfect_ranking_is_not_a_number_that_json_lacks():
    ours = recognition_metrics([[0.9, 0.1], [0.2, 0.8]], [0, 1])
    assert ours["AUC"] == 1.0 and ours["d_prime"] is None


def test_without_items_no_share_is_defined():
    ours = recognition_metrics(np.zeros((0, 3)), np.zeros(0, dtype=int))
    assert ours["items"] == 0 and ours["classes"] == 0
    assert [ours[name] for name in SHARES] == [None] * 5
    assert ours["per_class"]["accuracy"] == [None] * 3


def test_the_result_is_plain_json():
    probs = np.random.default_rng(0).random((8, 3)).astype(np.float32)
    json.dumps(recognition_metrics(probs, np.arange(8) % 3), allow_nan=False)


def test_of_equal_scores_the_lower_class_comes_first():
    assert top_k_hits(np.ones((3, 3)), [0, 1, 2], 2).tolist() == [True, True, False]


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [0]])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(ValueError, match=r"labels|expected"):
        recognition_metrics(np.ones((2, 3)), labels)
