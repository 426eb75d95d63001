"""Bytes, queries over scores, standardising and fusion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlib.tagging.scores import (
    FLOOR,
    LOGARITHMS,
    MeanDeviation,
    decoded,
    encoded,
    fuse,
    logarithms,
    query_scores,
    sound_weights,
    tag_scores,
    video_scores,
)
from avlib.tagging.words import class_weights

DRAW = np.random.default_rng(1)


def test_a_byte_is_at_most_half_a_step_of_the_logarithm_away():
    p = np.concatenate([[0, 1], DRAW.uniform(size=1000), 10 ** DRAW.uniform(-6, 0, 1000)])
    step = LOGARITHMS[1] - LOGARITHMS[0]
    assert np.abs(LOGARITHMS[encoded(p)] - logarithms(p)).max() <= step / 2 + 1e-12


def test_bytes_survive_decoding():
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(encoded(decoded(codes)), codes)
    np.testing.assert_allclose(decoded(codes)[[0, 255]], [0, 1], atol=1e-12)


def test_a_query_is_the_weighted_mean_of_the_logarithms_of_its_classes():
    logs = logarithms(DRAW.uniform(size=(4, 6)))
    scores = query_scores(logs, np.array([[5, 0], [1, 2]]), np.array([[0.75, 0.25], [1, 0]]))
    np.testing.assert_allclose(scores[0], 0.75 * logs[:, 5] + 0.25 * logs[:, 0])
    np.testing.assert_allclose(scores[1], logs[:, 1])
    assert logs.min() > np.log(FLOOR)


def test_weights_of_classes_favour_the_nearest_and_among_equals_the_first():
    found = class_weights([[0.1, 0.7, 0.7, -0.2, 0.6]], top=3, temperature=0.1)
    assert found.classes.tolist() == [[1, 2, 4]]
    e = np.exp([0, 0, -1.0])
    np.testing.assert_allclose(found.weights[0], e / e.sum())
    assert found.reliability.tolist() == [0.7]


def test_a_vocabulary_smaller_than_the_top_is_used_whole():
    assert class_weights([[0.1, 0.7]], top=10).weights.shape == (1, 2)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_moments_do_not_depend_on_how_an_archive_is_cut(lengths):
    parts = [DRAW.normal(3, 2, size=(2, n)) for n in lengths]
    whole = np.concatenate(parts, axis=1)
    found = MeanDeviation.of(parts, 2)
    assert found.seconds == whole.shape[1]
    if found.seconds:
        np.testing.assert_allclose(found.mean, whole.mean(axis=1), atol=1e-12)
        np.testing.assert_allclose(found.deviation, whole.std(axis=1), atol=1e-12)


def test_a_score_that_never_changes_is_not_divided_by_zero():
    scores = np.full((1, 5), 0.3)
    assert (MeanDeviation.of([scores], 1).standardised(scores) == 0).all()


def test_a_missing_leg_leaves_the_scores_of_the_other():
    z, weight = DRAW.normal(size=(2, 4)), np.array([0.9, 0.2])
    assert fuse(z, None, weight) is z
    assert fuse(None, z, weight) is z
    with pytest.raises(ValueError, match="no scores"):
        fuse(None, None, weight)


def test_sound_is_trusted_more_where_its_vocabulary_is_as_near():
    assert sound_weights([0.6], [0.6])[0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert sound_weights([0.5], [0.9])[0] < 0.5


def test_a_video_shorter_than_its_best_seconds_has_the_mean_of_all():
    assert video_scores(np.array([[1.0, 4.0]]))[0] == 2.5
    np.testing.assert_allclose(tag_scores(np.array([[1.0, 4.0, 1.0, 4.0]])), [[2.5, 5.5] * 2])
