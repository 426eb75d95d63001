import json
import re

import pytest
from made_up_events import write_study

from avlib.evaluation.metrics_file import Provenance
from avlib.report.event_tables import draw_event_tables
from avlib.tim.event_metrics import EventFiles, evaluate_events


@pytest.fixture
def metrics(tmp_path):
    paths, *_ = write_study(tmp_path)
    evaluate_events(
        EventFiles(**paths, manifest=None, features={}),
        models={},
        provenance=Provenance(
            {"study": "epic", "config_hash": "0123", "split": "val"}, {}, {"tim": "trained"}
        ),
        target=tmp_path / "test_metrics.json",
    )
    return tmp_path / "test_metrics.json"


def rows(page):
    """The cells of each row, without marks."""
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", page):
        cells = [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        found.setdefault(cells[0], cells[1:])
    return found


def test_every_model_and_subset_has_its_accuracies(metrics, tmp_path):
    draw_event_tables(metrics, tmp_path / "t.html")
    found = rows((tmp_path / "t.html").read_text())
    content = json.loads(metrics.read_text())["metrics"]
    heads = ("action", "verb_noun", "verb", "noun", "audio")
    top1 = [f"{100 * content['audio_visual'][head]['top1']:.1f}" for head in heads]
    assert found["audio-visual"][::3] == top1
    unseen = content["visual"]["unseen_participants"]
    assert found["visual, unseen participants"][0] == f"{100 * unseen['action']['top1']:.1f}"
    assert found["audio"][:12] == ["&ndash;"] * 12


def test_every_class_has_its_accuracy_by_every_model(metrics, tmp_path):
    draw_event_tables(metrics, tmp_path / "t.html")
    found = rows((tmp_path / "t.html").read_text())
    content = json.loads(metrics.read_text())["metrics"]
    for head, models in {
        "verb": ("audio_visual", "visual"),
        "audio": ("audio_visual", "audio"),
    }.items():
        for place, entry in enumerate(content[models[0]]["class_accuracy"][head]):
            shares = [content[m]["class_accuracy"][head][place]["accuracy"] for m in models]
            expected = [str(entry["items"]), *(f"{100 * share:.1f}" for share in shares)]
            assert found[entry["label"]] == expected


def test_names_and_notes_are_no_marks(metrics, tmp_path):
    content = json.loads(metrics.read_text())
    content["metrics"]["audio"]["class_accuracy"]["audio"][0]["label"] = "a <b> & c"
    content["metrics"] = {"audio": content["metrics"]["audio"]}
    content["notes"] = ["less <than> others"]
    metrics.write_text(json.dumps(content))
    draw_event_tables(metrics, tmp_path / "t.html")
    page = (tmp_path / "t.html").read_text()
    assert "a &lt;b&gt; &amp; c" in page and "less &lt;than&gt; others" in page
