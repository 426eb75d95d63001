"""Metrics of rankings against plain loops, their rules for ties, and golden cases."""

import math
import tracemalloc

import numpy as np
import plain_rankings as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_golden import GOLDEN, changed, contents, failures, run

from avlib.retrieval import similarity
from avlib.retrieval.metrics import (
    caption_ranks,
    chance_scores,
    clip_ranks,
    descending,
    means_by_name,
    query_scores,
    question_ranks,
    ranked_codes,
    recall,
)
from avlib.retrieval.ranking import Candidates, chance, rank_clips, rank_sentences
from avlib.retrieval.relevancy import of_matrix, shared_classes
from avlib.retrieval.similarity import (
    DotProducts,
    DualSoftmax,
    choice_similarities,
    cosine,
    fused,
    joined_vectors,
    normalised,
    unit_rows,
)

OTHERS = {"frames", "cut", "wavcaps_text", "timestamps"}  # cases of metrics_small of other parts
STEPS = st.integers(0, 4).map(lambda k: k / 4)


@st.composite
def queries(draw):
    """Return scores and grades (R, C) with many equal values."""
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    scores = draw(arrays(np.float32, shape, elements=st.integers(-3, 3).map(float)))
    return scores, draw(arrays(np.float64, shape, elements=STEPS))


def own_candidates(n):
    return Candidates(n, np.arange(n), np.arange(n))


@settings(max_examples=60)
@given(queries())
def test_scores_of_queries_are_those_of_plain_loops(drawn):
    scores, grades = drawn
    relevancy = of_matrix(grades)
    order = descending(scores)
    np.testing.assert_array_equal(order, [plain.ranked(row) for row in scores])
    ranked, top = ranked_codes(scores, relevancy.table, 3)
    np.testing.assert_array_equal(ranked, np.take_along_axis(relevancy.table, order, axis=1))
    np.testing.assert_array_equal(top, order[:, :3])
    found = query_scores(ranked, relevancy.grades)
    pairs = list(zip(scores, grades, strict=True))
    np.testing.assert_allclose(found.ndcg, [plain.ndcg(*p) for p in pairs], rtol=1e-12)
    expected = [plain.average_precision(*p) for p in pairs]
    np.testing.assert_allclose(found.average_precision, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_scores_remain_in_the_order_of_the_items(dtype):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 40, (50, 700)).astype(dtype)
    scores[3] = 0
    scores[4, ::2] = -0.0
    order = descending(scores)
    np.testing.assert_array_equal(order, np.argsort(-scores, axis=1, kind="stable"))


def test_average_precision_adds_partly_relevant_items_too():
    relevancy = of_matrix(np.array([[0.5, 1.0, 0.0, 1.0]]))
    found = query_scores(relevancy.table, relevancy.grades)
    assert found.average_precision[0] == pytest.approx((1.5 / 2 + 2.5 / 4) / 2)


def test_a_query_without_relevance_has_no_ndcg_and_an_average_precision_of_zero():
    relevancy = of_matrix(np.array([[0.0, 0.0], [0.5, 0.0]]))
    found = query_scores(relevancy.table, relevancy.grades)
    assert math.isnan(found.ndcg[0])
    assert found.ndcg[1] == 1
    assert found.average_precision.tolist() == [0, 0]


def test_the_best_order_has_an_ndcg_of_one():
    rng = np.random.default_rng(1)
    grades = rng.choice([0, 0.25, 1 / 3, 1.0], (40, 90))
    relevancy = of_matrix(grades)
    found = query_scores(np.sort(relevancy.table, axis=1)[:, ::-1], relevancy.grades)
    np.testing.assert_allclose(found.ndcg, 1, rtol=1e-12)


def test_chance_is_the_mean_over_random_orders():
    rng = np.random.default_rng(2)
    relevancy = of_matrix(rng.choice([0, 0, 0.5, 1.0], (6, 15)))
    expected = chance_scores(relevancy.table, relevancy.grades)
    found = []
    for _ in range(4000):
        ranked, _ = ranked_codes(rng.random((6, 15)), relevancy.table)
        found.append(query_scores(ranked, relevancy.grades))
    for name in ("ndcg", "average_precision"):
        mean = np.mean([getattr(values, name) for values in found], axis=0)
        np.testing.assert_allclose(getattr(expected, name), mean, atol=0.015)


@settings(max_examples=40)
@given(arrays(np.float64, (7, 7), elements=st.integers(0, 3).map(float)))
def test_ranks_follow_the_published_rules_of_ties(similarities):
    found = [clip_ranks(row, np.array([i]))[0] for i, row in enumerate(similarities)]
    assert found == plain.clip_ranks(similarities)
    counts = np.ones(7, np.int64)
    found = caption_ranks(similarities.T, np.arange(7), counts)
    assert found.tolist() == plain.text_ranks(similarities)


def test_a_shared_first_place_is_no_recall_at_one_from_sound_to_text():
    assert recall(np.array([0.5, 0.0]))["r1"] == 50
    assert recall(np.array([0.5, 5.0]))["r5"] == 50
    assert recall(np.array([0.0, 1.0, 5.0]))["median_rank"] == 2
    assert recall(np.array([])) == {}


def test_a_text_of_several_clips_counts_as_often_as_it_occurs():
    """The same ranks come out of a row for each text and of one for each distinct text."""
    rng = np.random.default_rng(3)
    of_clips = np.array([0, 1, 0, 2, 2, 2, 1])
    captions, clips = rng.standard_normal((3, 4)), rng.standard_normal((7, 4))
    candidates = Candidates(3, of_clips, np.array([0, 1, 2]))
    relevancy = of_matrix(np.eye(3)[of_clips])
    products = DotProducts(captions, clips)
    every = captions[of_clips] @ clips.T
    found = rank_sentences(products, candidates, relevancy)
    assert found.ranks.tolist() == plain.text_ranks(every)
    assert rank_clips(products, candidates, relevancy).ranks.tolist() == plain.clip_ranks(every)


def test_rankings_are_those_of_plain_loops_whatever_the_blocks(monkeypatch):
    rng = np.random.default_rng(4)
    n_clips, n_captions, n_sentences = 23, 9, 11
    candidates = Candidates(
        n_captions, rng.integers(0, n_captions, n_clips), rng.integers(0, n_captions, n_sentences)
    )
    grades = rng.choice([0, 0, 0.25, 1.0], (n_clips, n_sentences))
    products = DotProducts(rng.standard_normal((n_captions, 5)), rng.standard_normal((n_clips, 5)))
    scores = (products.clips @ products.captions.T)[:, candidates.of_sentences]
    results = []
    for cells in (1, 50, 10**6):
        monkeypatch.setattr(similarity, "CELLS", cells)
        results.append([rank(products, candidates, of_matrix(grades), 3) for rank in RANKS])
    for one, other in zip(results[0] + results[1], results[2] * 2, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b)
    of_clips, of_sentences = results[2]
    for found, s, g in ((of_clips, scores, grades), (of_sentences, scores.T, grades.T)):
        pairs = list(zip(s, g, strict=True))
        np.testing.assert_allclose(found.ndcg, [plain.ndcg(*p) for p in pairs])
        expected = [plain.average_precision(*p) for p in pairs]
        np.testing.assert_allclose(found.average_precision, expected)
    assert of_clips.top.tolist() == [plain.ranked(row)[:3] for row in scores]
    of_captions = products.captions @ products.clips.T
    assert of_sentences.top.tolist() == [plain.ranked(row)[:3] for row in of_captions]


RANKS = (rank_sentences, rank_clips)


def test_no_matrix_of_clips_and_texts_is_held_whole(monkeypatch):
    monkeypatch.setattr(similarity, "CELLS", 2**13)
    n, rng = 1200, np.random.default_rng(10)
    vectors = [rng.standard_normal((n, 4), dtype=np.float32) for _ in range(2)]
    products, own = DotProducts(*vectors), np.arange(n)
    graded = shared_classes([[frozenset({i % 50}) for i in range(n)]], own)
    tracemalloc.start()
    try:
        dual = DualSoftmax(products, np.ones(n, np.int64))
        for rank, by in zip(RANKS, (products, dual), strict=True):
            rank(by, Candidates(n, own, own), graded, 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < n * n  # bytes; a matrix has four times as many


def test_chance_of_both_directions_has_a_value_for_each_query():
    rng = np.random.default_rng(5)
    of_clips, of_sentences = chance(of_matrix(rng.choice([0, 0.5, 1.0], (5, 8))))
    assert (len(of_clips.ndcg), len(of_sentences.average_precision)) == (5, 8)


def test_dual_softmax_is_that_of_the_matrix_of_all_texts():
    rng = np.random.default_rng(6)
    of_clips = np.array([0, 1, 1, 2, 0])
    products = DotProducts(3 * rng.standard_normal((3, 6)), 4 * rng.standard_normal((5, 6)))
    dual = DualSoftmax(products, np.bincount(of_clips), 10.0)
    every = products.captions[of_clips] @ products.clips.T
    expected = plain.dual_softmax(every, 10.0)
    np.testing.assert_allclose(dual.of_captions(slice(0, 3))[of_clips], expected, rtol=1e-10)
    np.testing.assert_allclose(dual.of_clips(slice(0, 5))[:, of_clips], expected.T, rtol=1e-10)


def test_dual_softmax_does_not_overflow_or_depend_on_blocks(monkeypatch):
    rng = np.random.default_rng(7)
    products = DotProducts(900 * rng.random((8, 3)), 900 * rng.random((6, 3)))
    whole = DualSoftmax(products, np.ones(8, np.int64)).of_clips(slice(0, 6))
    monkeypatch.setattr(similarity, "CELLS", 1)
    parts = DualSoftmax(products, np.ones(8, np.int64)).of_clips(slice(0, 6))
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(parts, whole, rtol=1e-9)


@pytest.mark.parametrize("ratio", [0.5, 1, 10])
def test_joined_vectors_have_the_fused_products_of_two_models(ratio):
    rng = np.random.default_rng(8)
    texts, clips = ([unit_rows(rng.random((n, d))) for d in (4, 6)] for n in (3, 5))
    joined = joined_vectors(*texts, ratio) @ joined_vectors(*clips, ratio).T
    visual, audio = (cosine(t, c) for t, c in zip(texts, clips, strict=True))
    np.testing.assert_allclose(joined, fused(visual, audio, ratio), rtol=1e-12)


def test_a_vector_of_zeros_is_similar_to_nothing():
    zeros, others = np.zeros((1, 4)), np.eye(4)
    assert cosine(zeros, others).tolist() == [[0, 0, 0, 0]]
    assert np.isnan(normalised(cosine(zeros, others), "one")).all()
    assert normalised(cosine(zeros, others), "max").tolist() == [[0, 0, 0, 0]]


def test_of_equally_similar_choices_the_first_is_chosen():
    similarities = np.array([[0.2, 0.5, 0.5], [0.5, 0.5, 0.2], [np.nan, 0.1, np.nan]])
    ranks, order = question_ranks(similarities, np.array([2, 0, 1]))
    assert ranks.tolist() == [1, 0, 0]
    assert order[2].tolist() == [1, 0, 2]


def test_questions_are_compared_with_their_own_choices():
    rng = np.random.default_rng(9)
    texts, choices = rng.standard_normal((4, 6)), rng.standard_normal((4, 5, 6))
    found = choice_similarities(texts, choices)
    for number in range(4):
        expected = cosine(texts[number : number + 1], choices[number])[0]
        np.testing.assert_allclose(found[number], expected, rtol=1e-12)


def test_means_by_name_are_in_order_of_appearance():
    found = means_by_name(["b", "a", "b"], np.array([1.0, 2.0, 4.0]))
    assert list(found.items()) == [("b", (2, 2.5)), ("a", (1, 2.0))]


def test_golden_cases_of_small_matrices_pass(tmp_path):
    kept = contents("retrieval/metrics_small.json").keys() - OTHERS - {"subset"}
    path = changed("retrieval/metrics_small.json", tmp_path, lambda *_: None, kept)
    assert failures(path) == []


def test_golden_cases_of_published_tables_pass(tmp_path, shared_data):
    path = changed("retrieval/metrics_small.json", tmp_path, lambda *_: None, {"subset"})
    assert failures(path, data=shared_data) == []


@pytest.mark.slow
def test_golden_cases_of_the_real_size_pass(shared_data):
    passed, lines = run(GOLDEN / "retrieval/metrics_epic_full.json", data=shared_data)
    assert passed, lines


def test_a_changed_golden_value_of_a_ranking_fails(tmp_path):
    def change(_, arrays):
        arrays["empty_v_map"][3] += 1e-6

    path = changed("retrieval/metrics_small.json", tmp_path, change, {"empty"})
    assert len(failures(path)) == 1
