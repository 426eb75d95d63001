"""Pictures of found events, and the last lines of a run."""

import json
from xml.etree import ElementTree

import pandas as pd
import pytest

from avlib.io.tables import write_table
from avlib.report.found_events import MOST_LABELS, draw_found_events, draw_video
from avlib.report.results import closing_lines
from avlib.tagging.tables import FOUND_EVENTS, TAGGED_SECONDS

SVG = "{http://www.w3.org/2000/svg}"
COLUMNS = [column.name for column in FOUND_EVENTS.columns]
TAGS = {
    "study": "custom",
    "videos": {
        "found": 3,
        "used": 2,
        "left_out": {"unreadable": {"count": 1, "names": ["c"]}},
        "passed_over": {},
    },
    "seconds": 200,
    "events": 5,
    "left_out": ["label 'tax return': no class is near"],
    "commonest": [
        {
            "label": "Dog",
            "events": 5,
            "seconds": 13.0,
            "times": [
                {"video_id": "a", "start_s": 3.0, "stop_s": 5.0},
                {"video_id": "a", "start_s": 61.0, "stop_s": 64.0},
                {"video_id": "b", "start_s": 0.0, "stop_s": 4.0},
            ],
        }
    ],
}


def drawn(rows, stop_s=12.0, video_id="a <b> & c"):
    lines = draw_video(video_id, pd.DataFrame(rows, columns=COLUMNS), stop_s)
    return ElementTree.fromstring("\n".join(lines))


def test_a_bar_is_as_long_as_its_event_and_says_what_it_is():
    root = drawn([("a", 3.0, 6.0, 'Dog "x"', 0.9), ("a", 0.0, 12.0, "Music", 0.4)])
    bars = [bar for bar in root.iter(f"{SVG}rect") if bar.find(f"{SVG}title") is not None]
    widths = {bar.find(f"{SVG}title").text: float(bar.get("width")) for bar in bars}
    assert widths['Dog "x", 3 to 6 s, score 0.90'] == pytest.approx(
        widths["Music, 0 to 12 s, score 0.40"] / 4, abs=0.2
    )
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts[0] == "a <b> & c"
    assert {"Music", 'Dog "x"', "0:00", "0:12"} <= set(texts)


def test_a_video_without_events_says_so_and_one_with_many_labels_how_many_are_hidden():
    assert drawn([]).find(f"{SVG}text").text.endswith(": no events")
    many = [("a", 0.0, 2.0, f"label {k}", k / 99) for k in range(MOST_LABELS + 7)]
    root = drawn(many)
    assert root.find(f"{SVG}text").text.endswith("(and 7 more labels)")
    assert "label 0" not in [text.text for text in root.iter(f"{SVG}text")]


def test_hours_have_few_marks_of_time():
    root = drawn([], stop_s=3 * 3600.0)
    assert [t.text for t in root.iter(f"{SVG}text")][1:4] == ["0:00", "20:00", "40:00"]


def test_every_video_has_a_picture_on_the_page(tmp_path):
    seconds = pd.DataFrame(
        [(v, 0.0, 1.0, "background", None) for v in ("-50%", "a#b", "ç")],
        columns=[column.name for column in TAGGED_SECONDS.columns],
    )
    seconds["score"] = seconds["score"].astype(float)
    write_table(seconds, tmp_path / "seconds.parquet", TAGGED_SECONDS)
    events = pd.DataFrame([("ç", 0.0, 1.0, "Dog", 0.5)], columns=COLUMNS)
    write_table(events, tmp_path / "events.parquet", FOUND_EVENTS)
    page = tmp_path / "timelines" / "index.html"
    page.parent.mkdir()
    (page.parent / "gone.svg").touch()
    draw_found_events(tmp_path / "events.parquet", tmp_path / "seconds.parquet", page)
    names = {path.name for path in page.parent.iterdir()}
    assert names == {"-50%.svg", "a#b.svg", "ç.svg", "index.html"}
    assert 'src="-50%25.svg"' in page.read_text()
    assert 'src="a%23b.svg"' in page.read_text()


def test_a_run_ends_with_the_commonest_events_and_their_times(tmp_path):
    path = tmp_path / "custom" / "tags.json"
    path.parent.mkdir()
    path.write_text(json.dumps(TAGS))
    lines = closing_lines([path.with_name("events.csv"), path])
    assert lines[0] == f"custom: {path}"
    assert "3 found, 2 used; left out: 1 unreadable (c)" in lines[1]
    assert "5 events in 200 s of 2 videos" in lines[2]
    assert "left out: label 'tax return': no class is near" in lines[4]
    assert lines[-1] == "    Dog     5 x, 13 s: a 0:03-0:05 1:01-1:04, b 0:00-0:04, ..."
