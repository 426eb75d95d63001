import os
import subprocess
import sys

import pytest
import torch
from tiny_weights import saved_again
from torch import nn

from avlib.errors import CheckpointError
from avlib.io.weights import save_weights
from avlib.soundtracks import training
from avlib.soundtracks.blocks import BasicBlock
from avlib.soundtracks.network import ResNet, is_published, network_weights, soundtrack_network
from avlib.soundtracks.weights import Windows, load_soundtrack_network, load_windows

IMAGES = -80 * torch.rand(2, 64, 96, generator=torch.Generator().manual_seed(0))
SETTINGS = {"pool": "full", "stem_stride": "2", "drops_silence": "True", "half_steps": "True"}
NARROW_TRAINING = """
import torch
from avlib.soundtracks.network import soundtrack_network
from avlib.soundtracks.training import _placed
for width in (1, 2, 4, 5, 6):
    network = soundtrack_network('resnet18', num_classes=3, width=width, pool='full')
    network = _placed(network, torch.device('cpu')).train()
    for _ in range(3):
        network(torch.randn(4, 64, 96)).sum().backward()
"""


def small(**options):
    torch.manual_seed(0)
    return ResNet(BasicBlock, (1, 1, 1, 1), num_classes=3, **options).eval()


def test_weights_that_are_saved_again_give_the_same_scores(tmp_path):
    network = small(width=4, pool="full", stem_stride=2, standardises=True)
    save_weights(tmp_path / "a.safetensors", network_weights(network), SETTINGS)
    with torch.inference_mode():
        expected = network(IMAGES)
        for path in saved_again(tmp_path / "a.safetensors", tmp_path):
            scores = load_soundtrack_network(path)(IMAGES)
            is_rounded = path.name.startswith(("half", "bfloat16"))
            tolerance = 0.1 if is_rounded else 0
            torch.testing.assert_close(scores, expected, atol=tolerance, rtol=tolerance)
            assert load_windows(path) == Windows(drops_silence=True, half_steps=True)


def test_weights_of_ours_without_settings_are_refused(tmp_path):
    torch.save(network_weights(small(width=4)), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"`pool` and `stem_stride`.* is missing; give the"):
        load_soundtrack_network(tmp_path / "a.pt")


@pytest.mark.parametrize("wrong", [{"pool": "max"}, {"stem_stride": "7"}])
def test_settings_of_no_network_are_refused(tmp_path, wrong):
    save_weights(tmp_path / "a.safetensors", network_weights(small(width=4)), SETTINGS | wrong)
    with pytest.raises(CheckpointError, match="its settings are of no network here"):
        load_soundtrack_network(tmp_path / "a.safetensors")


def test_published_networks_are_known_by_their_shapes():
    for name in ("resnet18", "resnet50", "vgg11"):
        with torch.device("meta"):
            state = network_weights(soundtrack_network(name))
        assert is_published(state)
    assert not is_published(network_weights(small(width=4)))
    with torch.device("meta"):
        assert not is_published(network_weights(soundtrack_network("resnet18", standardises=True)))


@pytest.mark.parametrize(("width", "is_narrow"), [(4, True), (7, True), (8, False)])
def test_narrow_networks_are_not_trained_with_channels_last(width, is_narrow):
    network = training._placed(small(width=width), torch.device("cpu"))
    weight = network.layer1[0].conv1.weight
    other = nn.Conv2d(width, width, 3).to(memory_format=torch.channels_last).weight
    assert (weight.stride() != other.stride()) == is_narrow


def test_narrow_networks_survive_training_on_every_cpu():
    """With the kernels for AVX2, whatever this machine has; elsewhere nothing goes wrong."""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "MALLOC_CHECK_": "3"}
    run = subprocess.run(
        [sys.executable, "-c", NARROW_TRAINING], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
