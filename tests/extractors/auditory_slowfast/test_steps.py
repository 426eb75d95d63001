"""Three steps of the published training in float64, against its golden numbers."""

import re

import numpy as np
import pytest
import torch
from golden.fill import fill_by_rule, rule_input
from tiny_golden import GOLDEN, contents

from avlib.extractors.auditory_slowfast.batch_norm import (
    batch_norms,
    freeze_batch_norm,
    train_mode,
    update_precise_statistics,
)
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.steps import build_optimizer, train_step

CASES = contents("asf/train_steps.json")
NAMES = re.compile(r"(gradients|changes|buffers|precise_buffers)/(\S+)")


def close(expected):
    return pytest.approx(expected, rel=1e-6)


def golden_values(case, kind):
    """Yield name, statistic and value of what is expected of a kind of tensors."""
    for label, entry in case["expected"].items():
        found = NAMES.match(entry.get("of", label))
        if found and found[1] == kind:
            yield found[2], entry.get("statistic", "first4"), entry["value"]


def check_buffers(model, case, kind):
    checked = 0
    for name, statistic, value in golden_values(case, kind):
        buffer = model.get_buffer(name)
        found = buffer.mean().item() if statistic == "mean" else buffer[:4].tolist()
        assert found == close(value)
        checked += 1
    assert checked


def golden_model(case):
    sizes = {key: case["arguments"][key] for key in ("num_classes", "width")}
    model = AuditorySlowFast(**sizes, dropout=0.0)
    fill_by_rule(model, case["inputs"]["weights"]["fill"]["seed"])
    model.double()
    if case["arguments"]["freeze_batch_norm"]:
        freeze_batch_norm(model)
    train_mode(model)
    return model


def golden_input(case):
    name, shape, seed, scale, offset = case["inputs"]["log_mel"]["rule"].values()
    return torch.from_numpy(rule_input(name, tuple(shape), seed, scale) + offset).double()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_steps_are_those_of_the_published_code(case):
    model, log_mel = golden_model(case), golden_input(case)
    golden = case["expected"]
    optimizer = build_optimizer(model, case["arguments"]["optimizer"]["lr"])
    for group, expected in zip(optimizer.param_groups, golden["groups"]["value"], strict=True):
        assert len(group["params"]) == expected["n_tensors"]
        assert sum(p.numel() for p in group["params"]) == expected["n_values"]
        assert group["weight_decay"] == expected["weight_decay"]
    training = sum(norm.training for norm in batch_norms(model).values())
    assert training == golden["batch_norms_in_training"]["value"]

    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    labels = torch.tensor(case["inputs"]["labels"]["value"])[:, None]
    for step, expected in enumerate(golden["loss"]["value"]):
        assert train_step(model, optimizer, log_mel, labels) == close(expected)
        if step == 0:
            for name, _, norm in golden_values(case, "gradients"):
                assert model.get_parameter(name).grad.norm().item() == close(norm)
    for name, _, norm in golden_values(case, "changes"):
        assert (model.get_parameter(name) - before[name]).norm().item() == close(norm)
    check_buffers(model, case, "buffers")

    update_precise_statistics(model, [log_mel, log_mel.flip(0)[:-1] * 1.1])
    check_buffers(model, case, "precise_buffers")


def test_first_logits_are_those_of_the_published_code():
    case_id, case = next(iter(CASES.items()))
    with torch.no_grad():
        (logits,) = golden_model(case)(golden_input(case))
    expected = np.load(GOLDEN / "asf" / "train_steps.npz")[f"{case_id}/train_logits_step0"]
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-6)
