import numpy as np
import pytest

from avlib.tim.ensemble import DEFAULT, POOLED_S, Ensemble, Seconds, answer, choose

SINGLE = Ensemble({"audio": 1.0}, 0.0)


def probabilities(rng, n, k):
    return rng.dirichlet(np.full(k, 0.5), n).astype(np.float32)


def seconds(n_videos, length, background):
    video = np.repeat(np.arange(n_videos), length)
    return Seconds(video, np.tile(np.arange(length, dtype=float), n_videos), background)


def plain_answer(ensemble, probs, at):
    """The ten-line version of `answer`, second by second."""
    product = np.prod([probs[m] ** w for m, w in ensemble.weights.items()], axis=0)
    product /= product.sum(axis=1, keepdims=True)
    kept = [k for k in range(product.shape[1]) if k != at.background]
    event = product[:, kept].sum(axis=1, keepdims=True)
    classes, found = product[:, kept] / event, product.copy()
    for n in range(len(product)):
        near = (at.video == at.video[n]) & (abs(at.start_s - at.start_s[n]) < POOLED_S)
        around = np.exp((event[near] * np.log(classes[near])).sum(axis=0) / event[near].sum())
        mixed = classes[n] ** (1 - ensemble.pooling) * around**ensemble.pooling
        found[n, kept] = event[n] * mixed / mixed.sum()
    return found


@pytest.mark.parametrize("background", [None, 0, 3])
@pytest.mark.parametrize("pooling", [0.0, 0.5, 1.0])
def test_the_answer_is_a_weighted_product_pooled_over_the_seconds_around(pooling, background):
    rng = np.random.default_rng(0)
    at = seconds(2, 13, background)
    order = rng.permutation(len(at.video))  # seconds may come in any order
    at = Seconds(at.video[order], at.start_s[order], background)
    probs = {m: probabilities(rng, 26, 4) for m in ("audio", "visual")}
    ensemble = Ensemble({"audio": 0.7, "visual": 0.3}, pooling)
    found = answer(ensemble, probs, at)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found, plain_answer(ensemble, probs, at), rtol=1e-4, atol=1e-6)


def test_one_model_without_pooling_answers_as_it_does_alone():
    probs = {"audio": probabilities(np.random.default_rng(1), 10, 5)}
    found = answer(SINGLE, probs, seconds(1, 10, 4))
    np.testing.assert_allclose(found, probs["audio"], rtol=1e-5, atol=1e-7)


def test_pooling_leaves_the_probability_of_background_and_corrects_a_class():
    probs = np.full((10, 4), [0.8, 0.1, 0.05, 0.05], dtype=np.float32)
    probs[4] = [0.3, 0.4, 0.2, 0.1]
    at = seconds(1, 10, 3)
    found = answer(Ensemble({"audio": 1.0}, 0.5), {"audio": probs}, at)
    assert found[:, 3] == pytest.approx(probs[:, 3], abs=1e-6)
    assert (found.argmax(axis=1) == 0).all()


def known(labels, share, rng, n_classes=4):
    """Predictions that are right in a share of the videos, and sure of another class elsewhere."""
    said = labels.reshape(-1, 10).copy()
    wrong = rng.random(len(said)) >= share
    said[wrong] = (said[wrong] + 1) % n_classes
    return np.eye(n_classes, dtype=np.float32)[said.ravel()] * 0.9 + 0.025


def models(rng, **shares):
    labels = np.repeat(rng.integers(3, size=40), 10)
    return {m: known(labels, share, rng) for m, share in shares.items()}, labels


def test_models_that_are_alike_on_the_validation_split_keep_the_default_weights():
    labels = np.repeat(np.random.default_rng(2).integers(3, size=40), 10)
    alike = known(labels, 0.7, np.random.default_rng(3))
    chosen = choose(dict.fromkeys(DEFAULT.weights, alike), labels, seconds(40, 10, 3))
    assert chosen.weights == pytest.approx(DEFAULT.weights)
    assert chosen.pooling == DEFAULT.pooling


def test_a_model_counts_by_how_much_more_it_knows_than_the_commonest_class():
    labels = np.repeat([0, 0, 1, 2] * 10, 10)  # half of them are 0
    probs = {
        "audio_visual": np.eye(4, dtype=np.float32)[labels],
        "audio": np.eye(4, dtype=np.float32)[np.where(labels == 2, 0, labels)],  # 0.75 are right
        "visual": np.eye(4, dtype=np.float32)[np.zeros_like(labels)],
    }
    chosen = choose(probs, labels, seconds(40, 10, 3))
    assert chosen.weights == pytest.approx({"audio_visual": 2 / 3, "audio": 1 / 3})


def test_a_model_that_is_clearly_better_alone_answers_alone():
    rng = np.random.default_rng(3)
    probs, labels = models(rng, audio_visual=0.1, audio=0.9, visual=0.1)
    at = seconds(40, 10, 3)
    chosen = choose(probs, labels, at)
    right = answer(chosen, probs, at).argmax(axis=1) == labels
    assert right.mean() >= (probs["audio"].argmax(axis=1) == labels).mean()
    assert "audio" in chosen.weights and chosen != DEFAULT


def test_one_video_decides_nothing():
    probs, labels = models(np.random.default_rng(4), audio_visual=0.0, audio=1.0, visual=0.0)
    few = {m: p[:10] for m, p in probs.items()}
    assert choose(few, labels[:10], seconds(1, 10, 3)) == DEFAULT
