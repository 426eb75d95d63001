"""Weights files: read as data, never as code, and fitted to a network by name and shape."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from avlib.errors import CheckpointError
from avlib.io.file_kinds import is_safetensors, wrong_kind
from avlib.io.metadata import SETTINGS
from avlib.io.state_dicts import find_state
from avlib.io.torch_files import foreign_names, load_torch, some_of
from avlib.io.torn import REPLACE
from avlib.io.weights import decode_settings
from avlib.io.weights_files import is_index, weight_map, weights_file

logger = logging.getLogger(__name__)

COUNTER = "num_batches_tracked"  # of batch norms; of no influence on a trained network
# Integers up to these are exact in half precision.
EXACT = {torch.float16: 1 << 11, torch.bfloat16: 1 << 8}


@dataclass(frozen=True)
class StoredWeights:
    """What a weights file holds.

    Attributes:
        state: tensors by name, without the prefixes of wrappers.
        settings: what a training here wrote beside them; empty in files of others.
    """

    state: dict[str, Tensor]
    settings: dict[str, str]


def read_weights(path: Path, *, allows_foreign: bool = False) -> StoredWeights:
    """Return the tensors of a weights file, and the settings that files of ours have.

    Args:
        path: a safetensors or torch file, the index of several, or a folder of either.
        allows_foreign: as in `load_checkpoint`.

    Raises:
        CheckpointError: if the file is missing, damaged, holds no weights, two sets of them, or
            more than weights, in which case the message names the objects.
    """
    state = find_state(load_checkpoint(path, allows_foreign=allows_foreign), path)
    stored = state.pop(SETTINGS, None)
    if not state:
        raise CheckpointError(f"{path}: holds no tensors but {SETTINGS}")
    settings = _header(path) if stored is None else decode_settings(stored, path)
    return StoredWeights(state, settings)


def load_state_dict(path: Path, *, allows_foreign: bool = False) -> dict[str, Tensor]:
    """Return the tensors of a weights file, as `read_weights` does.

    Raises:
        CheckpointError: as `read_weights`.
    """
    return read_weights(path, allows_foreign=allows_foreign).state


def load_checkpoint(path: Path, *, allows_foreign: bool = False) -> object:
    """Return all that a weights file holds: tensors, numbers, text and containers of them.

    Args:
        path: as `read_weights` takes it.
        allows_foreign: whether a torch file may hold objects of classes that are not known here,
            such as the meters of the program that wrote it. Each becomes an empty `Foreign`,
            whatever its name; nothing of the file is ever run.

    Raises:
        CheckpointError: as `read_weights` does.
    """
    try:
        file = weights_file(path)
        if is_index(file):
            return _load_parts(file, allows_foreign)
        return _load_file(file, allows_foreign)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error


def _load_parts(index: Path, allows_foreign: bool) -> dict[str, Tensor]:
    """Return the tensors of all parts that an index names."""
    files = weight_map(index)
    whole: dict[str, Tensor] = {}
    for part in sorted(set(files.values())):
        content = _load_file(part, allows_foreign)
        if not isinstance(content, Mapping):
            raise CheckpointError(f"{part}: holds a {type(content).__name__}, not named tensors")
        expected = {name for name, file in files.items() if file == part}
        if content.keys() != expected:
            differing = sorted(map(str, content.keys() ^ expected))
            raise CheckpointError(f"{part}: does not hold what {index.name} says: {differing[0]}")
        whole |= content
    return whole


def _load_file(path: Path, allows_foreign: bool) -> object:
    if is_safetensors(path):
        return _load_safetensors(path)
    if kind := wrong_kind(path):
        raise CheckpointError(f"{path}: not a readable checkpoint, but {kind}; {REPLACE}")
    return load_torch(path, foreign_names(path) if allows_foreign else [])


def _header(path: Path) -> dict[str, str]:
    """Return the text fields of a safetensors file; none of other files."""
    file = weights_file(path)
    if not is_safetensors(file):
        return {}
    with safe_open(file, "pt") as opened:
        return dict(opened.metadata() or {})


def fit_state_dict(
    model: nn.Module,
    state: Mapping[str, Tensor],
    source: Path,
    *,
    skip: str | None = None,
    partial: bool = False,
    names: Callable[[str], str] = str,
) -> None:
    """Copy `state` into `model`; every name and shape must agree.

    Args:
        model: network to fill.
        state: tensors by name.
        source: file named in the message.
        skip: prefix of names that may be absent or of another shape, and are then not loaded.
        partial: whether differences are only logged, as long as something fits.
        names: maps the name of a tensor of the model to its name in `state`.

    Raises:
        CheckpointError: naming missing, unexpected and wrongly shaped tensors, or those that hold
            NaN, infinity, or integers that are rounded.
    """
    own = {names(name): value for name, value in model.state_dict().items()}
    skipped = {n for n in own.keys() | state.keys() if skip is not None and n.startswith(skip)}
    fitting = {n for n in own.keys() & state.keys() if own[n].shape == state[n].shape}
    if (own.keys() | state.keys()) - fitting - skipped:
        message = f"{source} does not fit: {_differences(own, state, fitting | skipped)}"
        if not partial or not fitting:
            raise CheckpointError(message)
        logger.warning("%s; the rest is used", message)
    broken = sorted(
        n for n in fitting if not n.endswith(COUNTER) and not torch.isfinite(state[n].float()).all()
    )
    if broken:
        raise CheckpointError(f"{source}: values that are no numbers in {some_of(broken)}")
    inverse = {names(name): name for name in model.state_dict()}
    values = {n: _as_own(n, own[n], state[n], source) for n in sorted(fitting)}
    model.load_state_dict({inverse[n]: value for n, value in values.items()}, strict=False)


def _as_own(name: str, own: Tensor, given: Tensor, source: Path) -> Tensor:
    """Return a tensor of a file that was perhaps saved in another type than the network's `own`.

    Raises:
        CheckpointError: if it holds numbers that the other type has changed.
    """
    if own.is_floating_point() and not given.is_floating_point():
        raise CheckpointError(f"{source}: {name} holds {_type(given)}, not weights as numbers")
    if own.is_floating_point() or not given.is_floating_point():
        return given
    # Counts, and indices that follow from the sizes of the network, need not be in the file.
    if name.endswith(COUNTER) or torch.equal(own.to(given.dtype), given):
        return own
    if not torch.equal(given, given.round()) or given.abs().max() > EXACT.get(given.dtype, 1 << 24):
        raise CheckpointError(
            f"{source}: {name} holds integers that {_type(given)} has rounded; save it in its own "
            "type"
        )
    return given


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _differences(own: Mapping[str, Tensor], state: Mapping[str, Tensor], agreed: set[str]) -> str:
    """Say which tensors outside of `agreed` are missing, unexpected or of another shape."""
    missing = own.keys() - state.keys() - agreed
    unexpected = state.keys() - own.keys() - agreed
    wrong = sorted((own.keys() & state.keys()) - agreed)
    shapes = [f"{n} {list(state[n].shape)} for {list(own[n].shape)}" for n in wrong]
    return (
        f"missing {some_of(sorted(missing))}; unexpected {some_of(sorted(unexpected))}; of another "
        f"shape {some_of(shapes)}"
    )


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({error}); {REPLACE}"
        ) from error
