"""The steps of docs/adding_an_extractor.md, on a copy of the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from media_files import make_video
from workflow_checkout import ROOT

COPIED = ("avlib", "envs", "profiles", "rules", "schemas", "workflow_scripts")
ROW = """
    Extractor(
        name="toy",
        network="toy",
        folder="toy",
        module=f"{_PACKAGE}.toy.extraction",
        modality="visual",
        sees=FrameInput(rate_fps=None, size=1),
        cut="intervals",
        shape=(3,),
        weights=(),
        settings=("frames",),
    ),
"""
KEY = """
    toy: Literal["untrained"] | None = Field(None, description="The toy extractor has no weights")
"""
EDITS = {  # what follows a line of an existing file, wherever the line occurs
    "avlib/extractors/registry.py": {"_ROWS = (\n": ROW},
    "avlib/studies/feature_study.py": {'    """Weights from outside."""\n': KEY},
    "config.yaml": {"  checkpoints:\n    asf: null\n": "    toy: null\n"},
}

CUSTOM = {
    "videos": "videos",
    "extractors": ["toy"],
    "checkpoints": {"toy": "untrained"},
    "shards": 1,
    "feature_shards": 1,
}


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the checkout with the toy extractor added."""
    folder = tmp_path / "checkout"
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder)
    toy = shutil.copytree(Path(__file__).parent / "toy_extractor", folder / "avlib/extractors/toy")
    (toy / "__init__.py").write_text('"""A toy."""\n')
    for name, additions in EDITS.items():
        text = (folder / name).read_text()
        for line, addition in additions.items():
            assert line in text
            text = text.replace(line, line + addition)
        (folder / name).write_text(text)
    return folder


@pytest.mark.slow
def test_an_extractor_is_a_folder_and_at_most_three_edited_files(checkout, tmp_path):
    assert len(EDITS) <= 3
    (tmp_path / "videos").mkdir()
    make_video(tmp_path / "videos/a.mp4", duration_s=2.0)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(tmp_path)]
    command += ["--snakefile", str(checkout / "Snakefile")]
    command += ["--workflow-profile", str(checkout / "profiles/default")]
    command += ["--configfile", str(checkout / "config.yaml"), "--config"]
    command += [f"custom={CUSTOM}"]
    run = subprocess.run(
        [*command, "--", "custom"],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    index = pd.read_parquet(tmp_path / "results/custom/features/toy/index.parquet")
    assert index["status"].to_list() == ["ok"]
    features = np.load(tmp_path / "results/custom/features/toy" / index["path"][0])
    assert features.shape == (index["intervals"][0], 1, 3)
    assert features.min() > 0
