"""Registry of the operations that golden cases run against the installed library.

An operation is a function. Its parameters before the `*` are the inputs of a case, those after it
the arguments; what has a default may be left out. See `docs/golden_cases.md`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature
from typing import Any, Literal, TypeVar, get_args

import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from torch import Tensor, nn

from avlib.extractors.clap.embeddings import Backend
from avlib.io.renaming import Renaming
from avlib.verify.cases import CaseError, Package
from avlib.verify.rule import OWN_NAMES, Fill, fill_by_rule

Array = NDArray[Any]
Network = TypeVar("Network", bound=nn.Module)
Results = Mapping[str, Any]
Function = TypeVar("Function", bound=Callable[..., Results])
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class Settings(BaseModel):
    """Base of arguments that are objects: unknown keys are errors, nothing is converted."""

    model_config = STRICT


@dataclass(frozen=True)
class Numerics:
    """Where, in which precision and by which packages networks run."""

    device: torch.device
    dtype: torch.dtype
    clap_backend: Backend = "transformers"

    def tensor(self, values: Any) -> Tensor:
        """Return values on the device, floats in the precision of networks."""
        x = torch.as_tensor(values).to(self.device)
        return x.to(self.dtype) if x.is_floating_point() else x


@dataclass(frozen=True)
class Weights:
    """Weights by rule for a network that runs as `numerics` says."""

    rule: Fill
    numerics: Numerics

    def fill(self, network: Network, names: Renaming = OWN_NAMES) -> Network:
        """Return `network`, filled in place by published names, on the device, in its precision."""
        fill_by_rule(network, self.rule, names)
        return network.to(self.numerics.device, self.numerics.dtype)


class Operation:
    """A function that golden cases name, and functions that prepare what it takes.

    An input annotated as `Tensor` is on the device in the precision of networks, one as `Weights`
    fills a network; the parameter `numerics` is what they know, `lambda_` stands for `lambda`.

    Args:
        function: the operation.
        parts: further functions by the parameter that they are passed as, with the inputs and
            arguments of the case that they take; these are the operation's, too.
    """

    def __init__(self, function: Callable[..., Results], parts: Mapping[str, Callable[..., Any]]):
        self.function, self.parts = function, parts
        taken = [p for f in (*parts.values(), function) for p in signature(f).parameters.values()]
        own = [p for p in taken if p.name not in {*parts, "numerics"}]
        self.inputs = {p.name.rstrip("_"): p for p in own if p.kind is p.POSITIONAL_OR_KEYWORD}
        fields: dict[str, Any] = {
            p.name: (p.annotation, ... if p.default is p.empty else p.default)
            for p in own
            if p.kind is p.KEYWORD_ONLY
        }
        is_numeric = any({Tensor, Weights} & _kinds(p) for p in self.inputs.values())
        if is_numeric or "build" in parts or "numerics" in (p.name for p in taken):
            fields["dtype"] = (Literal["float32", "float64", "bfloat16"] | None, None)
        self.arguments = create_model("Arguments", __config__=STRICT, **fields)

    def run(
        self, arguments: Mapping[str, Any], values: Mapping[str, Any], numerics: Numerics
    ) -> Results:
        """Return the results of a case.

        Raises:
            CaseError: if an argument or input is unknown, missing or of another type.
        """
        given = self._checked(arguments)
        if dtype := given.pop("dtype", None):
            numerics = replace(numerics, dtype=getattr(torch, dtype))
        if unknown := values.keys() - self.inputs.keys():
            raise CaseError(f"the operation has no input {sorted(unknown)}")
        for name, parameter in self.inputs.items():
            if name in values:
                given[parameter.name] = _prepared(parameter, values[name], numerics)
            elif parameter.default is parameter.empty:
                raise CaseError(f"the case has no input {name!r}")
        given["numerics"] = numerics
        given |= {name: _bound(part, given) for name, part in self.parts.items()}
        results: Results = _bound(self.function, given)()
        return results

    def _checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:  # as JSON, in which a list may be a tuple
            checked = self.arguments.model_validate_json(json.dumps(arguments))
        except ValidationError as error:
            places = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
            messages = [f"argument {place}: {message}" for place, message in places]
            raise CaseError("; ".join(messages)) from error
        return {name: getattr(checked, name) for name in self.arguments.model_fields}

    def __str__(self) -> str:
        fields = self.arguments.model_fields.items()
        return ", ".join(
            name if field.is_required() else f"{name}={field.default!r}" for name, field in fields
        )


def _bound(function: Callable[..., Any], given: Mapping[str, Any]) -> Callable[..., Any]:
    """Return `function` with those of its parameters that are given."""
    parameters = signature(function).parameters.values()
    taken = [p.name for p in parameters if p.name in given and p.kind is not p.POSITIONAL_ONLY]
    return partial(function, **{name: given[name] for name in taken})


def _kinds(parameter: Parameter) -> set[Any]:
    """Return what an input may be: the members of a union, or its only annotation."""
    return {parameter.annotation, *get_args(parameter.annotation)}


def _prepared(parameter: Parameter, value: Any, numerics: Numerics) -> Any:
    kinds = _kinds(parameter)
    if Weights in kinds and isinstance(value, Fill):
        return Weights(value, numerics)
    if Package in kinds and isinstance(value, Package):
        return value
    if kinds & {Weights, Package}:
        expected = "by rule" if Weights in kinds else "of a package"
        raise CaseError(f"input {parameter.name!r}: expected weights {expected}")
    return numerics.tensor(value) if Tensor in kinds else value


OPERATIONS: dict[tuple[str, str], Operation] = {}


def operation(
    system: str, name: str, **parts: Callable[..., Any]
) -> Callable[[Function], Function]:
    """Register a function, with its parts, under a system and a name; see `Operation`."""

    def register(function: Function) -> Function:
        if (system, name) in OPERATIONS:
            raise ValueError(f"two operations {system} {name}")
        OPERATIONS[system, name] = Operation(function, parts)
        return function

    return register
