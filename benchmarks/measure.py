"""Side-by-side measurements: the variants take turns, and the best of each counts."""

import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from avlib.io.atomic import write_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def describe(doc: str | None) -> None:
    """Print the first line of a benchmark's docstring, which says what it compares."""
    print((doc or "").splitlines()[0], flush=True)


def best_cpu_seconds(variants: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the least CPU seconds that each variant took, its child processes counted.

    Each runs once before to warm up. The variants run in turns, so that other load on the
    machine meets all of them.
    """
    for run in variants.values():
        run()
    best = dict.fromkeys(variants, float("inf"))
    for _ in range(rounds):
        for name, run in variants.items():
            start = _cpu_seconds()
            run()
            best[name] = min(best[name], _cpu_seconds() - start)
    return best


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + _running_children_s()


def _running_children_s() -> float:
    """Return the CPU seconds of children that still run, such as those that decode; on Linux."""
    ticks = 0
    for listed in Path("/proc/self/task").glob("*/children"):
        for child in listed.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # its own and its children's, user and system
    return ticks / os.sysconf("SC_CLK_TCK")


CUSTOM_FEATURES = "results/custom/features/asf/index.parquet"


def run_workflow(folder: Path, overlay: Path, target: str = CUSTOM_FEATURES) -> str:
    """Run the workflow for a target in `folder`; return what it said."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--directory", folder]
    command += ["--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config.yaml", overlay]
    command += ["--workflow-profile", ROOT / "profiles" / "default"]
    run = subprocess.run([*command, "--", target], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(run.stderr[-3000:])
    return run.stdout + run.stderr


def save_narrow_checkpoint(target: Path) -> None:
    """Write a network of the published form, 8 channels wide, with random weights."""
    import torch

    from avlib.extractors.auditory_slowfast.network import AuditorySlowFast

    torch.manual_seed(0)
    model = AuditorySlowFast(num_classes=(2,), width=8)
    torch.save({"model_state": model.state_dict()}, target)


def processor() -> str:
    """Return the name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write_result(name: str, result: dict[str, Any], *packages: str) -> None:
    """Print a result and write it to `results/<name>.json` with what it was measured on."""
    for key, value in result.items():
        print(f"{key:<44} {value}")
    setting = {"processor": processor(), "python": platform.python_version()}
    setting |= {package: version(package) for package in packages}
    write_json(RESULTS / f"{name}.json", {"result": result, "measured_on": setting})
