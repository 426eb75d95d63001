"""Metrics of annotated events, against plain twins of a few lines."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlib.tim import event_scores

NAMES = [f"class {k}" for k in range(60)]


def predictions(labels, probs, *, head="action", prefix="P01_01"):
    """Rows of PREDICTIONS of one head; a label of -1 is unknown."""
    probs = np.asarray(probs, dtype=np.float32)
    return pd.DataFrame(
        {
            "annotation_id": [f"{prefix}_{i}" for i in range(len(labels))],
            "modality": "audio_visual",
            "head": head,
            "video_id": prefix,
            "class_id": pd.array([None if k < 0 else int(k) for k in labels], dtype="Int64"),
            "predicted_class": probs.argmax(axis=1) if len(probs) else np.zeros(0, int),
            "probs": list(probs),
        }
    )


def random_predictions(seed, n=200, k=60, **options):
    rng = np.random.default_rng(seed)
    labels = np.minimum(rng.geometric(0.1, n) - 1, k - 1)
    probs = rng.dirichlet(np.ones(k), n)
    probs[np.arange(n), labels] += rng.random(n) * 0.1
    return predictions(labels, probs, **options)


def plain_top(rows, k):
    """Whether each class is among the first k, by sorting each row."""
    found = []
    for label, probs in zip(rows["class_id"], rows["probs"], strict=True):
        ranks = sorted(range(len(probs)), key=lambda c, p=probs: (-p[c], c))
        found.append(label in ranks[:k])
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_accuracies_of_a_head_are_those_of_a_plain_twin(seed):
    rows = random_predictions(seed)
    found = event_scores.head_metrics(event_scores.hits_of_head(rows), NAMES)
    top1, top5 = plain_top(rows, 1), plain_top(rows, 5)
    assert found["top1"] == np.mean(top1)
    assert found["top5"] == np.mean(top5)
    by_class = {}
    for label, hit in zip(rows["class_id"], top1, strict=True):
        by_class.setdefault(label, []).append(hit)
    means = [sum(hits) / len(hits) for hits in by_class.values()]
    assert found["mean_class_accuracy"] == pytest.approx(sum(means) / len(means))
    assert found["majority_share"] == max(map(len, by_class.values())) / len(rows)
    assert (found["items"], found["classes"]) == (len(rows), len(by_class))


def test_events_without_a_class_do_not_count():
    rows = random_predictions(0)
    unknown = predictions([-1, -1], np.eye(60)[:2], prefix="P02_02")
    both = pd.concat([rows, unknown], ignore_index=True)
    found = event_scores.head_metrics(event_scores.hits_of_head(both), NAMES)
    assert found == event_scores.head_metrics(event_scores.hits_of_head(rows), NAMES)


def test_without_events_no_share_is_defined():
    found = event_scores.head_metrics(event_scores.hits_of_head(predictions([], [])), NAMES)
    shares = ("top1", "top5", "mean_class_accuracy", "majority_share")
    assert all(found[name] is None for name in shares)
    assert found["items"] == found["classes"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_verb_and_noun_have_to_be_right_both(seed):
    verb = random_predictions(seed, k=20, head="verb")
    noun = random_predictions(seed + 50, k=30, head="noun")
    noun = noun.sample(frac=1, random_state=seed)  # the order of the rows is of no account
    hits = {h.iloc[0]["head"]: event_scores.hits_of_head(h) for h in (verb, noun)}
    found = event_scores.shares(event_scores.both_right(hits["verb"], hits["noun"]))
    right = {}
    for rows in (verb, noun):
        for k in (1, 5):
            for name, hit in zip(rows["annotation_id"], plain_top(rows, k), strict=True):
                right.setdefault((k, name), []).append(hit)
    for k in (1, 5):
        both = [all(hits) for (top, _), hits in right.items() if top == k]
        assert found[f"top{k}"] == np.mean(both)
    assert found["items"] == len(verb)


def test_participants_without_a_train_video_are_unseen():
    videos = pd.Series(["P01_11", "P18_09", "P18_10", "P32_01"])
    train = pd.Series(["P01_01", "P180_01", "P03_18"])
    assert event_scores.unseen_participants(videos, train) == ["P18", "P32"]


def plain_tail(labels, num_classes):
    """Take the smallest class again and again, while the taken ones hold at most a fifth."""
    counts = {k: list(labels).count(k) for k in range(num_classes)}
    taken, held = [], 0
    while counts:
        smallest = min(counts, key=lambda k: (counts[k], k))
        held += counts.pop(smallest)
        if held > 0.2 * len(labels):
            break
        taken.append(smallest)
    return sorted(taken)


@given(st.lists(st.integers(0, 11), max_size=60))
def test_the_tail_classes_are_the_smallest_that_hold_a_fifth(labels):
    assert event_scores.tail_classes(labels, 12) == plain_tail(labels, 12)


def test_an_action_is_of_the_tail_by_its_verb_or_its_noun():
    truth = pd.DataFrame({"verb_class": [0, 1, 0, 1], "noun_class": [5, 5, 6, 6]})
    found = event_scores.tail_queries(truth, {"verb": [1], "noun": [6]})
    assert found["verb"].to_list() == [False, True, False, True]
    assert found["noun"].to_list() == [False, False, True, True]
    assert found["action"].to_list() == found["verb_noun"].to_list() == [False, True, True, True]


def test_the_shares_of_a_subset_are_those_of_its_events():
    hits = event_scores.hits_of_head(random_predictions(0))
    chosen = pd.Series(np.arange(len(hits)) % 3 == 0, index=hits.index)
    found = event_scores.subset_shares({"action": hits, "audio": hits}, {"action": chosen})
    assert found == {"action": event_scores.shares(hits[chosen])}
    none = event_scores.subset_shares({"action": hits}, {"action": chosen & False})
    assert none == {"action": {"items": 0, "top1": None, "top5": None}}


def test_the_confusion_of_few_classes_is_whole():
    rows = predictions([0, 0, 2, 2], np.eye(3)[[0, 2, 2, 2]])
    found = event_scores.confusion(event_scores.hits_of_head(rows), ["a", "b", "c"])
    assert found == {"classes": ["a", "c"], "counts": [[1, 1], [0, 2]]}


def test_of_many_classes_the_commonest_are_shown_and_the_rest_is_one():
    rows = random_predictions(1, n=900)
    hits = event_scores.hits_of_head(rows)
    found = event_scores.confusion(hits, NAMES)
    sizes = rows["class_id"].value_counts()
    least = min(sizes[int(name.split()[1])] for name in found["classes"][:-1])
    rest = [size for k, size in sizes.items() if NAMES[k] not in found["classes"]]
    assert len(found["classes"]) == 41 and found["classes"][-1] == event_scores.OTHERS
    assert least >= max(rest)
    counts = np.array(found["counts"])
    assert counts.sum() == len(rows)
    for row, name in enumerate(found["classes"][:-1]):
        assert counts[row].sum() == sizes[int(name.split()[1])]
        own = rows[rows["class_id"] == int(name.split()[1])]
        assert counts[row, row] == (own["predicted_class"] == own["class_id"]).sum()


def test_a_class_that_is_only_predicted_is_of_the_rest():
    rows = predictions([0, 0], np.eye(3)[[0, 1]])
    found = event_scores.confusion(event_scores.hits_of_head(rows), ["a", "b", "c"])
    assert found == {"classes": ["a", event_scores.OTHERS], "counts": [[1, 1], [0, 0]]}
