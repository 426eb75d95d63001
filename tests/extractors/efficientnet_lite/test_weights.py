import json

import pytest
import torch

from avlib.errors import CheckpointError
from avlib.extractors.efficientnet_lite.weights import (
    check_weights,
    load_efficientnet_lite0,
    untrained_efficientnet_lite0,
)
from avlib.packages import PACKAGES


def test_the_packaged_weights_are_those_of_the_published_file(packaged_weights, tmp_path):
    ours = packaged_weights / "efficientnet_lite0.safetensors"
    published = packaged_weights / "packages" / PACKAGES[1].files[0].path
    first, second = (load_efficientnet_lite0(path).state_dict() for path in (ours, published))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    check_weights(ours, tmp_path / "given.json")
    report = json.loads((tmp_path / "given.json").read_text())
    assert report["classes"] == 1000
    source = PACKAGES[1].files[0]
    assert report["metadata"][source.name] == source.sha256


def test_a_checkpoint_that_lacks_a_block_is_refused_by_name(tmp_path):
    state = untrained_efficientnet_lite0(0).state_dict()
    del state["_blocks.3._bn2.running_var"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(CheckpointError, match=r"cut\.pth does not fit: missing _blocks\.3\._bn2"):
        load_efficientnet_lite0(tmp_path / "cut.pth")


def test_random_weights_come_from_their_seed():
    first, again, other = (untrained_efficientnet_lite0(seed)._fc.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
