"""What operations on networks share: names of weights, settings of optimizers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from avlib.verify.cases import CaseError
from avlib.verify.operations import Results, Settings, Weights

Clipping = Annotated[float, Field(gt=0)] | None


class OptimizerSettings(Settings):
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


class ParameterGroup(Settings):
    """Parameters whose name holds one of `name_contains`; all others where it is left out."""

    name_contains: list[str] | None = None
    weight_decay: float


def refuse_low_precision(weights: Weights) -> None:
    """Raise CaseError in a precision in which nobody trains."""
    if weights.numerics.dtype not in (torch.float32, torch.float64):
        raise CaseError("nobody trains in less than float32")


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """How a case updates weights: a part of every operation that trains.

    Attributes:
        optimizer: its settings.
        parameter_groups: weight decay by name; the library's where there are none.
        gradient_clipping: norm to which gradients are clipped before each step, if they are.
    """

    optimizer: OptimizerSettings
    parameter_groups: list[ParameterGroup] | None = None
    gradient_clipping: Clipping = None

    def configure(self, model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
        """Give an optimizer of the library the settings of the case; return those that it had.

        Raises:
            CaseError: if it is of another kind, has no such setting, or no group takes a parameter.
        """
        settings = self.optimizer
        if type(optimizer).__name__ != settings.name:
            kind = type(optimizer).__name__
            raise CaseError(f"the library trains with {kind}, not {settings.name}")
        names = OptimizerSettings.model_fields.keys() - {"name", "lr", "weight_decay"}
        library = {n: optimizer.param_groups[0][n] for n in names if n in optimizer.param_groups[0]}
        published_groups = _group_sizes(optimizer)
        for name, value in settings.model_dump(exclude={"name"}, exclude_none=True).items():
            if name not in optimizer.defaults:
                raise CaseError(f"{settings.name} has no setting {name!r}")
            for group in optimizer.param_groups:
                group[name] = value
        if self.parameter_groups is not None:
            optimizer.param_groups[:] = _groups(model, optimizer, self.parameter_groups)
        return {
            "recipe": {"name": settings.name, **library},
            "published_groups": published_groups,
            "groups": _group_sizes(optimizer),
        }

    def clip_before_steps(self, optimizer: Optimizer) -> None:
        """Let `optimizer` clip the gradients; for trainings that do not do so themselves."""
        if self.gradient_clipping is not None:
            optimizer.register_step_pre_hook(partial(_clip, self.gradient_clipping))


def _clip(max_norm: float, optimizer: Optimizer, *_: Any) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    nn.utils.clip_grad_norm_(parameters, max_norm)


def _group_sizes(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return the size and the weight decay of each group of parameters."""
    return [
        {
            "n_tensors": len(group["params"]),
            "n_values": sum(p.numel() for p in group["params"]),
            "weight_decay": group["weight_decay"],
        }
        for group in optimizer.param_groups
    ]


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


@contextmanager
def recorded(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Any]]:
    """Yield a dictionary that takes what modules return, by name, until the context ends."""
    outputs: dict[str, Any] = {}

    def keep(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs[name] = output

    hooks = [module.register_forward_hook(partial(keep, n)) for n, module in modules.items()]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def state_entries(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what there is to say of weights: names, shapes, types and numbers, in their order."""
    by_name = {name: [list(t.shape), str(t.dtype).split(".")[1]] for name, t in state.items()}
    parameters = sum(p.numel() for p in model.parameters())
    return {
        "entries": [[name, *entry] for name, entry in by_name.items()],
        "by_name": by_name,
        "names": list(by_name),
        "shapes": {name: shape for name, (shape, _) in by_name.items()},
        **dict.fromkeys(("total_entries", "num_tensors", "n_tensors"), len(by_name)),
        **dict.fromkeys(("parameters", "num_parameters", "n_parameters"), parameters),
    }


def weight_list(published_name: Callable[[str], str] = str) -> Callable[..., Results]:
    """Return an operation that lists the weights of a network under their published names."""

    def state_dict(build: Callable[[], nn.Module]) -> Results:
        with torch.device("meta"):
            model = build()
        return state_entries(model, {published_name(n): t for n, t in model.state_dict().items()})

    return state_dict
