import numpy as np
import pytest
import torch
from torch import nn

from avlib.extractors.auditory_slowfast.batch_norm import (
    FIRST_LAYERS,
    batch_norms,
    freeze_batch_norm,
    train_mode,
    update_precise_statistics,
)
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast


@pytest.fixture
def network():
    return AuditorySlowFast(num_classes=[3], width=8)


class OneNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(2).double()

    def forward(self, x):
        return self.bn(x)


def random_batches():
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.normal(i, 1 + i, (3 + i, 2, 2, 4))) for i in range(3)]


def test_only_the_first_three_norms_stay_in_the_training(network):
    freeze_batch_norm(network)
    train_mode(network)
    for name, norm in batch_norms(network).items():
        is_first = name in FIRST_LAYERS
        assert norm.training == norm.weight.requires_grad == norm.bias.requires_grad == is_first
    assert len(FIRST_LAYERS) == sum(norm.training for norm in batch_norms(network).values())
    assert all(p.requires_grad for n, p in network.named_parameters() if "bn" not in n)


def test_nothing_is_frozen_unless_asked(network):
    network.eval()
    train_mode(network)
    assert all(module.training for module in network.modules())


def test_frozen_norms_keep_their_statistics_in_training(network):
    freeze_batch_norm(network)
    train_mode(network)
    before = {name: norm.running_mean.clone() for name, norm in batch_norms(network).items()}
    network(torch.randn(2, 1, 200, 128, generator=torch.Generator().manual_seed(0)))
    for name, norm in batch_norms(network).items():
        assert torch.equal(norm.running_mean, before[name]) == (name not in FIRST_LAYERS)


def test_precise_statistics_are_mean_and_mean_square_of_all_values():
    model, batches = OneNorm(), random_batches()
    update_precise_statistics(model, batches)
    values = torch.cat([b.transpose(0, 1).flatten(1) for b in batches], dim=1)  # (2, N)
    assert torch.allclose(model.bn.running_mean, values.mean(1))
    # With v (n - 1) / n the batch variance is the biased one, so the whole is as well.
    assert torch.allclose(model.bn.running_var, values.var(1, unbiased=False))


def test_precise_statistics_do_not_depend_on_what_was_there_before():
    first, second = OneNorm(), OneNorm()
    first(random_batches()[2])
    for model in (first, second):
        update_precise_statistics(model, random_batches())
    assert torch.equal(first.bn.running_mean, second.bn.running_mean)
    assert torch.equal(first.bn.running_var, second.bn.running_var)


def test_precise_statistics_leave_momentum_counter_and_hooks_as_they_were():
    model = OneNorm()
    update_precise_statistics(model, random_batches())
    assert model.bn.momentum == 0.1
    assert model.bn.num_batches_tracked == 0
    assert not model.bn._forward_hooks


def test_precise_statistics_leave_layers_in_evaluation_mode_alone():
    model = OneNorm().eval()
    update_precise_statistics(model, random_batches())
    assert torch.equal(model.bn.running_mean, torch.zeros(2, dtype=torch.float64))


def test_an_interruption_leaves_the_statistics_as_they_were():
    def interrupted():
        yield from random_batches()
        raise SystemExit(143)

    model = OneNorm()
    with pytest.raises(SystemExit):
        update_precise_statistics(model, interrupted())
    assert torch.equal(model.bn.running_mean, torch.zeros(2, dtype=torch.float64))
    assert model.bn.momentum == 0.1
