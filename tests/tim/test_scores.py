import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from avlib.tim.scores import MeanLosses, QueryScores, combine, segment_metrics, tim_metrics

NONE = np.zeros((0, 3), dtype=int)


def random_probs(rng, n, k):
    return rng.dirichlet(np.ones(k), n).astype(np.float32)


def plain_probs(n, k, queries, logits):
    rows = []
    for q in range(n):
        seen = logits[queries == q].astype(np.float64)
        if len(seen):
            powers = np.exp(seen.mean(axis=0) - seen.mean(axis=0).max())
            rows.append(powers / powers.sum())
        else:
            rows.append(np.full(k, np.nan))
    return np.array(rows).reshape(n, k)


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 9), slots=st.integers(0, 40))
def test_scores_do_not_depend_on_batches_or_padding(seed, n, slots):
    rng = np.random.default_rng(seed)
    queries = rng.integers(-1, n, slots)  # -1 pads
    logits = rng.normal(0, 5, (slots, 4)).astype(np.float32)
    scores = QueryScores(np.arange(n) + 70, {"action": 4})
    for part in np.array_split(np.arange(slots), rng.integers(1, 5)):
        ids = np.where(queries[part] < 0, -1, queries[part] + 70)
        scores.add(ids[None], {"action": logits[part][None]})
    np.testing.assert_allclose(
        scores.probs()["action"], plain_probs(n, 4, queries, logits), atol=1e-5
    )
    counts = [(queries == q).sum() for q in range(n)]
    assert scores.counts.tolist() == counts
    assert scores.is_seen.tolist() == [count > 0 for count in counts]


def test_only_queries_of_the_label_space_have_rows():
    scores = QueryScores([3, 8, 9], {"verb": 2, "action": 5})
    scores.add([8], {"verb": np.zeros((1, 2)), "action": np.ones((1, 5))})
    assert {h: p.shape for h, p in scores.probs().items()} == {"verb": (3, 2), "action": (3, 5)}
    for unknown in ([4], [10], [8, 2]):
        with pytest.raises(ValueError, match="not all known here"):
            scores.add(unknown, {"verb": np.zeros((2, 2)), "action": np.ones((2, 5))})
    with pytest.raises(ValueError, match="verb: 3 classes, expected 2"):
        scores.add([8], {"verb": np.zeros((1, 3)), "action": np.ones((1, 5))})


def test_large_logits_do_not_overflow():
    scores = QueryScores([0], {"action": 3})
    scores.add([0], {"action": [[3e4, 3e4, -3e4]]})
    np.testing.assert_allclose(scores.probs()["action"], [[0.5, 0.5, 0.0]])


def test_metrics_by_hand():
    verb = [[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.9, 0.1]]
    noun = np.eye(7)[[3, 1, 2, 0]] + np.linspace(0, 0.1, 7)
    action = [[0.1, 0.9], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]
    labels = [[0, 3, 1], [1, 1, 1], [1, 0, 1], [0, 0, -1]]  # the last one is not known
    visual = {"verb": verb, "noun": noun, "action": action}
    found = tim_metrics(visual, labels, None, [], is_paired=False)
    assert found["queries"] == {"visual": 3}
    assert found["verb"] == {"top1": pytest.approx(2 / 3), "top5": 1.0}  # only two classes
    assert found["noun"] == {"top1": pytest.approx(2 / 3), "top5": pytest.approx(2 / 3)}
    assert found["action"] == {"top1": pytest.approx(2 / 3), "top5": 1.0}
    # Right are the verbs of queries 0 and 2, and the nouns of 0 and 1.
    assert found["verb_noun"] == {"top1": pytest.approx(1 / 3), "top5": pytest.approx(2 / 3)}
    assert "audio" not in found and "combined" not in found


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_those_of_another_library(seed):
    rng = np.random.default_rng(seed)
    probs, labels = random_probs(rng, 60, 8), rng.integers(0, 8, 60)
    found = tim_metrics({}, NONE, probs, labels, is_paired=False)["audio"]
    for k in (1, 5):
        expected = top_k_accuracy_score(labels, probs, k=k, labels=np.arange(8))
        assert found[f"top{k}"] == pytest.approx(expected)


def test_pairs_are_joined_by_their_mean():
    visual, audio = [[0.6, 0.4], [0.9, 0.1]], [[0.1, 0.9], [0.4, 0.6]]
    np.testing.assert_allclose(combine(visual, audio), [[0.35, 0.65], [0.65, 0.35]])
    labels = [[-1, -1, 1], [-1, -1, 0]]
    found = tim_metrics({"action": visual}, labels, audio, [1, 0], is_paired=True)
    assert found["action"]["top1"] == found["audio"]["top1"] == 0.5
    assert found["combined"]["top1"] == 1.0
    with pytest.raises(ValueError, match=r"visual \(2, 2\) and audio \(1, 2\)"):
        combine(visual, audio[:1])


def test_queries_without_a_prediction_or_a_class_do_not_count():
    probs = np.array([[0.9, 0.1], [np.nan, np.nan], [0.9, 0.1]])
    found = tim_metrics({}, NONE, probs, [0, 0, -1], is_paired=False)
    assert found == {"queries": {"audio": 1}, "audio": {"top1": 1.0, "top5": 1.0}}
    found = tim_metrics({}, NONE, probs, [-1, -1, -1], is_paired=False)
    assert found == {"queries": {"audio": 0}, "audio": {"top1": None, "top5": None}}


def test_losses_are_means_over_views():
    losses = MeanLosses()
    losses.add({"verb": 2.0, "action": 1.0}, 3)
    losses.add({"verb": 4.0, "action": 5.0}, 1)
    losses.add({"verb": float("nan"), "action": float("nan")}, 0)  # of a batch without labels
    losses.add({"audio": float("nan")}, 0)
    assert losses.means() == {"verb": 2.5, "action": 2.0, "audio": None}


def test_segments_have_an_accuracy_a_class_and_a_confusion():
    rng = np.random.default_rng(0)
    probs, labels = random_probs(rng, 80, 5), rng.integers(0, 4, 80)  # class 4 does not occur
    found = segment_metrics(probs, labels)
    predicted = probs.argmax(axis=1)
    assert found["segments"] == 80
    assert found["accuracy"] == pytest.approx((predicted == labels).mean())
    expected = confusion_matrix(labels, predicted, labels=np.arange(5))
    assert found["confusion"] == expected.tolist()
    assert found["per_class"][:4] == pytest.approx(
        (expected.diagonal() / expected.sum(1).clip(1))[:4]
    )
    assert found["per_class"][4] is None
