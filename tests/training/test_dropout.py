import pytest
import torch

from avlib.training.dropout import Dropout, dropout_mask

SHAPE = torch.Size([301, 1001])


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_numbers_are_dropped_at_the_rate_and_the_others_make_up_for_it(rate):
    torch.manual_seed(0)
    mask = dropout_mask(SHAPE, rate)
    dropped = (mask == 0).double()
    deviation = (rate * (1 - rate) / SHAPE.numel()) ** 0.5
    assert abs(dropped.mean().item() - rate) < 5 * deviation
    assert mask.unique().tolist() == pytest.approx([0, 1 / (1 - rate)])


def test_neighbours_rows_and_draws_are_independent():
    torch.manual_seed(0)
    first, second = (dropout_mask(SHAPE, 0.5) - 1 for _ in range(2))
    noise = 5 / SHAPE.numel() ** 0.5
    for other in (first.roll(1, 0), first.roll(1, 1), first.roll(2, 1), second):
        assert abs((first * other).mean().item()) < noise


def test_draws_follow_from_the_seed_of_torch():
    torch.manual_seed(3)
    first, second = dropout_mask(SHAPE, 0.1), dropout_mask(SHAPE, 0.1)
    torch.manual_seed(3)
    assert torch.equal(dropout_mask(SHAPE, 0.1), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("inplace", [False, True])
def test_the_gradient_is_dropped_where_the_number_was(inplace):
    x = torch.ones(50, 51, requires_grad=True)
    y = Dropout(0.3, inplace=inplace)(x + 0)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


@pytest.mark.parametrize(("rate", "trains"), [(0.0, True), (0.3, False)])
def test_nothing_is_dropped_in_evaluation_or_at_rate_0(rate, trains):
    x = torch.ones(5)
    assert Dropout(rate).train(trains)(x) is x


def test_other_precisions_are_dropped_by_torch():
    y = Dropout(0.5)(torch.ones(10_000, dtype=torch.float64))
    assert y.dtype == torch.float64 and y.unique().tolist() == [0, 2]
