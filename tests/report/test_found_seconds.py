"""What a search prints, and its page of players."""

import pytest
from made_up_archive import embed_words, write_study

from avlib.report.clock import clock
from avlib.report.found_seconds import (
    media_files,
    places,
    search_lines,
    write_search_page,
)
from avlib.tagging.moments import Moment, search_like
from avlib.tagging.queries import Hit
from avlib.tagging.search import search_words


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "results" / "custom"
    write_study(folder)
    return folder


def test_lines_show_both_legs_reliabilities_and_the_nearest_classes(study):
    lines = search_lines(search_words(study, "dog", embed_words, None, 3))
    assert lines[0].startswith(
        "dog: the 3 best of 320 seconds; scores are deviations from their mean"
    )
    for line, name in zip(lines[1:3], ("Dog bark", "terrier dog"), strict=True):
        assert "weight 0." in line and "r 0." in line and f": {name} 0." in line
        assert line.count(",") == 3  # and so three classes
    assert lines[3].split() == ["score", "sound", "picture", "time", "video"]
    assert lines[4].split()[3] in {f"0:0{second}" for second in range(4, 8)}
    assert len(lines) == 7


def test_lines_show_an_absent_leg_and_doubts(study):
    lines = search_lines(search_words(study, "bell", embed_words, None, 1))
    assert lines[-1].split()[2] == "-"
    doubtful = search_lines(search_words(study, "xylophone", embed_words, None, 1))
    assert any("no class is near" in line for line in doubtful)


def test_lines_of_a_moment_name_no_classes(study):
    lines = search_lines(search_like(study, Moment("dog 0", 5), 1))
    assert lines[0].startswith("dog 0@5: the 1 best of 320 seconds")
    assert lines[1].split() == ["sound", "weight", "0.73"]


def test_successive_seconds_are_one_place():
    hits = [Hit(v, t, t + 1, s, {}) for v, t, s in (("a", 3, 5), ("b", 3, 4), ("a", 4, 6))]
    assert [(p.best.score, p.start_s, p.stop_s) for p in places(hits)] == [(6, 3, 5), (4, 3, 4)]


def test_times_are_shown_as_players_show_them():
    assert [clock(s) for s in (0, 61, 3599, 3661)] == ["0:00", "1:01", "59:59", "1:01:01"]


def test_the_page_has_a_player_of_each_place(study, monkeypatch):
    monkeypatch.chdir(study.parents[1])
    media = study.parents[1] / "videos"
    media.mkdir()
    for name in ("dog 0", "blind 1"):
        (media / f"{name}.mp4").write_bytes(b"")
    page = study / "search.html"
    found = search_words(study, "dog", embed_words, None, 8)
    write_search_page(found, media_files(study, found.hits), page)
    text = page.read_text("utf-8")
    player = '<video controls preload="metadata" src="../../videos/dog%200.mp4#t=3,9"></video>'
    assert text.count(player) == text.count("<video ") == 1  # the file of the other is gone
    assert text.count("<figcaption>") == 2
    found = search_words(study, "bell", embed_words, None, 8)
    write_search_page(found, media_files(study, found.hits), page)
    assert '<audio controls preload="metadata" src="../../videos/blind%201.mp4#t=3,9">' in (
        page.read_text("utf-8")
    )


def test_words_are_shown_and_not_run(study):
    page = study / "search.html"
    write_search_page(search_words(study, "<script>", embed_words, None, 1), {}, page)
    text = page.read_text("utf-8")
    assert "<script>" not in text and "&lt;script&gt;" in text
