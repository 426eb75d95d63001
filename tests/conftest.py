"""Fixtures that several tests share."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

# A machine with other work is no fault of an example.
settings.register_profile("avlib", deadline=None)
settings.load_profile("avlib")

# Several tests run at once; threads of one network would only wait for those of another.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data files beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"public data files are absent: {folder}")
    return folder


@pytest.fixture(scope="session")
def packaged_weights() -> Path:
    """The folder of the weights that `make weights` writes, beside the tests."""
    folder = Path(__file__).resolve().parents[1] / "weights"
    if not (folder / "weights.json").is_file():
        pytest.skip("weights of packages are absent: run `make weights`")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes long first; skip the tests marked `gpu` where there is none.

    Files of workflows take minutes each, other files with slow tests up to one; at the end, one
    core would wait for the other.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: ("workflow" not in item.path.parts, item.path not in slow))
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have counted; tests in several processes cannot print it themselves."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "counts":
                terminalreporter.write_line(str(value))
