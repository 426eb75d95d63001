"""Search by words, and by a moment, in a small study with scored seconds."""

import shutil

import pytest
from made_up_archive import embed_words, write_study

from avlib.errors import DataError
from avlib.tagging.moments import Moment, search_like
from avlib.tagging.search import INDEX, search_words


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "custom"
    write_study(folder)
    return folder


def found_videos(found):
    return {(hit.video_id.split()[0], hit.start_s) for hit in found.hits}


def test_words_find_the_seconds_that_hold_the_thing(study):
    found = search_words(study, "dog", embed_words, 8)
    assert found_videos(found) == {("dog", second) for second in range(4, 8)}
    assert (found.unit, found.searched, found.remark) == ("deviations", 320, "")
    assert next(iter(found.legs["sound"].classes)) == "Dog bark"
    assert next(iter(found.legs["picture"].classes)) == "terrier dog"
    best = found.hits[0]
    weights = {leg: meaning.weight for leg, meaning in found.legs.items()}
    assert best.score == pytest.approx(sum(weights[leg] * best.parts[leg] for leg in weights))


def test_a_video_with_one_leg_is_found_by_it(study):
    found = search_words(study, "church bell", embed_words, 16)
    assert {("deaf", 5), ("blind", 5)} <= found_videos(found)
    legs = {hit.video_id.split()[0]: set(hit.parts) for hit in found.hits}
    assert (legs["deaf"], legs["blind"]) == ({"picture"}, {"sound"})


def test_words_that_no_class_is_near_to_are_remarked_on(study):
    found = search_words(study, "xylophone", embed_words, 3)
    assert found.remark.startswith("no class is near")


def test_few_seconds_are_found_by_probability(tmp_path):
    write_study(tmp_path, seconds=10, copies=1)
    found = search_words(tmp_path, "dog", embed_words, 4)
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
    before = search_words(tmp_path, "dog", embed_words, 4)
    stamp = (tmp_path / INDEX / "index.h5").stat().st_mtime_ns
    search_words(tmp_path, "water", embed_words, 4)
    assert (tmp_path / INDEX / "index.h5").stat().st_mtime_ns == stamp
    shutil.rmtree(tmp_path / "seconds")
    write_study(tmp_path, seconds=30)
    after = search_words(tmp_path, "dog", embed_words, 4)
    assert (before.searched, after.searched) == (320, 240)


def test_a_damaged_index_is_made_again(tmp_path):
    write_study(tmp_path)
    before = search_words(tmp_path, "dog", embed_words, 4)
    (tmp_path / INDEX / "index.h5").write_bytes(b"torn")
    assert search_words(tmp_path, "dog", embed_words, 4) == before


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


def test_a_study_without_scored_seconds_and_empty_words_are_one_line(tmp_path, study):
    with pytest.raises(DataError, match="snakemake"):
        search_words(tmp_path, "dog", embed_words, 4)
    with pytest.raises(DataError, match="no words"):
        search_words(study, " ", embed_words, 4)
