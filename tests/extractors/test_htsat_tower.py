"""The audio tower as it runs, against the one of the package transformers."""

import pytest
import torch
from tiny_clips import TINY_ASE, TINY_CLAP

from avlib.extractors.clap.network import ClapSizes
from avlib.extractors.clap.weights import untrained_clap
from avlib.extractors.htsat_tower import HtsatTower
from avlib.extractors.wavcaps.weights import untrained_ase

# With patches of 8 the image has fewer windows; two blocks a stage shift them where they can.
COARSE = ClapSizes(16, (2, 2, 2), (1, 2, 4), 64, 1, 40, 261, 40, 16, patch_size=8)
FLAGS = [[True, False, True], [False, False, False], [True, True, True]]


def strong(network):
    """Return a network whose weights matter more than those at the start of a training."""
    for name, parameter in network.named_parameters():
        if not name.endswith("norm.weight"):
            torch.nn.init.normal_(parameter, std=0.2)
    return network.requires_grad_(False)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("sizes", [TINY_CLAP, COARSE])
@pytest.mark.parametrize("flags", FLAGS)
def test_sounds_give_what_the_package_computes(sizes, flags):
    model = strong(untrained_clap(sizes, 0)).model.audio_model
    log_mels, is_fused = torch.randn(3, 4, 1001, 64) * 10 - 30, torch.tensor(flags)
    with torch.inference_mode():
        expected = model(input_features=log_mels, is_longer=is_fused[:, None]).pooler_output
    torch.testing.assert_close(HtsatTower(model)(log_mels, is_fused), expected)


def test_sounds_of_a_batch_do_not_depend_on_each_other():
    tower = HtsatTower(strong(untrained_clap(TINY_CLAP, 0)).model.audio_model)
    log_mels, is_fused = torch.randn(3, 4, 1001, 64), torch.tensor([True, False, True])
    batch = tower(log_mels, is_fused)
    alone = [tower(log_mels[i : i + 1], is_fused[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(batch, torch.cat(alone), rtol=1e-6, atol=1e-6)


def test_a_tower_without_fusion_takes_one_log_mel():
    network = strong(untrained_ase(TINY_ASE, 0))
    log_mels = torch.randn(2, 1, 1001, 64) * 10 - 30
    with torch.inference_mode():
        expected = network.sound_embeddings(log_mels)
        found = network.project_sounds(HtsatTower(network.audio)(log_mels))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("values", [1, 1 << 12, 1 << 30])
def test_how_many_windows_pass_together_does_not_matter(monkeypatch, values):
    model = strong(untrained_clap(TINY_CLAP, 0)).model.audio_model
    log_mels, is_fused = torch.randn(2, 4, 1001, 64), torch.tensor([True, False])
    expected = HtsatTower(model)(log_mels, is_fused)
    monkeypatch.setattr("avlib.extractors.htsat_tower.CACHED", values)
    monkeypatch.setattr("avlib.extractors.htsat_tower.FEWEST_WINDOWS", 3)
    torch.testing.assert_close(HtsatTower(model)(log_mels, is_fused), expected)


def test_four_equal_log_mels_give_what_the_package_computes():
    model = strong(untrained_clap(TINY_CLAP, 0)).model.audio_model
    log_mels = (torch.randn(2, 1, 1001, 64) * 10 - 30).expand(-1, 4, -1, -1).contiguous()
    is_fused = torch.tensor([True, False])
    with torch.inference_mode():
        expected = model(input_features=log_mels, is_longer=is_fused[:, None]).pooler_output
    torch.testing.assert_close(HtsatTower(model)(log_mels, is_fused), expected)
