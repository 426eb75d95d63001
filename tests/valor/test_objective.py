import numpy as np
import pytest
import torch
from torch.nn import functional

from avlib.valor.network import BaselineParser, EventParser, ParsedEvents
from avlib.valor.objective import (
    EpochOrders,
    ParserBatch,
    baseline_losses,
    build_optimizer,
    epoch_rate,
    train_step,
    valor_losses,
    video_loss,
)
from avlib.valor.recipes import PARSER_RECIPES as RECIPES
from avlib.valor.weights import new_parser

SIZES = {
    "audio_dim": 6,
    "visual_dim": 8,
    "motion_dim": 5,
    "hidden_dim": 16,
    "nhead": 4,
    "ff_dim": 12,
    "num_layers": 2,
    "num_classes": 7,
}


def batch(size=4):
    draw = torch.Generator().manual_seed(0)
    features = [torch.randn(size, 10, w, generator=draw) for w in (6, 8, 5)]
    labels = [
        (torch.rand(shape, generator=draw) < 0.3).float()
        for shape in [(size, 7), (size, 10, 7), (size, 10, 7)]
    ]
    return ParserBatch(*features, *labels)


def test_a_clamped_probability_costs_what_it_costs_in_float32_and_has_no_gradient():
    probs = torch.tensor([[1.5, -0.2, 0.3]], requires_grad=True)
    loss = video_loss(probs, torch.tensor([[0.0, 1.0, 1.0]]))
    highest, lowest = np.float32(1 - 1e-7), np.float32(1e-7)
    costs = [-np.log1p(-np.float64(highest)), -np.log(lowest), -np.log(0.3)]
    assert loss.item() == pytest.approx(np.mean(costs), rel=1e-6)
    loss.backward()
    assert probs.grad[0, :2].tolist() == [0, 0] and probs.grad[0, 2] < 0


def test_the_losses_of_the_baseline_smooth_visual_labels():
    given, probs = batch(), torch.rand(3, 4, 7, generator=torch.Generator().manual_seed(1))
    nothing = torch.empty(0)
    losses = baseline_losses(ParsedEvents(*probs, nothing, nothing), given)
    cost = functional.binary_cross_entropy
    expected = [
        cost(p, y)
        for p, y in zip(probs, (given.labels, given.labels, 0.05 + 0.9 * given.labels), strict=True)
    ]
    torch.testing.assert_close(torch.stack(losses[1:]), torch.stack(expected))
    torch.testing.assert_close(losses.total, sum(expected))


def test_valor_needs_labels_of_segments():
    model, given = EventParser(**SIZES), batch()
    output = model(*given[:3])
    with pytest.raises(ValueError, match="no pseudo labels"):
        valor_losses(output, given._replace(audio_labels=None))


@pytest.mark.parametrize("name", ["valor", "han"])
def test_a_step_lowers_the_loss_and_leaves_unused_weights_alone(name):
    model = (BaselineParser if name == "han" else EventParser)(**SIZES).eval()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer = build_optimizer(model, RECIPES[name])
    first, *_, last = [train_step(model, optimizer, batch(), grad_norm=1.0) for _ in range(20)]
    assert last["loss"] < first["loss"]
    parts = ("video_loss", "audio_loss", "visual_loss")
    assert first["loss"] == pytest.approx(sum(first[part] for part in parts))
    kept = {n for n, p in model.named_parameters() if torch.equal(p, before[n])}
    unused = {
        n for n in before if n.startswith(("audio_enc", "visual_enc", "cmt_", "hat_encoder.norm"))
    }
    unused |= {n for n in before if "final_norm" in n}
    if name == "han":
        unused |= {n for n in before if n.startswith("hat_encoder.layers.0.")}
    assert kept == unused


def test_the_norm_of_the_gradient_is_that_before_it_is_clipped():
    model = EventParser(**SIZES).eval()
    free = train_step(model, torch.optim.SGD(model.parameters(), lr=0), batch(), grad_norm=None)
    tight = train_step(model, torch.optim.SGD(model.parameters(), lr=0), batch(), grad_norm=1e-3)
    assert free["grad_norm"] == pytest.approx(tight["grad_norm"]) and free["grad_norm"] > 1e-2
    norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    assert torch.stack(norms).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_the_rate_rises_to_its_height_and_falls_to_its_end():
    recipe = RECIPES["valor"]
    rates = [epoch_rate(epoch, recipe) for epoch in range(1, 61)]
    assert rates[0] == pytest.approx(1e-5) and rates[9] == 1e-4
    assert rates[-1] == pytest.approx(1e-6) and max(rates) == rates[9]
    steps = [epoch_rate(epoch, RECIPES["han"]) for epoch in (1, 10, 11, 20, 21, 40)]
    assert steps == pytest.approx([3e-4, 3e-4, 3e-5, 3e-5, 3e-6, 3e-7])


def test_orders_are_those_of_a_data_loader_over_a_training_on_a_gpu():
    model, state = new_parser(3, **SIZES)
    torch.manual_seed(3)
    assert all(
        torch.equal(a, b)
        for a, b in zip(EventParser(**SIZES).parameters(), model.parameters(), strict=True)
    )
    training = torch.utils.data.DataLoader(torch.arange(50), batch_size=7, shuffle=True)
    validation = torch.utils.data.DataLoader(torch.arange(3))
    orders = EpochOrders(state, 50)
    for epoch in range(3):
        assert torch.equal(torch.cat(list(training)), orders(epoch))
        list(validation)
