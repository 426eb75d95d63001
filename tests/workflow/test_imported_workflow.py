"""The real Snakefile imported twice by another one, with prefixes."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from media_files import make_video
from workflow_checkout import ROOT

IMPORT = """
module {name}:
    snakefile: "{root}/Snakefile"
    config: {config}
    prefix: "{prefix}"

use rule * from {name} as {name}_*
"""
PREFIXES = {"one": "one", "two": "deep/two"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A workflow that imports ours twice, with other videos in a study of the same name."""
    folder = tmp_path_factory.mktemp("imports")
    text = ""
    for name, prefix in PREFIXES.items():
        make_video(folder / f"data/{name}/v_{name}.mp4")
        custom = {"videos": f"data/{name}", "checkpoints": {"asf": "untrained"}, "shards": 1}
        config = {"custom": custom | {"feature_shards": 1}}
        text += IMPORT.format(name=name, root=ROOT, config=config, prefix=prefix)
    (folder / "Snakefile").write_text(text)
    return folder


def snakemake(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.slow
def test_each_import_has_a_study_of_its_own(folder):
    targets = [f"{prefix}/results/custom/manifest.parquet" for prefix in PREFIXES.values()]
    snakemake(folder, *targets)
    for name, prefix in PREFIXES.items():
        results = folder / prefix / "results/custom"
        manifest = pd.read_parquet(results / "manifest.parquet")
        assert manifest["video_id"].to_list() == [f"v_{name}"]
        assert manifest["status"].to_list() == ["ok"]
        listed = json.loads((results / ".cache/videos/0.json").read_text())
        assert [video["video_id"] for video in listed] == [f"v_{name}"]
    assert {path.name for path in folder.iterdir()} == {
        "Snakefile",
        ".snakemake",
        "data",
        *("one", "deep"),
    }
    assert "Nothing to be done" in snakemake(folder, *targets)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "study", ["ave", pytest.param("k600", marks=SLOW), pytest.param("llp", marks=SLOW)]
)
def test_the_files_of_every_job_lie_below_the_prefix(folder, study):
    plan = snakemake(folder, "--dry-run", f"two_{study}")
    lines = re.findall(r"^    (?:input|output|log|benchmark): (.*)$", plan, re.MULTILINE)
    paths = {path for line in lines for path in line.split(", ")}
    assert len(paths) > 20
    assert all(path.startswith("deep/two/") for path in paths)


def test_no_param_names_a_folder_of_results_that_a_prefix_would_move():
    for rules in (ROOT / "rules").glob("*.smk"):
        for block in re.findall(r"^    params:\n(.*?)^    \w", rules.read_text(), re.M | re.S):
            assert not re.search(r"\"(results|logs)/", block), rules.name
