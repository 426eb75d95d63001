"""Operations whose arguments are a class."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal, TypeVar

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from avlib.verify.cases import CaseError
from avlib.verify.operations import OPERATIONS, Numerics, Settings
from avlib.verify.rule import Fill, fill_by_rule, renaming, rule_values

Dtype = Literal["float32", "float64", "bfloat16"]
Network = TypeVar("Network", bound=nn.Module)
Results = Mapping[str, Any]


Arguments = Settings


class NetworkArguments(Arguments):
    """Base of the arguments of an operation that runs a network.

    Attributes:
        dtype: precision; null: that of the run, float32 unless another is given.
    """

    dtype: Dtype | None = None


class Inputs(Mapping[str, Any]):
    """Inputs of an operation by name, and where its networks run.

    Args:
        values: the inputs.
        numerics: device and precision.
    """

    def __init__(self, values: Mapping[str, Any], numerics: Numerics) -> None:
        self._values, self.numerics = values, numerics
        self.unused = set(values)

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise CaseError(f"the case has no input {name!r}")
        self.unused.discard(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def get(self, name: str, default: Any = None) -> Any:
        """Return an input that a case may lack."""
        return self[name] if name in self._values else default

    def tensor(self, name: str) -> Tensor:
        """Return an input on the device, floats in the precision of networks."""
        x = torch.as_tensor(self[name]).to(self.numerics.device)
        return x.to(self.numerics.dtype) if x.is_floating_point() else x

    def filled(
        self, network: Network, names: Callable[[str], str] = str, weights: str = "weights"
    ) -> Network:
        """Return `network` with the case's weights by rule, on the device, in its precision.

        Args:
            network: is filled in place.
            names: what the rule calls a tensor of the network.
            weights: name of the input, a source `fill`.
        """
        fill_by_rule(network, self._fill(weights), renaming(network, names))
        return network.to(self.numerics.device, self.numerics.dtype)

    def rule_state(
        self, state: Mapping[str, Tensor], weights: str = "weights"
    ) -> dict[str, Tensor]:
        """Return weights by rule for a network that is not in memory yet.

        Args:
            state: tensors of the right names and shapes, their values are not read.
            weights: name of the input, a source `fill`.
        """
        fill, made = self._fill(weights), {}
        for name, tensor in state.items():
            factor = (fill.gain if tensor.ndim > 1 else 1.0) * fill.scale.get(name, 1.0)
            values = factor * rule_values(name, tuple(tensor.shape), fill.seed)
            made[name] = torch.from_numpy(values).to(self.numerics.dtype)
        return made

    def _fill(self, weights: str) -> Fill:
        fill = self[weights]
        if not isinstance(fill, Fill):
            raise CaseError(f"input {weights!r}: expected weights by rule")
        return fill


Function = Callable[[Any, Inputs], Results]


@dataclass(frozen=True)
class Operation:
    """A function of the library's that golden cases name."""

    function: Function
    arguments: type[Arguments]

    def run(
        self, arguments: Mapping[str, Any], values: Mapping[str, Any], numerics: Numerics
    ) -> Results:
        """Return the results of a case.

        Raises:
            CaseError: if an argument is unknown, missing or of another type, or an input is not
                one of the operation's.
        """
        try:
            checked = self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            places = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
            messages = [f"argument {place}: {message}" for place, message in places]
            raise CaseError("; ".join(messages)) from error
        if isinstance(checked, NetworkArguments) and checked.dtype:
            dtype = getattr(torch, checked.dtype)
            numerics = Numerics(numerics.device, dtype, numerics.clap_backend)
        inputs = Inputs(values, numerics)
        results = self.function(checked, inputs)
        if inputs.unused:
            raise CaseError(f"the operation has no input {sorted(inputs.unused)}")
        return results

    def __str__(self) -> str:
        fields = self.arguments.model_fields.items()
        return ", ".join(
            name if field.is_required() else f"{name}={field.default!r}" for name, field in fields
        )


def operation(system: str, name: str) -> Callable[[Function], Function]:
    """Register a function `(arguments, inputs) -> results` under a system and a name.

    The annotation of `arguments` says which there are: a subclass of `Arguments`.
    """

    def register(function: Function) -> Function:
        if (system, name) in OPERATIONS:
            raise ValueError(f"two operations {system} {name}")
        arguments = signature(function).parameters["arguments"].annotation
        OPERATIONS[system, name] = Operation(function, arguments)  # type: ignore[assignment]
        return function

    return register
