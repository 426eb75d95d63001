import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlib.valor.metrics import (
    TABLE,
    Events,
    data_set_scores,
    event_records,
    event_scores,
    find_events,
    parsing_metrics,
    segment_scores,
    video_label_f,
)


def masks(*rows):
    """Return masks (1, K, T) of one video from a text a class."""
    return np.array([[[mark == "x" for mark in row] for row in rows]])


def one(row):
    """Return events of one class, the same of sound and picture."""
    return Events(masks(row), masks(row))


def plain_runs(row):
    padded = [0, *row, 0]
    starts = [t for t in range(len(row)) if padded[t + 1] and not padded[t]]
    stops = [t for t in range(1, len(row) + 1) if padded[t] and not padded[t + 1]]
    return [set(range(*span)) for span in zip(starts, stops, strict=True)]


def plain_f(pairs, level):
    """Return the mean F of the classes of one video, by lists of rows."""
    found = []
    for row_pairs in pairs:
        tp = fp = fn = 0
        for p, t in row_pairs:
            if level == "segment":
                tp, fp, fn = tp + sum(p & t), fp + sum(p & ~t), fn + sum(t & ~p)
                continue
            mine, true = plain_runs(p), plain_runs(t)
            hit = [any(len(a & b) >= 0.5 * len(a | b) for b in true) for a in mine]
            got = [any(len(a & b) >= 0.5 * len(a | b) for a in mine) for b in true]
            tp, fp, fn = tp + sum(hit), fp + hit.count(False), fn + got.count(False)
        if tp or fp or fn:
            found.append(2 * tp / (2 * tp + fp + fn))
    return float(np.mean(found)) if found else 1.0


def plain_scores(predicted, truth, level):
    rows = []
    for pa, pv, ta, tv in zip(*predicted, *truth, strict=True):
        audio, visual = list(zip(pa, ta, strict=True)), list(zip(pv, tv, strict=True))
        both = list(zip(pa & pv, ta & tv, strict=True))
        added = [[a, v] for a, v in zip(audio, visual, strict=True)]
        single = [[[pair] for pair in pairs] for pairs in (audio, visual, both)]
        rows.append([plain_f(x, level) for x in (single[0], single[1], added, single[2])])
    return np.array(rows)


@given(
    st.integers(0, 4),
    st.integers(1, 4),
    st.integers(1, 13),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_scores_are_those_of_the_plain_way(n, k, t, density, seed):
    drawn = np.random.default_rng(seed).random((4, n, k, t)) < density
    predicted, truth = Events(*drawn[:2]), Events(*drawn[2:])
    for level, score in (("segment", segment_scores), ("event", event_scores)):
        expected = plain_scores(predicted, truth, level).reshape(n, 4)
        np.testing.assert_allclose(score(predicted, truth).video_f, expected, rtol=0, atol=1e-15)


def test_a_hand_computed_case():
    predicted = Events(masks("xx--", "xxxx"), masks("----", "x---"))
    truth = Events(masks("xxx-", "----"), masks("----", "xx--"))
    # Sound: 2*2/(4+1) and 0; picture: 2/3; added: 4/5 and 2*1/(2+4+1); both: class 1 alone, 0.
    expected = [[0.4, 2 / 3, (0.8 + 2 / 7) / 2, 0.0]]
    np.testing.assert_allclose(segment_scores(predicted, truth).video_f, expected)
    # 2 of 3 seconds and 1 of 2 are enough; the whole clip is a false alarm.
    expected = [[0.5, 1.0, (1 + 2 / 3) / 2, 0.0]]
    np.testing.assert_allclose(event_scores(predicted, truth).video_f, expected)


def test_events_match_at_half_of_their_union_and_not_below():
    assert event_scores(one("xx--"), one("xxxx")).video_f[0, 0] == 1
    assert event_scores(one("xx---"), one("xxxxx")).video_f[0, 0] == 0
    assert event_scores(one("x-x-"), one("xxx-")).video_f[0, 0] == 0
    assert event_scores(one("xx---"), one("xxxxx"), iou=0.4).video_f[0, 0] == 1


def test_a_low_threshold_lets_several_events_match_one():
    scores = event_scores(one("x-x-"), one("xxx-"), iou=0.3)
    counts = scores.counts["audio"]
    assert (counts.true_positive, counts.false_positive, counts.false_negative) == (2, 0, 0)


def test_a_video_without_events_and_predictions_scores_one():
    metrics = parsing_metrics(one("----"), one("----"))
    assert {metrics[name] for name in TABLE} == {100.0}
    assert metrics["per_class"]["segment"]["audio"]["f"] == [None]
    wrong = parsing_metrics(one("---x"), one("----"))
    assert {wrong[name] for name in TABLE} == {0.0}


def test_without_videos_there_are_no_scores():
    empty = np.zeros((0, 25, 10))
    metrics = parsing_metrics(Events(empty, empty), Events(empty, empty))
    assert metrics["videos"] == 0 and {metrics[name] for name in TABLE} == {None}


def test_data_set_scores_are_in_the_order_of_the_table():
    segment, event = [[0.1, 0.2, 0.3, 0.6], [0.3, 0.4, 0.5, 0.6]], [[0.0, 1.0, 0.5, 0.5]]
    scores = data_set_scores(segment, event)
    assert tuple(scores) == TABLE
    expected = [20, 30, 60, 110 / 3, 40, 0, 100, 50, 50, 50]
    np.testing.assert_allclose(list(scores.values()), expected)


def test_classes_are_averaged_over_the_videos_that_have_or_predict_them():
    truth = np.concatenate([masks("xx", "--"), masks("--", "--"), masks("x-", "--")])
    predicted = np.concatenate([masks("xx", "--"), masks("--", "--"), masks("-x", "--")])
    metrics = parsing_metrics(Events(predicted, predicted), Events(truth, truth))
    audio = metrics["per_class"]["segment"]["audio"]
    assert audio == {
        "f": [50.0, None],
        "true_positive": [2, 0],
        "false_positive": [1, 0],
        "false_negative": [1, 0],
    }
    assert metrics["per_class"]["event"]["event"]["true_positive"] == [2, 0]


def test_probabilities_at_the_threshold_are_positive_and_videos_gate_segments():
    half, below = np.float32(0.5), np.nextafter(np.float32(0.5), np.float32(0))
    segments = np.full((1, 3, 2, 3), half)
    segments[0, 1, 0, 0], segments[0, 2, 1, 0] = below, np.nan
    found = find_events([[half, below, 1.2]], segments)
    assert np.asarray(found.audio).astype(int).tolist() == [[[1, 0, 1], [0, 0, 0], [1, 1, 1]]]
    assert np.asarray(found.visual).astype(int).tolist() == [[[1, 1, 0], [0, 0, 0], [1, 1, 1]]]


@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 10, 2, 4)), ((3,), (10, 2, 3)), ((2, 3), (2, 10, 3, 3))]
)
def test_probabilities_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match=r"expected \(N, K\) and \(N, T, 2, K\)"):
        find_events(*(np.zeros(shape) for shape in shapes))


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="of one shape"):
        segment_scores(one("xx"), one("xxx"))
    with pytest.raises(ValueError, match="iou must be"):
        event_scores(one("xx"), one("xx"), iou=0)


def test_records_are_ordered_by_class_and_time():
    found = np.concatenate([masks("x-x", "-xx"), masks("---", "xxx")])
    first = [("a", 0, 1, "Dog"), ("a", 2, 3, "Dog"), ("a", 1, 3, "Cat")]
    assert event_records(found, ["a", "b"], ["Dog", "Cat"]) == [first, [("b", 0, 3, "Cat")]]


def test_videos_without_labels_and_predictions_have_no_label_f():
    f = video_label_f([[0.5, 0.4], [0.4, 0.4], [0.6, 0.9]], [[1, 1], [0, 0], [0, 1]])
    np.testing.assert_allclose(f, [2 / 3, np.nan, 2 / 3])
