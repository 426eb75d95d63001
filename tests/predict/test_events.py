"""Scores of spans to events, against plain versions."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlib.predict.events import choose_spans, join_seconds, query_spans, second_spans
from avlib.predict.tables import Event

NAMES = ["bell", "dog", "background"]


def test_runs_of_one_class_become_events_and_background_none():
    classes, scores = np.array([2, 0, 0, 1, 2, 0]), np.array([0.9, 0.8, 0.6, 0.5, 0.7, 0.4])
    events = join_seconds(second_spans(6.0), classes, scores, NAMES, "background")
    assert events == [
        Event(1.0, 3.0, "bell", pytest.approx(0.7)),
        Event(3.0, 4.0, "dog", 0.5),
        Event(5.0, 6.0, "bell", 0.4),
    ]


@pytest.mark.parametrize(("length_s", "seconds"), [(0.2, 1), (9.98, 10), (10.4, 10), (10.6, 11)])
def test_half_a_second_at_the_end_counts_as_one(length_s, seconds):
    assert len(second_spans(length_s)) == seconds


@given(st.floats(0.5, 200), st.lists(st.floats(0.4, 30), min_size=1, max_size=4))
def test_queries_of_every_length_cover_the_recording(length_s, lengths_s):
    spans = query_spans(length_s, lengths_s)
    assert spans.min() == 0
    assert (spans[:, 0] < spans[:, 1]).all()
    assert (spans[:, 1] <= length_s + 1e-9).all()
    for length in {min(round(s * 1000), int(length_s * 1000)) / 1000 for s in lengths_s}:
        own = spans[np.isclose(spans[:, 1] - spans[:, 0], length)]
        assert own[0, 0] == 0
        assert (own[1:, 0] < own[:-1, 1]).all()
        assert own[-1, 1] == pytest.approx(length_s, abs=2e-3)


def plain_best(spans, scores, threshold):
    """The largest sum of (score - threshold) times length over all sets without overlap."""
    best = 0.0
    kept = [k for k in range(len(spans)) if scores[k] > threshold]
    for size in range(1, len(kept) + 1):
        for chosen in combinations(kept, size):
            ordered = sorted(chosen, key=lambda k: spans[k, 0])
            pairs = pairwise(ordered)
            if all(spans[a, 1] <= spans[b, 0] for a, b in pairs):
                gains = [(scores[k] - threshold) * (spans[k, 1] - spans[k, 0]) for k in chosen]
                best = max(best, sum(gains))
    return best


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([0.0, 0.3, 0.6]))
def test_the_chosen_queries_explain_most_of_all_sets_without_overlap(seed, n_spans, threshold):
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 40, n_spans) / 4
    spans = np.stack([starts, starts + rng.integers(1, 12, n_spans) / 4], axis=1)
    scores, classes = rng.random(n_spans), np.arange(n_spans)  # none are joined
    names = [str(k) for k in range(n_spans)]
    events = choose_spans(spans, classes, scores, names, threshold)
    assert all(a.stop_s <= b.start_s for a, b in pairwise(events))
    gain = sum((e.score - threshold) * (e.stop_s - e.start_s) for e in events)
    assert gain == pytest.approx(plain_best(spans, scores, threshold))


def test_neighbours_of_one_class_that_nearly_touch_are_one_event():
    spans = np.array([[0.0, 2.0], [2.5, 4.5], [6.0, 8.0], [8.0, 9.0]])
    scores, classes = np.array([0.8, 0.6, 0.9, 0.9]), np.array([0, 0, 0, 1])
    events = choose_spans(spans, classes, scores, NAMES, 0.5)
    assert events == [
        Event(0.0, 4.5, "bell", pytest.approx(0.7)),
        Event(6.0, 8.0, "bell", 0.9),
        Event(8.0, 9.0, "dog", 0.9),
    ]


def test_without_a_score_above_the_threshold_there_is_no_event():
    spans = np.array([[0.0, 2.0]])
    assert choose_spans(spans, np.array([0]), np.array([0.5]), NAMES, 0.5) == []
    assert join_seconds(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0), NAMES, "background") == []
