"""Search by words, and by a moment, in a small study with scored seconds."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_up_archive import KINDS, embed_words, write_study

from avlib.errors import DataError
from avlib.tagging.archive import LEGS, Archive
from avlib.tagging.moments import Moment, search_like
from avlib.tagging.search import FAR, INDEX
from avlib.tagging.search import search_words as search_by_vectors


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "custom"
    write_study(folder)
    return folder


def search_words(folder, words, top):
    """Search in a study whose legs are all of classes."""
    return search_by_vectors(folder, words, embed_words, None, top)


def found_videos(found):
    return {(hit.video_id.split()[0], hit.start_s) for hit in found.hits}


def test_words_find_the_seconds_that_hold_the_thing(study):
    found = search_words(study, "dog", 8)
    assert found_videos(found) == {("dog", second) for second in range(4, 8)}
    assert (found.unit, found.searched, found.remark) == ("deviations", 320, "")
    assert next(iter(found.legs["sound"].classes)) == "Dog bark"
    assert next(iter(found.legs["picture"].classes)) == "terrier dog"
    best = found.hits[0]
    weights = {leg: meaning.weight for leg, meaning in found.legs.items()}
    assert best.score == pytest.approx(sum(weights[leg] * best.parts[leg] for leg in weights))


def test_a_video_with_one_leg_is_found_by_it(study):
    found = search_words(study, "church bell", 16)
    assert {("deaf", 5), ("blind", 5)} <= found_videos(found)
    legs = {hit.video_id.split()[0]: set(hit.parts) for hit in found.hits}
    assert (legs["deaf"], legs["blind"]) == ({"picture"}, {"sound"})


def test_words_that_no_class_is_near_to_are_remarked_on(study):
    found = search_words(study, "xylophone", 3)
    assert found.remark == FAR


def test_few_seconds_are_found_by_probability(tmp_path):
    write_study(tmp_path, seconds=10, copies=1)
    found = search_words(tmp_path, "dog", 4)
    assert (found.unit, found.searched) == ("probability", 40)
    assert found_videos(found) == {("dog", second) for second in range(4, 8)}
    assert all(0 < hit.score <= 1 for hit in found.hits)


def test_a_moment_finds_those_like_it_and_not_itself(study):
    found = search_like(study, Moment("dog 0", 5.9), 4)
    assert {(hit.video_id, hit.start_s) for hit in found.hits} == {
        ("dog 1", second) for second in range(4, 8)
    }
    assert found.unit == "deviations"


@pytest.mark.parametrize(("name", "leg"), [("deaf", "picture"), ("blind", "sound")])
def test_a_moment_without_sound_or_picture_is_compared_by_the_other(study, name, leg):
    found = search_like(study, Moment(f"{name} 0", 5), 4)
    assert {hit.video_id for hit in found.hits} == {f"{name} 1"}
    assert list(found.legs) == [leg]


def test_an_index_is_made_once_and_again_where_packs_have_changed(tmp_path):
    write_study(tmp_path)
    before = search_words(tmp_path, "dog", 4)
    stamp = (tmp_path / INDEX / "index.h5").stat().st_mtime_ns
    search_words(tmp_path, "water", 4)
    assert (tmp_path / INDEX / "index.h5").stat().st_mtime_ns == stamp
    shutil.rmtree(tmp_path / "seconds")
    write_study(tmp_path, seconds=30)
    after = search_words(tmp_path, "dog", 4)
    assert (before.searched, after.searched) == (320, 240)


def test_a_damaged_index_is_made_again(tmp_path):
    write_study(tmp_path)
    before = search_words(tmp_path, "dog", 4)
    (tmp_path / INDEX / "index.h5").write_bytes(b"torn")
    assert search_words(tmp_path, "dog", 4) == before


@pytest.mark.parametrize("text", ["kitchen", "@3", "kitchen@", "kitchen@-1", "kitchen@nan", "a@b"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(DataError, match="write VIDEO@SECONDS"):
        Moment.read(text)


def test_an_id_with_the_sign_of_moments_is_read():
    assert Moment.read("me@home@12.5") == Moment("me@home", 12.5)


def test_a_wrong_video_or_time_is_named_with_the_remedy(study):
    with pytest.raises(DataError, match=r"no video 'dog0'.*did you mean dog [01]"):
        search_like(study, Moment("dog0", 3), 4)
    with pytest.raises(DataError, match="dog 0 has 40 scored seconds"):
        search_like(study, Moment("dog 0", 40), 4)


def test_a_study_without_scored_seconds_is_one_line(tmp_path):
    with pytest.raises(DataError, match="snakemake"):
        search_words(tmp_path, "dog", 4)


def towers(*legs):
    """Return the kinds of legs, some with a network that takes texts."""
    return {n: replace(kind, scale=10.0) if n in legs else kind for n, kind in KINDS.items()}


def plain_cosines(folder, leg, vector):
    """Return the cosine of each second that has the leg, by video and second."""
    found = {}
    with Archive(folder) as archive:
        for number, video_id in enumerate(archive.video_ids):
            if archive.is_there[leg][number]:
                first, seconds = archive.firsts[number], archive.seconds[number]
                for second in range(seconds):
                    row = archive.embeddings(leg, first + second, first + second + 1)[0]
                    row = row.astype(np.float64)
                    lengths = np.linalg.norm(row) * np.linalg.norm(vector)
                    found[video_id, second] = row @ vector / lengths
    return found


def in_deviations(scores):
    values = np.array(list(scores.values()))
    return {key: (value - values.mean()) / values.std() for key, value in scores.items()}


@pytest.mark.parametrize("seconds", [40, 10])
def test_legs_that_take_texts_are_searched_by_the_cosines_of_all_seconds(tmp_path, seconds):
    write_study(tmp_path, seconds=seconds, copies=1, kinds=towers(*LEGS))
    vectors = {leg: np.random.default_rng(1).normal(size=KINDS[leg].channels) for leg in LEGS}
    found = search_by_vectors(tmp_path, "dog", None, lambda leg, kind: vectors[leg], 7)
    plain = {leg: plain_cosines(tmp_path, leg, vectors[leg]) for leg in LEGS}
    assert found.unit == ("cosine" if seconds == 10 else "deviations")
    if seconds == 40:
        plain = {leg: in_deviations(scores) for leg, scores in plain.items()}
    keys = plain["sound"].keys() | plain["picture"].keys()
    weights = {leg: found.legs[leg].weight for leg in LEGS}
    assert weights["sound"] == pytest.approx(1 / (1 + np.exp(-1)))
    fused = {}
    for key in keys:
        own = {leg: plain[leg][key] for leg in LEGS if key in plain[leg]}
        total = sum(weights[leg] for leg in own)
        fused[key] = sum(weights[leg] / total * value for leg, value in own.items())
    best = sorted(keys, key=lambda key: (-fused[key], key))[:7]
    assert [(hit.video_id, hit.start_s) for hit in found.hits] == best
    np.testing.assert_allclose([hit.score for hit in found.hits], [fused[k] for k in best], 1e-4)


def test_a_leg_of_classes_beside_one_that_takes_texts_has_the_score_of_its_index(tmp_path):
    write_study(tmp_path / "classes")
    write_study(tmp_path / "joint", kinds=towers("picture"))
    vector = np.random.default_rng(1).normal(size=KINDS["picture"].channels)
    found = search_by_vectors(
        tmp_path / "joint", "dog bark", embed_words, lambda leg, kind: vector, 320
    )
    plain = search_words(tmp_path / "classes", "dog bark", 320)
    assert found.legs["sound"].classes == plain.legs["sound"].classes
    assert found.legs["picture"].reliability is None
    sound = {(hit.video_id, hit.start_s): hit.parts.get("sound") for hit in plain.hits}
    for hit in found.hits:
        assert hit.parts.get("sound") == pytest.approx(sound[hit.video_id, hit.start_s])


def test_classes_that_are_not_near_do_not_count_beside_a_text_tower(tmp_path):
    write_study(tmp_path, kinds=towers("picture"))
    vector = np.random.default_rng(1).normal(size=KINDS["picture"].channels)
    found = search_by_vectors(tmp_path, "xylophone", embed_words, lambda leg, kind: vector, 320)
    assert set(found.legs) == {"picture"}
    assert all(hit.parts == {"picture": hit.score} for hit in found.hits)
