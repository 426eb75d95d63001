"""Three steps of the published training in float64, against its golden numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.fill import fill_by_rule, rule_input

from avlib.extractors.auditory_slowfast.batch_norm import (
    batch_norms,
    freeze_batch_norm,
    train_mode,
    update_precise_statistics,
)
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.steps import build_optimizer, train_step

GOLDEN = Path(__file__).parents[2] / "golden" / "asf"
CASES = json.loads((GOLDEN / "train_steps.json").read_text())["cases"]
CLASSES = {"ave": 28, "epicsounds": 44}


def close(expected):
    return pytest.approx(expected, rel=1e-6)


def check_buffers(model, expected):
    for name, values in expected.items():
        buffer = model.get_buffer(name)
        assert buffer.mean().item() == close(values["mean"])
        assert buffer[:4].tolist() == close(values["first4"])


def golden_model(case):
    model = AuditorySlowFast(num_classes=[CLASSES[case["config"]]], width=64, dropout=0.0)
    fill_by_rule(model, case["fill_seed"])
    model.double()
    if case["bn_frozen"]:
        freeze_batch_norm(model)
    train_mode(model)
    return model


def golden_input(case):
    name, shape, seed, scale, offset = case["input"].values()
    return torch.from_numpy(rule_input(name, tuple(shape), seed, scale) + offset).double()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_steps_are_those_of_the_published_code(case):
    model, log_mel = golden_model(case), golden_input(case)
    optimizer = build_optimizer(model, case["lr"])
    for group, expected in zip(optimizer.param_groups, case["groups"], strict=True):
        assert len(group["params"]) == expected["n_tensors"]
        assert sum(p.numel() for p in group["params"]) == expected["n_values"]
        assert group["weight_decay"] == expected["weight_decay"]
    training = sum(norm.training for norm in batch_norms(model).values())
    assert training == case["bn_layers_in_train_mode"]

    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    labels = torch.tensor(case["labels"])[:, None]
    for step, expected in enumerate(case["losses"]):
        assert train_step(model, optimizer, log_mel, labels) == close(expected)
        if step == 0:
            for name, norm in case["grad_norm_step0"].items():
                assert model.get_parameter(name).grad.norm().item() == close(norm)
    for name, norm in case["param_change_norm"].items():
        assert (model.get_parameter(name) - before[name]).norm().item() == close(norm)
    check_buffers(model, case["buffers"])

    update_precise_statistics(model, [log_mel, log_mel.flip(0)[:-1] * 1.1])
    check_buffers(model, case["precise_bn"]["buffers"])


def test_first_logits_are_those_of_the_published_code():
    case = CASES[0]
    with torch.no_grad():
        (logits,) = golden_model(case)(golden_input(case))
    expected = np.load(GOLDEN / "train_steps.npz")[f"{case['id']}/train_logits_step0"]
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-6)
