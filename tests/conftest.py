"""Fixtures that several tests share."""

from pathlib import Path

import pytest
import torch

# Several tests run at once; threads of one network would only wait for those of another.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data files beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"public data files are absent: {folder}")
    return folder
