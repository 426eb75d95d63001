import json
from pathlib import Path

import pytest

from avlib.report.results import closing_lines, front_page

METRICS = {
    "study": "ave",
    "metrics": {
        "segment_accuracy": {"audio_visual": 0.969, "audio": 0.706},
        "majority_share": {"audio_visual": 0.706, "audio": 0.706},
    },
    "counts": {
        "videos_left_out": [{"video_id": "v", "left_out_by": "probe", "status": "no_audio"}]
    },
    "models": {"asf": {"weights": "trained", "sha256": "0"}},
    "notes": ["audio has one prediction for everything"],
}
SUMMARY = {
    "study": "custom",
    "extraction": {},
    "counts": {"videos": {"ok": 3, "unreadable": 2}, "feature_files": 3},
}


FILES = {
    "found": 12,
    "used": 3,
    "left_out": {
        "no_audio": {"count": 4, "names": ["a", "b", "c", "d"]},
        "unreadable": {"count": 1, "names": ["e"]},
    },
    "passed_over": {".txt": 3, ".wav": 1},
}


@pytest.fixture
def results(tmp_path):
    for name, content in {
        "ave/test_metrics.json": METRICS,
        "custom/features/asf/summary.json": SUMMARY,
        "custom/files.json": FILES,
        "ave/model/tim/audio/metrics.json": {"accuracy": 0.5},
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path


def test_a_run_ends_with_its_numbers_what_was_left_out_and_where_the_file_is(results):
    metrics = results / "ave/test_metrics.json"
    lines = closing_lines([results / "ave/report/confusion.svg", metrics])
    assert lines[0] == f"ave: {metrics}"
    said = "\n".join(lines)
    assert "audio-visual: segment accuracy 96.9 %, majority class 70.6 %" in said
    assert "left out: 1 video (1 by probe, no_audio)" in said
    assert "note: audio has one prediction for everything" in said
    assert lines[-1].endswith("snakemake --report report.html")


def test_the_command_of_the_report_has_the_overlays_of_the_run(results):
    overlays = [Path("my own.yaml"), Path("b.yaml")]
    lines = closing_lines([results / "ave/test_metrics.json"], overlays)
    assert lines[-1].endswith("--report report.html --configfile 'my own.yaml' b.yaml")


def test_features_are_counted_by_the_summary_beside_their_index(results):
    lines = closing_lines([results / "custom/features/asf/index.parquet"])
    assert "  asf features of 3 of 5 videos" in lines


def test_a_run_says_what_became_of_every_file(results):
    lines = closing_lines([results / "custom/features/asf/index.parquet"])
    assert lines[2] == (
        "  files: 12 found, 3 used; left out: 4 no_audio (a, b, c, ...), 1 unreadable (e); "
        f"passed over: 3 .txt, 1 .wav; {results / 'custom/manifest.parquet'}"
    )


def test_a_metrics_file_that_is_not_readable_fails_no_run(tmp_path):
    (tmp_path / "test_metrics.json").write_text("")
    assert closing_lines([tmp_path / "test_metrics.json"]) == []


def test_a_metrics_file_of_the_working_folder_has_no_summary_above(results, monkeypatch):
    monkeypatch.chdir(results / "ave")
    assert closing_lines([Path("test_metrics.json")])[0] == "ave: test_metrics.json"


def test_a_run_without_metrics_says_nothing():
    assert closing_lines([Path("results/ave/manifest.parquet")]) == []


def test_the_first_page_of_the_report_has_every_study_with_its_numbers(results):
    page = front_page(results)
    assert "ave | audio: segment accuracy 70.6 %, majority class 70.6 %" in page
    assert "ave | weights of asf: trained" in page
    assert "custom | asf features of 3 of 5 videos" in page
    assert not any("model/tim" in line for line in page)


def test_the_first_page_without_results_says_so(tmp_path):
    assert front_page(tmp_path) == {"No study has come to its metrics yet.": []}
