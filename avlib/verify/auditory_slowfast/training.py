"""Golden cases of the training of weights: steps, learning rates, metrics."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from avlib.evaluation.recognition import recognition_metrics
from avlib.extractors.auditory_slowfast.batch_norm import (
    batch_norms,
    freeze_batch_norm,
    train_mode,
    update_precise_statistics,
)
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.steps import build_optimizer, train_step
from avlib.training.schedules import learning_rate, schedule_from_solver
from avlib.verify.auditory_slowfast.network import PUBLISHED_WIDTH, case_classes, case_input
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import fill_by_rule
from avlib.verify.tolerance import Tolerance

LOGITS = "train_logits_step0"


def train_steps(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare steps of the training and the precise statistics after them.

    They run in float64 whatever was asked for: in float32 a few steps with a small batch amplify
    rounding beyond any tolerance.
    """
    c = case.content
    x = case_input(c).double().to(numerics.device)
    model = _training_model(case).to(numerics.device)
    optimizer = build_optimizer(model, c["lr"])
    groups = [_group(group) for group in optimizer.param_groups]
    yield compare_exactly("groups", groups, c["groups"])
    in_train_mode = sum(norm.training for norm in batch_norms(model).values())
    yield compare_exactly("bn_layers_in_train_mode", in_train_mode, c["bn_layers_in_train_mode"])
    initial = {name: p.detach().clone() for name, p in model.named_parameters()}
    yield from _steps(case, model, optimizer, x)
    for name, norm in c["param_change_norm"].items():
        change = (model.get_parameter(name) - initial[name]).norm()
        yield compare(f"change {name}", change, norm, case.tolerance("param_change_norm"))
    yield from _buffers(model, c["buffers"], "", case.tolerance("buffers"))
    if "precise_bn" in c:
        update_precise_statistics(model, [x, x.flip(0)[: len(x) - 1] * 1.1])
        golden = c["precise_bn"]["buffers"]
        yield from _buffers(model, golden, "precise ", case.tolerance("precise_bn"))


def _training_model(case: Case) -> AuditorySlowFast:
    model = AuditorySlowFast(num_classes=case_classes(case), width=PUBLISHED_WIDTH, dropout=0.0)
    fill_by_rule(model, case.content["fill_seed"])
    if case.content["bn_frozen"]:
        freeze_batch_norm(model)
    train_mode(model)
    return model.double()


def _group(group: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "n_tensors": len(group["params"]),
        "n_values": sum(p.numel() for p in group["params"]),
        "weight_decay": group["weight_decay"],
    }


def _steps(
    case: Case, model: AuditorySlowFast, optimizer: torch.optim.Optimizer, x: Tensor
) -> Iterator[Comparison]:
    c = case.content
    labels = torch.tensor(c["labels"], device=x.device).reshape(len(x), -1)  # (B, heads)
    logits: list[Tensor] = []
    hook = model.register_forward_hook(lambda _model, _inputs, outputs: logits.extend(outputs))
    losses = []
    for step in range(c["steps"]):
        losses.append(train_step(model, optimizer, x, labels))
        if step == 0:
            hook.remove()
            yield from _first_step(case, model, torch.cat(logits, dim=-1))
    yield compare("losses", losses, c["losses"], case.tolerance("losses"))


def _first_step(case: Case, model: nn.Module, logits: Tensor) -> Iterator[Comparison]:
    golden = case.own_arrays()
    if LOGITS in golden:
        yield compare(LOGITS, logits, golden[LOGITS], case.tolerance(LOGITS))
    for name, norm in case.content["grad_norm_step0"].items():
        gradient = model.get_parameter(name).grad
        size = torch.tensor(0.0) if gradient is None else gradient.norm()
        yield compare(f"gradient {name}", size, norm, case.tolerance("grad_norm_step0"))


def _buffers(
    model: nn.Module, golden: Mapping[str, Any], prefix: str, tolerance: Tolerance
) -> Iterator[Comparison]:
    for name, expected in golden.items():
        buffer = model.get_buffer(name)
        yield compare(f"{prefix}{name} mean", buffer.mean(), expected["mean"], tolerance)
        yield compare(f"{prefix}{name} first4", buffer[:4], expected["first4"], tolerance)


def rates(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the learning rate at fractional epochs."""
    c = case.content
    schedule = schedule_from_solver(c["solver"])
    result = [learning_rate(epoch, schedule) for epoch in c["epoch"]]
    yield compare("lr", result, c["lr"], case.tolerance("lr"))


def metrics(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the metrics of given probabilities; the originals are partly in percent."""
    c, arrays = case.content, case.own_arrays()
    result = recognition_metrics(arrays["probs"], arrays["labels"])
    accuracy = [value for value in result["per_class"]["accuracy"] if value is not None]
    results = {
        "top1_acc": 100 * result["top1"],
        "top5_acc": 100 * result["top5"],
        "mAP": result["mAP"],
        "mAUC": result["AUC"],
        "d_prime": result["d_prime"],
        "mPCA": result["mean_class_accuracy"],
        "seen_classes": result["classes"],
    }
    yield from case.compare_noted(results, case.tolerance(*results))
    given = case.tolerance("PCA")
    # The sidecar has these to five decimals.
    rounded = Tolerance(given.absolute + 0.5e-5, given.relative)
    yield compare("PCA", accuracy, c["PCA"], rounded)
