import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def locked_releases() -> dict[str, str]:
    """Return the releases of the lock file for Python 3.11."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if re.match(r"[\w-]+==", line) and ">= '3.12'" not in line]
    return dict(re.match(r"([\w-]+)==([^ ]+)", line).groups() for line in pins)


def test_the_conda_environment_has_the_releases_of_the_lock_file():
    environment = yaml.safe_load((ROOT / "envs" / "avlib.yaml").read_text())
    pins = dict(pin.split("==") for pin in environment["dependencies"][-1]["pip"])
    locked = locked_releases()
    assert pins == {name: locked[name] for name in pins}


def test_the_lock_file_names_no_host_and_hashes_everything():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(locked_releases())
