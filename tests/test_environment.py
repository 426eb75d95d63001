import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from avlib.packages import PACKAGES

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", "requirements-test.lock", "requirements-laion-clap.lock"]


def locked_releases(name: str = "requirements.lock") -> dict[str, str]:
    """Return the releases of a lock file for Python 3.11."""
    lines = (ROOT / name).read_text().splitlines()
    pins = [line for line in lines if re.match(r"[\w-]+==", line) and ">= '3.12'" not in line]
    return dict(re.match(r"([\w-]+)==([^ ]+)", line).groups() for line in pins)


def test_the_conda_environment_has_the_releases_of_the_lock_file():
    environment = yaml.safe_load((ROOT / "envs" / "avlib.yaml").read_text())
    pins = dict(pin.split("==") for pin in environment["dependencies"][-1]["pip"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    locked = locked_releases()
    assert pins == {name: locked[name] for name in needed}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_names_no_host_and_hashes_everything(name):
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(locked_releases(name))


@pytest.mark.parametrize("name", LOCKS[1:])
def test_a_further_lock_comes_on_top_of_the_packages_of_the_workflow(name):
    base, more = locked_releases(), locked_releases(name)
    assert more.keys() - base.keys()
    shared = base.keys() & more.keys()
    assert "numpy" in shared
    assert {name: base[name] for name in shared} == {name: more[name] for name in shared}


def test_the_lock_of_the_weights_has_the_wheels_that_the_library_knows():
    lines = (ROOT / "requirements-weights.lock").read_text().splitlines()
    assert lines == [package.requirement for package in PACKAGES]


def test_tools_of_tests_are_in_a_lock_of_their_own():
    test_tools = {"pytest", "mypy", "librosa", "numba", "llvmlite", "hypothesis", "ruff"}
    assert not test_tools & locked_releases().keys()
    assert test_tools <= locked_releases("requirements-test.lock").keys()


def test_a_path_with_a_space_is_refused_with_the_remedy(tmp_path):
    checkout = tmp_path / "a folder"
    checkout.mkdir()
    for name in ("Makefile", "pyproject.toml", *LOCKS, "requirements-uv.lock"):
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    run = subprocess.run(["make", "env"], cwd=checkout, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "below a path with a space; move the checkout" in run.stderr
    assert not (checkout / ".venv").exists()


def test_another_python_is_refused_with_the_remedy(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = ["make", "--always-make", "env", f"PYTHON={old}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "is no Python 3.11 to 3.13; name one: make env PYTHON=python3.11" in run.stderr
