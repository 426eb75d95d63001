"""What operations on networks share: names of weights, settings of optimizers."""

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from avlib.verify.cases import CaseError
from avlib.verify.operations import Arguments, NetworkArguments

Clipping = Annotated[float, Field(gt=0)] | None


class OptimizerSettings(Arguments):
    """Settings of an optimizer; those that are left out are the library's."""

    name: Literal["SGD", "Adam", "AdamW"]
    lr: float
    momentum: float | None = None
    dampening: float | None = None
    nesterov: bool | None = None
    weight_decay: float | None = None
    betas: list[float] | None = None
    eps: float | None = None
    amsgrad: bool | None = None


class ParameterGroup(Arguments):
    """Parameters whose name holds one of `name_contains`; all others where it is left out."""

    name_contains: list[str] | None = None
    weight_decay: float


class OptimizationArguments(NetworkArguments):
    """How parameters are updated.

    Attributes:
        optimizer: its settings; those left out are the library's.
        parameter_groups: weight decay by name; the library's where it is left out.
        gradient_clipping: largest norm of the gradient; null for any.
    """

    optimizer: OptimizerSettings
    parameter_groups: list[ParameterGroup] | None = None
    gradient_clipping: Clipping = None


def optimizer_recipe(optimizer: Optimizer) -> dict[str, Any]:
    """Return the settings that the library gives an optimizer of its own."""
    names = OptimizerSettings.model_fields.keys() - {"name", "lr", "weight_decay"}
    settings = {n: optimizer.param_groups[0][n] for n in names if n in optimizer.param_groups[0]}
    return {"name": type(optimizer).__name__, **settings}


def group_sizes(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return the size and the weight decay of each group of parameters."""
    return [
        {
            "n_tensors": len(group["params"]),
            "n_values": sum(p.numel() for p in group["params"]),
            "weight_decay": group["weight_decay"],
        }
        for group in optimizer.param_groups
    ]


def configure(
    model: nn.Module,
    optimizer: Optimizer,
    settings: OptimizerSettings,
    groups: list[ParameterGroup] | None,
) -> None:
    """Give an optimizer of the library the settings of a case.

    Raises:
        CaseError: if it is of another kind, has no such setting, or no group takes a parameter.
    """
    if type(optimizer).__name__ != settings.name:
        raise CaseError(f"the library trains with {type(optimizer).__name__}, not {settings.name}")
    for name, value in settings.model_dump(exclude={"name"}, exclude_none=True).items():
        if name not in optimizer.defaults:
            raise CaseError(f"{settings.name} has no setting {name!r}")
        for group in optimizer.param_groups:
            group[name] = value
    if groups is not None:
        optimizer.param_groups[:] = _groups(model, optimizer, groups)


def clip_gradients(optimizer: Optimizer, max_norm: float | None) -> None:
    """Let an optimizer clip the norm of the gradient before each step; None lets it be."""

    def clip(optimizer: Optimizer, *_: Any) -> None:
        if max_norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, max_norm)

    optimizer.register_step_pre_hook(clip)


def _groups(
    model: nn.Module, optimizer: Optimizer, groups: list[ParameterGroup]
) -> list[dict[str, Any]]:
    """Return the groups of trained parameters, each in the first that takes it."""
    left = {name: p for name, p in model.named_parameters() if p.requires_grad}
    built = []
    for group in groups:
        parts = [""] if group.name_contains is None else group.name_contains
        taken = [name for name in left if any(part in name for part in parts)]
        settings = optimizer.param_groups[0] | {"weight_decay": group.weight_decay}
        built.append(settings | {"params": [left.pop(name) for name in taken]})
    if left:
        raise CaseError(f"no group takes the parameter {next(iter(left))}")
    return built


def state_entries(model: nn.Module, state: dict[str, torch.Tensor] | None = None) -> dict[str, Any]:
    """Return [name, shape, type] of all weights, their number, and that of trained numbers."""
    tensors = model.state_dict() if state is None else state
    entries = [
        [name, list(tensor.shape), str(tensor.dtype).removeprefix("torch.")]
        for name, tensor in tensors.items()
    ]
    n_values = sum(p.numel() for p in model.parameters())
    return {"entries": entries, "total_entries": len(entries), "parameters": n_values}
