"""Which of the tensors of a weights file are the network's, and what they are called."""

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from avlib.errors import CheckpointError
from avlib.io.metadata import SETTINGS
from avlib.io.torch_files import some_of

logger = logging.getLogger(__name__)

# Where programs keep the weights; of sets that are not of one network, the earlier one is used.
KEYS = ("model_state", "model_state_dict", "state_dict", "model", "module", "trunk")
# Where they keep what is no network: moments of an optimiser, say, have the weights' names.
OTHERS = re.compile(r"optim|sched|scaler|rng|random|loss|criterion|args|cfg|config|callback", re.I)
AVERAGES = re.compile(r"(?:^|_|\.)(?:ema|swa|shadow|average[d]?)(?:$|_|\.)", re.I)
DEEPEST = 3  # mappings within mappings
# Names that wrappers of modules put anywhere, and those that they put in front of all others.
WRAPPERS = re.compile(
    r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
MODULE = "module."
FRONTS = ("model.", "net.", "network.", "ema_model.")
LARGEST_REPEATED = 1 << 30  # bytes of a tensor that are fewer in its storage
COUNTER = "n_averaged"  # of torch's AveragedModel


class TensorSet(NamedTuple):
    """Named tensors of a file.

    Attributes:
        place: keys that lead to them, joined by dots; empty at the top.
        tensors: by name, without the prefixes of wrappers.
    """

    place: str
    tensors: dict[str, Tensor]


def find_state(content: object, source: Path) -> dict[str, Tensor]:
    """Return the weights of the network that a file is of.

    Where a file holds several sets of tensors of the same names, such as weights and their moving
    average, there is no telling which is meant; but `model` comes before `module`, a copy of it.

    Raises:
        CheckpointError: if there are no tensors, or two such sets; the message names the keys.
    """
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{source}: holds a {type(content).__name__}, not named tensors")
    sets = [
        TensorSet(place, clean_names(tensors, source)) for place, tensors in _sets(content, "", 0)
    ]
    if not sets:
        raise CheckpointError(f"{source}: holds no tensors; its keys are {some_of(list(content))}")
    sets.sort(key=_rank)
    chosen, *rest = sets
    for other in rest:  # what two of the others have in common, as meters do, does not matter
        _check_rivals(chosen, other, source)
    unused = [part.place or "tensors at the top" for part in rest]
    unused += [str(key) for key, value in content.items() if _is_average(key, value, sets)]
    if unused:
        logger.warning(
            "%s: the weights are those of %s; %s not used",
            source,
            chosen.place or "the top",
            f"{', '.join(unused)} {'is' if len(unused) == 1 else 'are'}",
        )
    _check_dense(chosen.tensors, source)
    return chosen.tensors


def _sets(
    content: Mapping[Any, Any], place: str, depth: int
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield every mapping that holds tensors, with the keys that lead to it."""
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    inner = {
        key: value
        for key, value in content.items()
        if isinstance(value, Mapping) and isinstance(key, str) and not OTHERS.search(key)
    }
    below = []
    if depth < DEEPEST:
        for key, value in inner.items():
            below += list(_sets(value, f"{place}.{key}" if place else key, depth + 1))
    # Beside a whole set, single numbers such as an epoch are none.
    if any(value.ndim for value in tensors.values()) or (tensors and not below):
        yield place, tensors
    yield from below


def _rank(part: TensorSet) -> tuple[int, int]:
    key = part.place.rpartition(".")[2]
    return KEYS.index(key) if key in KEYS else len(KEYS), -len(part.tensors)


def _check_rivals(one: TensorSet, other: TensorSet, source: Path) -> None:
    """Refuse two sets of one network, unless they are the same or of the published order."""
    shared = one.tensors.keys() & other.tensors.keys()
    if 2 * len(shared) < min(len(one.tensors), len(other.tensors)):
        return
    if (one.place, other.place) == ("model", "module"):
        return
    if one.tensors.keys() == other.tensors.keys() and all(
        torch.equal(one.tensors[name], other.tensors[name]) for name in shared
    ):
        return
    places = sorted(part.place or "the top of the file" for part in (one, other))
    raise CheckpointError(
        f"{source}: holds two sets of weights, {places[0]} and {places[1]}; save the one that is "
        "meant as a file of its own"
    )


def _is_average(key: object, value: object, sets: list[TensorSet]) -> bool:
    """Return whether a key names averaged weights in a form that holds no named tensors."""
    if not isinstance(key, str) or not AVERAGES.search(key):
        return False
    places = {part.place.partition(".")[0] for part in sets}
    return key not in places and not isinstance(value, int | float | str | None)


def clean_names(tensors: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """Return tensors without the prefixes of wrappers in their names.

    Raises:
        CheckpointError: if two tensors have one name then.
    """
    is_averaged = any(name.startswith(MODULE) for name in tensors)
    names = {name: _unwrapped(name) for name in tensors if not (is_averaged and name == COUNTER)}
    while front := _common_front(names.values()):
        names = {name: _unwrapped(short.removeprefix(front)) for name, short in names.items()}
    clean = {short: tensors[name] for name, short in names.items()}
    if len(clean) < len(names):
        shorts = list(names.values())
        twice = next(short for short in shorts if shorts.count(short) > 1)
        raise CheckpointError(
            f"{source}: two tensors are called {twice} but for the prefixes of wrappers; save the "
            "one that is meant as a file of its own"
        )
    return clean


def _common_front(names: Collection[str]) -> str:
    weights = [name for name in names if name != SETTINGS]
    fitting = (f for f in FRONTS if weights and all(name.startswith(f) for name in weights))
    return next(fitting, "")


def _unwrapped(name: str) -> str:
    name = WRAPPERS.sub("", name)
    while name.startswith(MODULE):
        name = name.removeprefix(MODULE)
    return name


def _check_dense(tensors: Mapping[str, Tensor], source: Path) -> None:
    """Refuse tensors that are compressed, hold no values, or more than are in the file."""
    odd = sorted(
        name
        for name, value in tensors.items()
        if value.layout != torch.strided
        or value.is_quantized
        or value.is_complex()
        or value.is_meta
        or value.nbytes > max(value.untyped_storage().nbytes(), LARGEST_REPEATED)
    )
    if odd:
        raise CheckpointError(
            f"{source}: sparse, quantised, complex or empty tensors cannot be read: {some_of(odd)}"
        )
