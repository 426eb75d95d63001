import json
import re

import pytest

from avlib.evaluation.headline import headline
from avlib.report.retrieval import draw_tables
from avlib.retrieval.result_tables import NOT_RUN, RANKING_COLUMNS, gather_tables

NOTE = "LAION-CLAP was trained here."


def ranking(value):
    recall = {name: 100 * value for name in ("r1", "r5", "r10", "r50", "median_rank", "mean_rank")}
    means = dict.fromkeys(("a2t", "t2a", "mean"), value)
    return {"ndcg": means, "map": means, "recall": {"a2t": recall, "t2a": recall}}


def content(benchmark, model, metrics, deviations, chance):
    return {
        "study": benchmark,
        "model": model,
        "metrics": metrics,
        "deviations": deviations,
        "chance": chance,
        "seeds": [0, 1],
        "counts": {},
        "models": {model: {"weights": "trained", "sha256": "0"}},
        "notes": [NOTE],
    }


@pytest.fixture
def tables(tmp_path):
    """Tables of CLAP on AudioEpicMIR with original texts, and of a pair on AudioEgoMCQ."""
    mir = content(
        "epic_mir",
        "clap",
        {level: {"original": ranking(0.25)} for level in ("all", "low")},
        {"all": {"original": ranking(0.0123)}, "low": {"original": ranking(0)}},
        {"all": {"original": {"map": {"mean": 0.05, "a2t": 0.0}}}},
    )
    shares = {"inter_video": 80.0, "intra_video": None}
    mcq = content("ego_mcq", "egovlp+clap", {"all": {"llm": {"accuracy": shares}}}, {}, {})
    runs = {}
    for found in (mir, mcq):
        path = tmp_path / f"{found['study']}/{found['model']}/test_metrics.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(found))
        runs[found["study"]] = {found["model"]: path}
    gather_tables(runs, tmp_path / "tables.json")
    return tmp_path / "tables.json"


def rows(tables, number):
    (table,) = (t for t in json.loads(tables.read_text())["tables"] if t["number"] == number)
    return {(r["relevancy"], r["model"], r["texts"]): r for r in table["rows"]}


def test_each_table_has_the_published_models_with_both_kinds_of_texts(tables):
    models = ("clap", "ase_audiocaps", "ase_clotho")
    expected = {("all", model, kind) for model in models for kind in ("original", "llm")}
    assert rows(tables, 3).keys() == expected
    assert rows(tables, 1).keys() == expected | {("all", "chance", "original")}
    assert rows(tables, 2).keys() == expected | {("all", "egovlp+clap", "llm")}
    levels = {(level, *key[1:]) for level in ("low", "moderate", "high") for key in expected}
    assert rows(tables, 4).keys() == levels
    assert rows(tables, 5).keys() == levels


def test_a_cell_is_a_number_of_a_file_or_says_that_it_was_not_run(tables):
    run = rows(tables, 1)["all", "clap", "original"]
    assert run["cells"].keys() == set(RANKING_COLUMNS)
    assert run["cells"]["map.mean"] == {"value": 0.25, "deviation": 0.0123}
    assert run["cells"]["recall.t2a.r5"]["value"] == 25
    assert run["file"].endswith("epic_mir/clap/test_metrics.json")
    by_chance = rows(tables, 1)["all", "chance", "original"]["cells"]
    assert by_chance["map.a2t"] == {"value": 0.0, "deviation": None}
    assert by_chance["map.t2a"] == NOT_RUN
    other = rows(tables, 1)["all", "clap", "llm"]
    assert set(other["cells"].values()) == {NOT_RUN}
    assert other["file"] is None
    assert rows(tables, 4)["low", "clap", "original"]["cells"]["ndcg.a2t"]["value"] == 0.25
    pair = rows(tables, 2)["all", "egovlp+clap", "llm"]["cells"]
    assert pair["accuracy.inter_video"] == {"value": 80.0, "deviation": None}
    assert pair["accuracy.intra_video"] == NOT_RUN


def test_the_files_behind_the_numbers_are_named_with_their_weights(tables):
    found = {entry["benchmark"]: entry for entry in json.loads(tables.read_text())["files"]}
    assert found["epic_mir"]["weights"] == {"clap": "trained"}
    assert len(found["epic_mir"]["sha256"]) == 64
    assert found["ego_mcq"]["seeds"] == [0, 1]


def test_the_page_lays_out_five_tables(tables, tmp_path):
    draw_tables(tables, tmp_path / "tables.html")
    page = (tmp_path / "tables.html").read_text(encoding="utf-8")
    assert re.findall(r"<b>Table (\d)\.</b>", page) == ["1", "2", "3", "4", "5"]
    assert '25.0 <span class="grey">&plusmn; 1.2</span>' in page
    assert f"<li>{NOTE}</li>" in page
    assert "EgoVLP + LAION-CLAP" in page
    empty = page[page.index("Table 3") : page.index("Table 4")]
    assert empty.count(NOT_RUN) == empty.count("<td")


def test_the_last_words_of_a_run_have_a_line_a_table(tables):
    lines = headline(json.loads(tables.read_text()))
    assert lines[0] == (
        "table 1, AudioEpicMIR: 1 of 6 rows run; highest mAP 25.0 % (random order 5.0 %) of clap "
        "with original texts"
    )
    assert lines[2] == "table 3, EpicSoundsRet: 0 of 6 rows run"
    assert lines[3].startswith("table 4, AudioEpicMIR by audio relevancy: 1 of 18 rows run; ")
    assert lines[3].endswith(" of clap with original texts, low relevancy")
    assert lines[-1] == f"note: {NOTE}"
