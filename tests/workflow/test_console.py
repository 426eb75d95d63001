"""What a terminal shows of a quiet run, as `make` starts it."""

import logging
import subprocess

import pytest
from workflow_checkout import Checkout

from avlib.workflow.console import StepFormatter, is_shown


def record(text, level=logging.INFO, **values):
    made = logging.LogRecord("snakemake", level, "", 0, text, None, None)
    made.__dict__.update(values)
    return made


def test_a_plan_and_each_finished_job_are_one_line():
    formatter = StepFormatter(None)
    stats = {"probe_videos": 4, "see": 1, "total": 5}
    assert formatter.format(record("Job stats", event="run_info", stats=stats)) == (
        "5 steps: probe_videos 4, see 1"
    )
    finished = record("Finished jobid: 9 (Rule: probe_videos)", event="job_finished", job_id=9)
    assert formatter.format(finished) == ""
    assert formatter.format(record("", event="progress", done=1, total=5)) == (
        "1 of 5 done: probe_videos"
    )


def test_warnings_errors_and_unknown_lines_are_shown():
    assert is_shown(record("custom: no weights are there", logging.WARNING))
    assert is_shown(record("", logging.ERROR, event="job_error", rule_name="see", log=[]))
    assert is_shown(record("Nothing to be done (all requested files are present)."))
    died = "RuleException:\nCalledProcessError in file: Command 'x' died with <Signals.SIGKILL: 9>."
    assert is_shown(record(died, logging.ERROR))
    assert not is_shown(
        record(
            died.replace("died with <Signals.SIGKILL: 9>", "returned non-zero exit status 1"),
            logging.ERROR,
        )
    )
    assert not is_shown(record("Building DAG of jobs..."))
    assert not is_shown(record("rule see:", event="job_info"))


@pytest.mark.slow
def test_a_quiet_run_that_fails_shows_the_error_and_the_log(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/broken.mp4").write_bytes(b"no video")
    overlay = f"custom: {{videos: {tmp_path}/videos, shards: 1, feature_shards: 1}}\n"
    checkout = Checkout(tmp_path, overlay, "results/custom/manifest.parquet")
    command = checkout.command()
    command[command.index("--cores") : 0] = ["--quiet", "host"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    lines = run.stderr.splitlines()
    assert any(line.startswith("error: 1 of 1 videos of custom are left out") for line in lines)
    assert any(line.startswith("failed: ") and "log: logs/custom/" in line for line in lines)
    assert any("done: probe_videos" in line for line in lines)
    assert len(lines) < 12
    (log,) = (tmp_path / ".snakemake/log").glob("*.log")
    assert "rule probe_videos:" in log.read_text()
