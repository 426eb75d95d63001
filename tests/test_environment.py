import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", "requirements-laion-clap.lock"]


def locked_releases(name: str = "requirements.lock") -> dict[str, str]:
    """Return the releases of a lock file for Python 3.11."""
    lines = (ROOT / name).read_text().splitlines()
    pins = [line for line in lines if re.match(r"[\w-]+==", line) and ">= '3.12'" not in line]
    return dict(re.match(r"([\w-]+)==([^ ]+)", line).groups() for line in pins)


def test_the_conda_environment_has_the_releases_of_the_lock_file():
    environment = yaml.safe_load((ROOT / "envs" / "avlib.yaml").read_text())
    pins = dict(pin.split("==") for pin in environment["dependencies"][-1]["pip"])
    locked = locked_releases()
    assert pins == {name: locked[name] for name in pins}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_names_no_host_and_hashes_everything(name):
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(locked_releases(name))


def test_laion_clap_comes_on_top_of_the_other_packages():
    base, more = map(locked_releases, LOCKS)
    assert "laion-clap" not in base and "laion-clap" in more
    shared = base.keys() & more.keys()
    assert {name: base[name] for name in shared} == {name: more[name] for name in shared}
    assert "torch" in shared
