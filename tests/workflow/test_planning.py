"""Errors before the first job: one line each, with the key of the configuration at fault."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from workflow_checkout import Checkout

from avlib.errors import ConfigError, DataError
from avlib.studies import load_config
from avlib.workflow.planning import guarded, one_line, shorten_unknown_target, with_key
from avlib.workflow.study_files import StudyFiles


def message(error, **sections):
    studies = load_config(sections).sections.values()
    with pytest.raises(SystemExit) as caught, one_line(studies):
        raise error
    return caught.value.code


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("/d/t.csv: no column 'file'"), "sounds.table: /d/t.csv: no column 'file'"),
        (DataError("/d/x.wav: cannot be\nread"), "sounds.folder: /d/x.wav: cannot be read"),
        (DataError("/d/t.csv.bak: is torn"), "sounds.folder: /d/t.csv.bak: is torn"),
        (DataError("/data/t.csv: is torn"), "/data/t.csv: is torn"),
        (ConfigError("sounds.table: /d/t.csv is no file"), "sounds.table: /d/t.csv is no file"),
        (ConfigError("sounds: none of /d is found"), "sounds: none of /d is found"),
        (ConfigError("sounds.other: /d is not used"), "sounds.other: /d is not used"),
        (PermissionError(13, "Permission denied", "/d"), "sounds.folder: /d: Permission denied"),
        (OSError(28, "No space left on device", "/r/0.json"), "/r/0.json: no space is left"),
    ],
)
def test_a_line_names_the_key_that_led_to_the_file(error, line):
    found = message(error, sounds={"folder": "/d", "table": "/d/t.csv"})
    assert found.startswith(f"error: {line}")
    assert "\n" not in found


def test_given_weights_have_keys_as_well():
    config = load_config({"llp": {"checkpoints": {"parsers": {"valor": "/w/valor.pt"}}}})
    found = with_key("/w/valor.pt: is torn", [config.llp])
    assert found == "llp.checkpoints.parsers.valor: /w/valor.pt: is torn"


def test_of_two_studies_with_one_folder_the_one_at_work_is_named():
    class Part:
        def ask(self, wildcards):
            raise DataError("/d/a.mp4: torn")

    config = load_config({"custom": {"videos": "/d"}, "sounds": {"folder": "/d", "name": "mine"}})
    part = guarded(Part(), config.studies)
    with pytest.raises(SystemExit, match=r"error: sounds\.folder: /d/a.mp4"):
        part.ask(SimpleNamespace(study="mine"))
    with pytest.raises(SystemExit, match=r"error: custom\.videos: /d/a.mp4"):
        part.ask(SimpleNamespace(study="custom"))


def test_errors_of_the_program_keep_their_traceback():
    with pytest.raises(KeyError), one_line():
        raise KeyError("a bug")


def test_an_unknown_target_is_one_line():
    words = "No rule to produce results/av/x (if you use input functions ...)."
    record = logging.makeLogRecord({"msg": words, "exception": "MissingRuleException"})
    assert shorten_unknown_target(record, ["ave", "llp"])
    assert record.getMessage() == (
        "error: no rule makes results/av/x; name a study (ave, llp), or one of its files"
    )


@pytest.fixture
def refused(tmp_path):
    """Return what plans a run that must fail, and returns the last line of its words."""
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    (tmp_path / "x.wav").touch()

    def plan(overlay, target):
        run = Checkout(tmp_path, overlay.format(folder=tmp_path), target).run()
        assert run.returncode == 1
        words = run.stdout + run.stderr
        assert "Traceback" not in words
        assert "Exception" not in words
        return words.strip().splitlines()[-1]

    return plan


SOUNDS = "sounds: {{folder: '{folder}', table: '{folder}/bad.csv'}}"
LISTS = (
    "ave: {{source: official, annotations: '{folder}/bad.csv', splits: {{test: '{folder}/no'}}}}"
)


@pytest.mark.parametrize(
    ("overlay", "target", "line"),
    [
        (SOUNDS, "sounds", "error: sounds.table: {folder}/bad.csv: "),
        (LISTS, "ave", "error: ave.splits.test: {folder}/no is no file"),
        pytest.param(
            "llp: {{variant: [han]}}",
            "llp",
            "error: config key llp.variant does not exist",
            marks=pytest.mark.slow,
        ),
        ("seed: 1", "results/ave/metrics.json", "error: no rule makes results/ave/metrics.json"),
        pytest.param(
            "seed: 1",
            "results/av/manifest.parquet",
            "error: no study is called 'av'",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_snakemake_ends_with_one_line(refused, tmp_path, overlay, target, line):
    assert refused(overlay, target).startswith(line.format(folder=tmp_path))


def test_results_of_an_earlier_run_hide_no_error(refused, tmp_path):
    results = tmp_path / "results/ave"
    results.mkdir(parents=True)
    for name in ("events.parquet", "classes.json", "tim/queries.parquet"):
        (results / name).parent.mkdir(exist_ok=True)
        (results / name).touch()
    assert "ave.splits.test" in refused(LISTS, "results/ave/tim/queries.parquet")


def test_a_report_without_the_overlay_of_a_study_shows_the_others(tmp_path):
    made = {"ave/test_metrics.json", "custom/features/asf/index.parquet"}
    for name in made:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()

    def shown(**sections):
        files = StudyFiles(load_config(sections), results=tmp_path, rescan=False)
        return {str(Path(target).relative_to(tmp_path)) for target in files.finished()}

    assert shown() == {"ave/test_metrics.json"}
    assert shown(custom={"videos": "v", "checkpoints": {"asf": "untrained"}}) == made
