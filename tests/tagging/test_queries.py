"""Searches in an index against the plain way: every score of every second, then a sort."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlib.errors import DataError
from avlib.tagging import byte_columns
from avlib.tagging.archive import ScoredVideo
from avlib.tagging.byte_columns import ByteColumns, ColumnWriter, Terms, best_rows
from avlib.tagging.queries import RAW, Query, best_seconds, scales
from avlib.tagging.scores import LOGARITHMS, MeanDeviation, fuse, query_scores
from avlib.tagging.search_index import TABLE, LegQuery, SearchIndex, write_index

CLASSES = {"sound": 30, "picture": 40}


def made_up_video(rng, video_id, seconds, legs=tuple(CLASSES)):
    """Return scores that are mostly low, with runs of high ones."""
    scores = {}
    for leg in legs:
        bytes_ = rng.integers(0, 40, (seconds, CLASSES[leg])).astype(np.uint8)
        for _ in range(seconds // 4 + 1):
            first, class_ = rng.integers(seconds), rng.integers(CLASSES[leg])
            bytes_[first : first + rng.integers(1, 9), class_] = rng.integers(100, 256)
        scores[leg] = bytes_
    return ScoredVideo(video_id, 0, seconds, scores)


def made_up_query(rng, n=10):
    weights = {leg: rng.dirichlet(np.ones(n)) for leg in CLASSES}
    legs = {leg: LegQuery(rng.permutation(CLASSES[leg])[:n], weights[leg]) for leg in CLASSES}
    return Query(legs, 0.7)


def plain_search(videos, query, top):
    """Return the same as `best_seconds`, by the functions that tag videos."""
    x = {
        (v.video_id, leg): query_scores(
            LOGARITHMS[b], query.legs[leg].classes[None], query.legs[leg].weights[None]
        )
        for v in videos
        for leg, b in v.scores.items()
    }
    statistics = {
        leg: MeanDeviation.of([s for (_, of), s in x.items() if of == leg], 1) for leg in CLASSES
    }
    hits = []
    for v in videos:
        z = {leg: statistics[leg].standardised(x[v.video_id, leg]) for leg in v.scores}
        fused = fuse(z.get("sound"), z.get("picture"), np.array([query.sound_weight]))[0]
        for t, score in enumerate(fused.tolist()):
            hits.append((v.video_id, t, score, {leg: float(z[leg][0, t]) for leg in z}))
    return sorted(hits, key=lambda hit: (-round(hit[2], 9), hit[:2]))[:top]


@pytest.mark.parametrize("top", [1, 7, 100, 5000])
def test_a_search_finds_what_scoring_every_second_finds(tmp_path, top):
    rng = np.random.default_rng(0)
    legs = [("sound", "picture"), ("sound",), ("picture",)]
    videos = [
        made_up_video(rng, f"video {i:02d}", int(rng.integers(1, 400)), legs[i % 3])
        for i in range(15)
    ]
    write_index(tmp_path / "search", videos, "")
    index = SearchIndex(tmp_path / "search")
    for _ in range(5):
        query = made_up_query(rng)
        found = best_seconds(index, query, scales(index, query), top)
        plain = plain_search(videos, query, top)
        assert [hit[:2] for hit in found] == [hit[:2] for hit in plain]
        for hit, twin in zip(found, plain, strict=True):
            assert hit.score == pytest.approx(twin[2], abs=1e-9)
            assert hit.parts == pytest.approx(twin[3], abs=1e-9)


def columns_of(folder, rows):
    with (folder / "a").open("wb") as content, (folder / "b").open("wb") as maxima:
        writer = ColumnWriter(content, maxima, rows.shape[1])
        for part in np.array_split(rows, 3):
            list(writer.add(part))
        list(writer.flush())
    return ByteColumns(folder / "a", folder / "b", len(rows), rows.shape[1])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1000),
    n_rows=st.integers(1, 3000),
    highest=st.sampled_from([1, 3, 60, 255]),
    top=st.sampled_from([1, 10, 100]),
)
def test_the_best_rows_are_those_of_a_full_scan_bit_for_bit(
    tmp_path_factory, seed, n_rows, highest, top
):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, highest + 1, (n_rows, 12)).astype(np.uint8)
    coefficients = rng.exponential(size=8) * rng.choice([0, 1e-3, 1, 50], 8)
    terms = Terms(rng.permutation(12)[:8], coefficients, float(rng.normal()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_columns, "CHUNK", 1024)
        patch.setattr(byte_columns, "BATCH", 2)
        patch.setattr(byte_columns, "DENSE", float(rng.choice([0.0, 0.5, 2.0])))
        columns = columns_of(tmp_path_factory.mktemp("columns"), rows)
        found, sums = best_rows(columns, terms, top)
    every = terms.of(rows[:, terms.classes].T)
    order = np.lexsort((np.arange(n_rows), -every))[:top]
    assert found.tolist() == order.tolist()
    assert sums.tolist() == every[order].tolist()


def test_moments_of_a_query_are_those_of_all_seconds(tmp_path):
    rng = np.random.default_rng(1)
    videos = [made_up_video(rng, f"{i}", 300) for i in range(3)]
    write_index(tmp_path / "search", videos, "")
    query = made_up_query(rng).legs["picture"]
    logs = LOGARITHMS[np.concatenate([v.scores["picture"] for v in videos])]
    plain = MeanDeviation.of([query_scores(logs, query.classes[None], query.weights[None])], 1)
    index = SearchIndex(tmp_path / "search")
    found = index.mean_deviation("picture", query)
    assert found.seconds == 900
    assert found.mean == pytest.approx(plain.mean, rel=1e-12)
    assert found.deviation == pytest.approx(plain.deviation, rel=1e-9)


def test_few_seconds_have_raw_scores(tmp_path):
    rng = np.random.default_rng(2)
    video = made_up_video(rng, "short", 20, ("sound",))
    write_index(tmp_path / "search", [video], "")
    query = made_up_query(rng)
    index = SearchIndex(tmp_path / "search")
    best = best_seconds(index, query, scales(index, query), 1)[0]
    classes, weights = query.legs["sound"]
    raw = LOGARITHMS[video.scores["sound"][int(best.start_s), classes]] @ weights
    assert best.score == pytest.approx(raw)
    assert best.parts == {"sound": pytest.approx(raw)}


def test_what_every_second_holds_has_raw_scores(tmp_path):
    rng = np.random.default_rng(3)
    rare = made_up_video(rng, "rare", 300, ("sound",))
    scores = rare.scores["sound"].copy()
    query = made_up_query(rng)
    scores[:, query.legs["sound"].classes] = rng.integers(220, 256, (300, 10))
    for name, video in {"rare": rare, "held": rare._replace(scores={"sound": scores})}.items():
        write_index(tmp_path / name, [video], "")
    assert scales(SearchIndex(tmp_path / "rare"), query)["sound"] != RAW
    assert scales(SearchIndex(tmp_path / "held"), query)["sound"] == RAW


def test_an_archive_without_seconds_finds_nothing(tmp_path):
    write_index(tmp_path / "search", [ScoredVideo("deaf and blind", 0, 3, {})], "")
    index = SearchIndex(tmp_path / "search")
    assert best_seconds(index, made_up_query(np.random.default_rng(0)), {}, 5) == []


@pytest.mark.parametrize("name", [TABLE, "sound.bytes", "sound.maxima"])
def test_a_damaged_index_is_named(tmp_path, name):
    video = made_up_video(np.random.default_rng(0), "one", 200, ("sound",))
    write_index(tmp_path / "search", [video], "")
    file = tmp_path / "search" / name
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError, match=name):
        SearchIndex(tmp_path / "search")


def test_equal_archives_have_equal_indices(tmp_path):
    for folder in ("a", "b"):
        video = made_up_video(np.random.default_rng(0), "one", 200)
        write_index(tmp_path / folder, [video], "digest")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
