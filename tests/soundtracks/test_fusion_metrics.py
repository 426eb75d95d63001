import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from avlib.soundtracks.fusion_metrics import fuse_pairs, fusion_metrics, reference_metrics
from avlib.soundtracks.metrics import in_space, pool_clips, soundtrack_metrics, top_metrics
from avlib.soundtracks.sweep import Paired, sweep, weight_grid


def random_pairs(seed, n=60, num_classes=12):
    """Scores that know a little, each modality about other items."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, n)
    truth = np.eye(num_classes)[labels]
    audio = 2 * rng.standard_normal((n, num_classes)) + 1.5 * truth
    video = 2 * rng.standard_normal((n, num_classes)) + 3 * truth
    return Paired(audio, video.astype(np.float32), labels)


def fused_metrics(pairs, **choice):
    return fusion_metrics(pairs, fuse_pairs(pairs, weight_grid(), **choice))


def one_by_one(pairs, weights):
    """The plain sweep: fuse and count at each weight."""
    found = [top_metrics(pairs.fused(float(w)), pairs.labels) for w in weights]
    return np.array([[f["top1"], f["top5"]] for f in found])


@pytest.mark.parametrize("seed", range(5))
def test_the_sweep_counts_as_fusing_at_each_weight_does(seed):
    pairs, weights = random_pairs(seed), weight_grid()
    rows = sweep(pairs, weights).rows()
    np.testing.assert_array_equal(rows[:, 1:3], one_by_one(pairs, weights))
    np.testing.assert_array_equal(rows[:, 0], [k / 1000 for k in range(500)])
    np.testing.assert_array_equal(rows[:, 3], (rows[:, 1] + rows[:, 2]) / 2)


SMALL = st.integers(-2, 2)


@settings(max_examples=200)
@given(data=st.data(), n=st.integers(1, 4), num_classes=st.integers(1, 8))
def test_the_sweep_breaks_ties_as_fusing_does(data, n, num_classes):
    """Small whole scores and weights of quarters: every tie is an exact one."""
    scores = arrays.arrays(np.float64, (n, num_classes), elements=SMALL.map(float))
    labels = data.draw(arrays.arrays(np.int64, n, elements=st.integers(0, num_classes - 1)))
    pairs = Paired(data.draw(scores), data.draw(scores), labels)
    weights = weight_grid(0, 4, 1, 4)
    np.testing.assert_array_equal(sweep(pairs, weights).rows()[:, 1:3], one_by_one(pairs, weights))


def test_blocks_change_nothing(monkeypatch):
    pairs = random_pairs(1)
    whole = sweep(pairs, weight_grid()).rows()
    monkeypatch.setattr("avlib.soundtracks.sweep.BLOCK_SCORES", 7 * 12)
    np.testing.assert_array_equal(sweep(pairs, weight_grid()).rows(), whole)


def test_the_first_of_equal_weights_is_best():
    pairs = Paired(np.eye(2), np.eye(2), np.arange(2))
    assert sweep(pairs, weight_grid()).best() == 0
    only_audio = Paired(np.eye(2), np.zeros((2, 2)), np.arange(2))
    assert sweep(only_audio, weight_grid()).best("top1") == 1


def test_pooled_scores_are_means_of_the_clips_and_0_without_one():
    rng = np.random.default_rng(0)
    clips = [0, 3, 1, 0, 2, 0]
    logits = rng.standard_normal((6, 4)).astype(np.float32)
    pooled = pool_clips(logits, clips)
    parts = np.split(logits.astype(np.float64), np.cumsum(clips)[:-1])
    expected = [part.mean(axis=0) if len(part) else np.zeros(4) for part in parts]
    np.testing.assert_allclose(pooled, expected, rtol=1e-12)
    assert pool_clips(np.empty((0, 4)), [0, 0]).tolist() == np.zeros((2, 4)).tolist()
    with pytest.raises(ValueError, match="6 rows of logits for 5 clips"):
        pool_clips(logits, [5])


def test_pooled_probabilities_are_those_of_the_clips():
    logits = np.array([[0.0, np.log(3)], [0.0, 0.0]])
    np.testing.assert_allclose(pool_clips(logits, [2], space="softmax"), [[0.375, 0.625]])
    np.testing.assert_allclose(np.exp(in_space(logits, "log_softmax"))[0], [0.25, 0.75])


def test_a_soundtrack_without_a_clip_counts_as_published_and_is_told_apart():
    scores = np.zeros((3, 20))
    scores[0, 7] = scores[1, 8] = 1
    found = soundtrack_metrics(scores, [7, 9, 15], [10, 10, 0])
    # The soundtrack without a clip becomes one of class 0, which is first in top-1, last in top-5.
    assert found["reference"] == {"items": 3, "top1": 2 / 3, "top5": 1 / 3}
    assert found["scored"] == {"items": 2, "top1": 0.5, "top5": 0.5}
    assert found["without_clips"] == 1


def test_the_published_top5_takes_the_highest_of_equal_classes():
    scores = np.zeros((2, 20))
    assert soundtrack_metrics(scores, [15, 14], [1, 1])["reference"]["top5"] == 0.5
    assert soundtrack_metrics(scores, [4, 5], [1, 1])["scored"]["top5"] == 0.5


def test_the_weight_of_a_half_is_chosen_on_the_other_one():
    pairs, halves = random_pairs(3), np.arange(60) % 2
    found = fused_metrics(pairs, halves=halves)["fused"]
    fused = np.empty_like(pairs.audio)
    for half in (0, 1):
        other, own = pairs.part(halves != half), pairs.part(halves == half)
        weight = weight_grid()[sweep(other, weight_grid()).best()]
        assert found["weight"][half] == weight
        fused[halves == half] = own.fused(weight)
    assert found["top1"] == top_metrics(fused, pairs.labels)["top1"]
    assert found["weight_from"] == "other_half"


def test_every_item_has_the_weight_that_it_was_fused_with():
    pairs, halves = random_pairs(3), np.arange(60) % 2
    for choice in ({"halves": halves}, {"validation": random_pairs(8)}):
        fused = fuse_pairs(pairs, weight_grid(), **choice)
        for row, weight in enumerate(fused.item_weights):
            expected = pairs.part(slice(row, row + 1)).fused(float(weight))
            np.testing.assert_array_equal(fused.scores[[row]], expected)
    assert fused.weight == fused.item_weights[0]


def test_the_published_record_is_the_best_row_of_the_sweep():
    pairs = random_pairs(4)
    pairs.audio[5] = 0
    means = one_by_one(pairs, weight_grid()).mean(axis=1)
    found = reference_metrics(pairs, weight_grid())
    assert (found["items"], found["weight"]) == (60, weight_grid()[means.argmax()])
    assert found["mean"] == (found["top1"] + found["top5"]) / 2 == means.max()


def test_the_published_weight_is_the_best_of_the_grid_on_the_evaluated_items():
    pairs = random_pairs(4)
    found = fused_metrics(pairs, weight_from="evaluation")["fused"]
    means = one_by_one(pairs, weight_grid()).mean(axis=1)
    assert found["weight"] == weight_grid()[means.argmax()]
    assert (found["top1"] + found["top5"]) / 2 == means.max()
    assert found["weight_from"] == "evaluation"


def test_validation_items_choose_the_weight_alone():
    evaluated, validation = random_pairs(5), random_pairs(6)
    found = fused_metrics(evaluated, validation=validation)
    weight = float(weight_grid()[sweep(validation, weight_grid()).best()])
    assert found["fused"]["weight"] == weight
    assert found["fused"]["weight_from"] == "validation"
    assert found["audio"] == top_metrics(evaluated.audio, evaluated.labels)
    expected = top_metrics(evaluated.fused(weight), evaluated.labels)
    assert {name: found["fused"][name] for name in expected} == expected


def test_scores_that_do_not_belong_together_are_refused():
    pairs = random_pairs(7)
    with pytest.raises(ValueError, match=r"\(60, 11\)"):
        sweep(pairs._replace(video=pairs.video[:, :11]), weight_grid())
    with pytest.raises(ValueError, match="no item"):
        sweep(pairs.part(slice(0, 0)), weight_grid())
    with pytest.raises(ValueError, match=r"labels .* do not fit 12"):
        sweep(pairs._replace(labels=pairs.labels + 12), weight_grid())
