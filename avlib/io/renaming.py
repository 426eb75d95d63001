"""Networks of the package transformers whose weights were published under other names.

A table says how a file calls every tensor, so that a message about a file that does not fit speaks
the file's own names.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from avlib.io.checkpoints import fit_state_dict

WEIGHT_AND_BIAS = ("weight", "bias")

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Renaming:
    """How a file calls the tensors of a network; names that are not listed are the same.

    Attributes:
        names: published name of each of the network's own.
        thirds: own names of the parts of a tensor that is published in one piece, in its order.
        transposed: published names of matrices that are stored the other way round.
        absent: own names, of buffers, that no file holds.
        unused: tensors of the shapes that a file holds and the network lacks, by published name.
    """

    names: Mapping[str, str]
    thirds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    transposed: Collection[str] = ()
    absent: Collection[str] = ()
    unused: Mapping[str, Tensor] = field(default_factory=dict)

    def published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a network as a file holds them."""
        parts = {part for group in self.thirds.values() for part in group}
        first = {group[0]: name for name, group in self.thirds.items()}
        renamed: dict[str, Tensor] = {}
        for name, tensor in state.items():
            if name in first:
                whole = first[name]
                renamed[whole] = torch.cat([state[part] for part in self.thirds[whole]])
            elif name not in parts and name not in self.absent:
                renamed[self.names.get(name, name)] = tensor
        return self._turned(renamed) | dict(self.unused)

    def own(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a file as the network holds them, without copies."""
        inverse = {published: own for own, published in self.names.items()}
        given = self._turned(state)
        renamed = {
            inverse.get(name, name): tensor
            for name, tensor in given.items()
            if name not in self.thirds and name not in self.unused
        }
        for name in self.thirds.keys() & given.keys():
            group = self.thirds[name]
            renamed |= dict(zip(group, given[name].chunk(len(group)), strict=True))
        return renamed

    def _turned(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {n: t.T if n in self.transposed and t.ndim == 2 else t for n, t in state.items()}


def with_parameters(modules: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield own and published names of the weight and the bias of each pair of modules."""
    for own, published in modules.items():
        yield from ((f"{own}.{p}", f"{published}.{p}") for p in WEIGHT_AND_BIAS)


def without_weights(build: Callable[[], N]) -> N:
    """Return the network that `build` makes, in memory, whose weights are still to come.

    Only the positions of tokens, which no file needs to hold, and their types, all 0, are there.
    """
    with torch.device("meta"):
        network = build()
    network.to_empty(device="cpu")
    for name, buffer in network.named_buffers():
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.numel()).view_as(buffer))
        elif name.endswith("token_type_ids"):
            buffer.zero_()
    return network.eval()


def count_blocks(names: Iterable[str], prefix: str) -> int:
    """Return how many different words follow `prefix` in `names`, up to the next dot."""
    return len({name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)})


def fit_renamed(
    model: nn.Module, state: Mapping[str, Tensor], source: Path, renaming: Renaming
) -> None:
    """Copy the tensors of a file into `model`; every published name and shape must agree.

    Raises:
        CheckpointError: as `fit_state_dict` does, with the published names.
    """
    with _speaking_published_names(model, renaming):
        fit_state_dict(model, state, source)


@contextmanager
def _speaking_published_names(model: nn.Module, renaming: Renaming) -> Iterator[None]:
    def to_published(_model: nn.Module, state: dict[str, Any], *_rest: object) -> None:
        renamed = renaming.published(state)
        state.clear()
        state.update(renamed)

    def to_own(_model: nn.Module, state: dict[str, Any], *_rest: object) -> None:
        renamed = renaming.own(state)
        state.clear()
        state.update(renamed)

    hooks = (
        model.register_state_dict_post_hook(to_published),  # type: ignore[no-untyped-call]
        model.register_load_state_dict_pre_hook(to_own),  # type: ignore[no-untyped-call]
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
