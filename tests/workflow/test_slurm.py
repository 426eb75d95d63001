"""The SLURM profile on a real one-machine cluster, where its tools and packages are present."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from media_files import make_video

from avlib.extractors.auditory_slowfast.network import AuditorySlowFast

ROOT = Path(__file__).parents[2]
TOOLS = ROOT.parent / "shared" / "tools"
TARGET = "results/custom/features/asf/index.parquet"


@pytest.fixture
def cluster(tmp_path):
    """The environment of a running cluster."""
    if not (TOOLS / "slurm_local_up.sh").exists() or shutil.which("sbatch") is None:
        pytest.skip(f"needs SLURM and the scripts of {TOOLS}")
    up = [TOOLS / "slurm_local_up.sh", tmp_path / "cluster", "--mem", "16000"]
    started = subprocess.run(up, capture_output=True, text=True, check=False)
    if started.returncode:
        pytest.skip(f"no SLURM cluster here: {started.stderr.strip()[-200:]}")
    source = f'. "{started.stdout.strip()}" && env -0'
    env = subprocess.run(["bash", "-c", source], capture_output=True, text=True, check=True).stdout
    yield dict(line.split("=", 1) for line in env.split("\0") if "=" in line)
    subprocess.run([TOOLS / "slurm_local_down.sh", tmp_path / "cluster", "--purge"], check=False)


@pytest.mark.slow
def test_features_are_extracted_by_slurm_jobs(cluster, tmp_path):
    make_video(tmp_path / "videos" / "-a.mp4")
    make_video(tmp_path / "videos" / "b c.mp4", audio_codec=None)
    network = AuditorySlowFast(num_classes=(2,), width=8)
    torch.save({"model_state": network.state_dict()}, tmp_path / "narrow.pyth")
    (tmp_path / "overlay.yaml").write_text(
        f"custom:\n  videos: {tmp_path}/videos\n  checkpoints: {{asf: {tmp_path}/narrow.pyth}}\n"
        "  shards: 1\n  feature_shards: 1\n"
    )
    command = ["snakemake", "--workflow-profile", ROOT / "profiles" / "slurm"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path, "--latency-wait", "5"]
    command += ["--slurm-status-command", "squeue"]
    command += ["--slurm-init-seconds-before-status-checks", "5"]
    command += ["--configfile", ROOT / "config.yaml", tmp_path / "overlay.yaml", "--", TARGET]
    path = f"{ROOT / '.venv' / 'bin'}:{cluster['PATH']}"
    run = subprocess.run(
        command, env=os.environ | cluster | {"PATH": path}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "SLURM jobid" in run.stderr
    assert (tmp_path / "results/custom/features/asf/test/-a.npy").exists()
