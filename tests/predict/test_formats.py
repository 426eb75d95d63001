"""Files of events are read back, by plain readers and by packages that others use."""

import csv
import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree as etree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlib.predict.formats import Labelled, write_all, write_audacity
from avlib.predict.tables import Event

HARD = 'a "loud" bell\nand <dogs> & fl\u00f6te'
SAID = 'a "loud" bell and <dogs> & fl\u00f6te'
TRACKS = {
    "actions": [Event(0.0, 1.25, "open", 0.75), Event(1.25, 3.5, HARD, 0.5)],
    "sounds": [Event(2.0, 9000.125, "hum", 1.0)],
}
TIMES = [("actions", 0.0, 1.25, "open"), ("actions", 1.25, 3.5, SAID)]
TIMES += [("sounds", 2.0, 9000.125, "hum")]


@pytest.fixture
def folder(tmp_path):
    """All files of a recording with a name as names are."""
    path = tmp_path / "media" / "a b\u00fcro#1.wav"
    path.parent.mkdir()
    path.touch()
    models = {"actions": "actions", "sounds": "audio_visual"}
    write_all(Labelled("it", path, 9100.5, TRACKS, "epic", models), tmp_path / "out")
    return tmp_path / "out"


def test_no_interval_of_a_textgrid_is_empty_where_an_event_ends_with_the_recording(tmp_path):
    tracks = {"events": [Event(8.0, 10.0004, "bell", 0.5)]}
    write_all(Labelled("it", tmp_path / "it.wav", 10.0004, tracks, "ave", {}), tmp_path)
    lines = (tmp_path / "it.TextGrid").read_text().splitlines()
    times = [line.split(" = ")[1] for line in lines if re.match(" +xm(in|ax)", line)]
    assert times == ["0", "10", "0", "8", "8", "10"]


def test_json_has_the_events_of_each_track(folder):
    content = json.loads((folder / "it.json").read_text())
    assert content["tracks"]["sounds"] == [
        {"start_s": 2.0, "stop_s": 9000.125, "label": "hum", "score": 1.0}
    ]
    assert content["tracks"]["actions"][1]["label"] == HARD
    assert content["models"] == {"actions": "actions", "sounds": "audio_visual"}


def test_csv_has_a_row_an_event_in_order_of_time(folder):
    with (folder / "it.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["open", HARD, "hum"]
    assert (rows[1]["start_s"], rows[1]["stop_s"]) == ("1.250", "3.500")
    assert (rows[2]["track"], rows[2]["score"]) == ("sounds", "1.0000")


def test_audacity_has_a_line_a_label(folder):
    lines = (folder / "it.txt").read_text("utf-8").splitlines()
    found = [line.split("\t") for line in lines]
    assert [(float(a), float(b), label) for a, b, label in found] == [
        (start, stop, f"{track}: {label}") for track, start, stop, label in TIMES
    ]


def test_labels_of_one_track_do_not_name_it(tmp_path):
    events = {"events": [Event(1.0, 2.0, "bell", 0.9)]}
    write_all(Labelled("it", tmp_path / "it.mp4", 3.0, events, "ave", {}), tmp_path)
    assert (tmp_path / "it.txt").read_text() == "1.000000\t2.000000\tbell\n"


@given(label=st.text(), start_s=st.floats(0, 1e5), length_s=st.floats(0.001, 1e4))
def test_no_label_breaks_a_line_for_audacity(tmp_path_factory, label, start_s, length_s):
    target = tmp_path_factory.mktemp("labels") / "it.txt"
    event = Event(start_s, start_s + length_s, label, 0.5)
    labelled = Labelled("it", Path("it.wav"), 2e5, {"events": [event]}, "ave", {})
    write_audacity(labelled, target)
    (line,) = target.read_text("utf-8").split("\n")[:-1]
    start, stop, text = line.split("\t")
    assert re.fullmatch(r"\d+\.\d{6}", start)
    assert float(start) == pytest.approx(start_s, abs=1e-6)
    assert float(stop) == pytest.approx(event.stop_s, abs=1e-6)
    assert text == " ".join(label.split())


@given(label=st.text(st.characters()))
def test_every_label_is_read_back_from_elan_and_csv(tmp_path_factory, label):
    target = tmp_path_factory.mktemp("labels")
    labelled = Labelled("it", Path("it.wav"), 2.0, {"e": [Event(0, 1, label, 0.5)]}, "ave", {})
    write_all(labelled, target)
    shown = label.encode("utf-8", "backslashreplace").decode("utf-8")
    shown = shown.replace("\r\n", "\n").replace("\r", "\n")
    with (target / "it.csv").open(newline="", encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == [shown]
    (found,) = etree.parse(target / "it.eaf").iter("ANNOTATION_VALUE")
    assert (found.text or "") == re.sub(
        r"[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", shown
    )


def test_elan_has_a_tier_a_track_and_finds_the_recording(folder):
    root = etree.parse(folder / "it.eaf").getroot()
    slots = {s.get("TIME_SLOT_ID"): int(s.get("TIME_VALUE")) for s in root.iter("TIME_SLOT")}
    found = []
    for tier in root.iter("TIER"):
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            start, stop = (slots[annotation.get(f"TIME_SLOT_REF{n}")] / 1000 for n in (1, 2))
            found.append((tier.get("TIER_ID"), start, stop, annotation[0].text))
    assert [(t, a, b, " ".join(v.split())) for t, a, b, v in found] == TIMES
    types = {tier.get("LINGUISTIC_TYPE_REF") for tier in root.iter("TIER")}
    assert types == {kind.get("LINGUISTIC_TYPE_ID") for kind in root.iter("LINGUISTIC_TYPE")}
    ids = [a.get("ANNOTATION_ID") for a in root.iter("ALIGNABLE_ANNOTATION")]
    assert ids == ["a1", "a2", "a3"]
    assert root.find("HEADER/PROPERTY[@NAME='lastUsedAnnotationId']").text == "3"
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert (folder / media.get("RELATIVE_MEDIA_URL")).resolve().name == "a b\u00fcro#1.wav"
    assert media.get("MEDIA_URL").endswith("/a%20b%C3%BCro%231.wav")
    assert media.get("MIME_TYPE") == "audio/x-wav"


def text_grid(path):
    """The tiers of a TextGrid in the long form: name, and intervals with their text."""
    text = path.read_text("utf-8")
    tiers = re.split(r"item \[\d+\]:", text)[1:]
    pattern = r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "((?:[^"]|"")*)"'
    return {
        re.search(r'name = "(.*)"', tier)[1]: [
            (float(a), float(b), label.replace('""', '"'))
            for a, b, label in re.findall(pattern, tier)
        ]
        for tier in tiers
    }


def test_praat_has_tiers_without_gaps_from_start_to_end(folder):
    tiers = text_grid(folder / "it.TextGrid")
    found = [(name, *i) for name, intervals in tiers.items() for i in intervals if i[2]]
    assert found == TIMES
    for intervals in tiers.values():
        assert intervals[0][0] == 0
        assert intervals[-1][1] == 9100.5
        assert all(a[1] == b[0] for a, b in itertools.pairwise(intervals))


def test_pympi_reads_elan_and_praat(folder):
    pympi = pytest.importorskip("pympi", reason="needs pympi-ling of requirements-test.lock")
    elan = pympi.Elan.Eaf(str(folder / "it.eaf"))
    found = [
        (tier, start / 1000, stop / 1000, " ".join(label.split()))
        for tier in TRACKS
        for start, stop, label in sorted(elan.get_annotation_data_for_tier(tier))
    ]
    assert found == TIMES
    grid = pympi.Praat.TextGrid(str(folder / "it.TextGrid"))
    tiers = {tier.name: tier.get_all_intervals() for tier in grid.get_tiers()}
    assert [(t, *i) for t in TRACKS for i in tiers[t] if i[2]] == TIMES


def test_the_same_events_give_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        labelled = Labelled("it", Path("it.wav"), 4.0, {"events": TRACKS["actions"]}, "ave", {})
        write_all(labelled, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()
