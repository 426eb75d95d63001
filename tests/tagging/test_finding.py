"""Scores of labels over an archive, in deviations or as probabilities, against ten plain lines."""

import numpy as np
import pytest
from scored_packs import random_rows, write_packs

from avlib.tagging.archive import Archive
from avlib.tagging.finding import ClassTagger, LabelTagger
from avlib.tagging.recipes import Tagging
from avlib.tagging.scores import FLOOR, LOGARITHMS, encoded
from avlib.tagging.words import ClassWeights, LabelVectors, class_weights

DRAW = np.random.default_rng(4)
LABELS = ("a dog", "a fish")
MEANINGS = {
    "sound": class_weights(DRAW.uniform(size=(2, 3)), top=2),
    "picture": class_weights(DRAW.uniform(size=(2, 4)), top=3),
}
EVERYTHING = Tagging(onset=-9, offset=-9)


TOWERS = {
    leg: LabelVectors(DRAW.normal(size=(2, width)), DRAW.normal(size=(9, width)), 0.5)
    for leg, width in (("sound", 3), ("picture", 4))
}


def both(seconds):
    return {leg: random_rows(leg, seconds, DRAW) for leg in ("sound", "picture")}


@pytest.fixture
def videos():
    """160 seconds; b has no picture, c no sound."""
    return {
        "a": both(90),
        "b": {"sound": random_rows("sound", 40, DRAW)},
        "c": {"picture": random_rows("picture", 30, DRAW)},
    }


def of_leg(rows, meaning):
    """Return the scores (Q, T) of a leg: of classes their logarithms, else cosines."""
    if isinstance(meaning, ClassWeights):
        logs, each = LOGARITHMS[rows[0]], zip(meaning.classes, meaning.weights, strict=True)
        return np.array([logs[:, c] @ w for c, w in each])
    vectors = rows[1].astype(float)
    return meaning.labels @ (vectors / np.linalg.norm(vectors, axis=1)[:, None]).T


def plain(videos, meanings, difference):
    """Return the scores (Q, T) of each video, as the page of the method has them."""
    x = {
        (leg, name): of_leg(legs[leg], meaning)
        for leg, meaning in meanings.items()
        for name, legs in videos.items()
        if leg in legs
    }
    z = {}
    for leg, name in x:
        whole = np.concatenate([x[key] for key in x if key[0] == leg], axis=1)
        mean, deviation = whole.mean(axis=1), whole.std(axis=1)
        z[leg, name] = (x[leg, name] - mean[:, None]) / deviation[:, None]
    w = 1 / (1 + np.exp(-(difference / 0.2 + 1)))[:, None]
    found = {}
    for name in videos:
        s, p = z.get(("sound", name)), z.get(("picture", name))
        f = p if s is None else s if p is None else w * s + (1 - w) * p
        found[name] = f + 0.5 * np.sort(f)[:, -3:].mean(axis=1)[:, None]
    return found


def scores(folder, meanings, tagging=EVERYTHING):
    """Return units, and scores by video and label."""
    with Archive(folder) as archive:
        tagger = LabelTagger(archive, LABELS, meanings, tagging)
        found = {v.video_id: list(tagger.candidates(v)) for v in archive.videos()}
    return tagger.units(), {v: {c.label: c.scores for c in cs} for v, cs in found.items()}


DIFFERENCE = MEANINGS["sound"].reliability - MEANINGS["picture"].reliability


@pytest.mark.parametrize(
    ("meanings", "difference"),
    [
        (MEANINGS, DIFFERENCE),
        (TOWERS, np.zeros(2)),
        ({"sound": TOWERS["sound"], "picture": MEANINGS["picture"]}, np.zeros(2)),
        ({"sound": MEANINGS["sound"], "picture": TOWERS["picture"]}, np.zeros(2)),
    ],
    ids=["classes", "text towers", "clap", "clip"],
)
def test_labels_score_as_ten_plain_lines_have_it_whatever_the_shards(
    tmp_path, videos, meanings, difference
):
    expected = plain(videos, meanings, difference)
    for number, shards in enumerate(
        ([videos], [{"b": videos["b"]}, {"a": videos["a"], "c": videos["c"]}])
    ):
        write_packs(tmp_path / str(number), shards)
        units, found = scores(tmp_path / str(number), meanings)
        assert units == dict.fromkeys(LABELS, "deviations")
        for name in videos:
            for row, label in zip(expected[name], LABELS, strict=True):
                np.testing.assert_allclose(found[name][label], row, atol=1e-12)


def test_an_archive_under_100_seconds_has_probabilities(tmp_path):
    write_packs(tmp_path, [{"b": {"sound": random_rows("sound", 99, DRAW)}}])
    tagging = Tagging(probability_onset=1e-9, probability_offset=1e-9)
    units, found = scores(tmp_path, MEANINGS, tagging)
    assert units == dict.fromkeys(LABELS, "probability")
    assert all(0 < row.min() <= row.max() <= 1 for row in found["b"].values())


def test_a_label_that_every_second_holds_has_probabilities(tmp_path):
    classes, weights = np.array([[0], [1]]), np.ones((2, 1))
    alone = {leg: ClassWeights(classes, weights, np.array([0.9, 0.9])) for leg in MEANINGS}
    everywhere, nowhere = encoded(np.full((200, 1), 0.8)), encoded(np.full((200, 2), 0.01))
    sound = np.concatenate([everywhere, nowhere], axis=1)
    write_packs(tmp_path, [{"b": {"sound": (sound, np.zeros((200, 3), np.float16))}}])
    units, found = scores(tmp_path, alone)
    assert units == {"a dog": "probability", "a fish": "deviations"}
    np.testing.assert_allclose(found["b"]["a dog"], 0.8, atol=0.02)


def test_a_short_archive_has_the_softmax_of_labels_and_what_else_there_may_be(tmp_path):
    rows = random_rows("picture", 50, DRAW)
    write_packs(tmp_path, [{"b": {"picture": rows}}])
    tagging = Tagging(probability_onset=1e-9, probability_offset=1e-9)
    units, found = scores(tmp_path, TOWERS, tagging)
    assert units == dict.fromkeys(LABELS, "probability")
    tower = TOWERS["picture"]
    for second, vector in enumerate(rows[1].astype(float)):
        vector /= np.linalg.norm(vector)
        e = np.exp(0.5 * np.concatenate([tower.labels, tower.others]) @ vector)
        for number, label in enumerate(LABELS):
            assert found["b"][label][second] == pytest.approx(e[number] / e.sum())


def test_a_label_that_no_class_is_near_to_is_found_by_the_text_tower_alone(tmp_path, videos):
    far = class_weights(np.array([[0.9, 0.1, 0.1], [0.2, 0.1, 0.3]]), top=2)
    mixed = {"sound": far, "picture": TOWERS["picture"]}
    write_packs(tmp_path, [videos])
    _, found = scores(tmp_path, mixed)
    alone = plain({n: v for n, v in videos.items() if "picture" in v}, mixed, np.full(2, -99.0))
    for name in ("a", "c"):
        np.testing.assert_allclose(found[name]["a fish"], alone[name][1], atol=1e-9)
    assert not found["b"]["a fish"].any()  # which has sound alone
    assert abs(found["a"]["a dog"] - alone["a"][0]).max() > 0.1
    assert found["b"]["a dog"].any()


def test_classes_keep_the_probability_of_their_own_leg(tmp_path, videos):
    write_packs(tmp_path, [videos])
    with Archive(tmp_path) as archive:
        tagger = ClassTagger(archive, Tagging())
        for video in archive.videos():
            found = {c.label: c for c in tagger.candidates(video)}
            names = [n for leg in video.scores for n in archive.legs[leg].classes]
            assert list(found) == names  # each of these random classes has a high second
            for leg, codes in video.scores.items():
                for name, column in zip(archive.legs[leg].classes, codes.T, strict=True):
                    p = np.exp(LOGARITHMS[column]) - FLOOR
                    np.testing.assert_allclose(found[name].scores, p, atol=1e-12)


def test_labels_below_their_onset_are_no_candidates(tmp_path, videos):
    write_packs(tmp_path, [videos])
    _, found = scores(tmp_path, MEANINGS, Tagging(onset=99, offset=1))
    assert not any(found.values())
    with Archive(tmp_path) as archive:
        tagger = ClassTagger(archive, Tagging(probability_onset=1, probability_offset=1))
        assert not [c for video in archive.videos() for c in tagger.candidates(video)]
