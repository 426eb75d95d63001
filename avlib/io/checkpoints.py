"""Weights files: read as data, never as code, and fitted to a network by name and shape."""

import hashlib
import logging
import pickle
import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.serialization import get_unsafe_globals_in_checkpoint

from avlib.errors import CheckpointError
from avlib.io.file_kinds import is_safetensors, wrong_kind

logger = logging.getLogger(__name__)

NAMES_SHOWN = 5
# Published files keep epochs and scores as numpy numbers, under the names of numpy 1 and 2.
NUMPY_SCALAR = np.float64().__reduce__()[0]
NUMPY_SCALARS: list[Any] = [
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("float32", "float64", "int32", "int64", "bool")),
    (NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
    (NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
]
# Where published files keep the weights.
STATE_KEYS = ("model_state", "model_state_dict", "state_dict", "model", "module", "trunk")


class Foreign:
    """Stands for an object of a class that is not known here; it keeps nothing and does nothing."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def load_state_dict(path: Path, *, allows_foreign: bool = False) -> dict[str, Tensor]:
    """Return the tensors of a safetensors or torch file, without the prefixes of wrappers.

    Args:
        path: the file.
        allows_foreign: as in `load_checkpoint`.

    Raises:
        CheckpointError: if the file is missing, damaged, holds no weights, or holds more than
            weights, in which case the message names the objects.
    """
    content = load_checkpoint(path, allows_foreign=allows_foreign)
    for key in STATE_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not named tensors")
    state = {
        str(name).removeprefix("module.").removeprefix("_orig_mod."): value
        for name, value in content.items()
        if isinstance(value, Tensor)
    }
    if not state:
        raise CheckpointError(f"{path}: holds no tensors; its keys are {_some(list(content))}")
    return state


def load_checkpoint(path: Path, *, allows_foreign: bool = False) -> object:
    """Return all that a weights file holds: tensors, numbers, text and containers of them.

    Args:
        path: a `.safetensors` file or a torch file.
        allows_foreign: whether a torch file may hold objects of classes that are not known here,
            such as the meters of the program that wrote it. Each becomes an empty `Foreign`,
            whatever its name; nothing of the file is ever run.

    Raises:
        CheckpointError: as `load_state_dict` does.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    if is_safetensors(path):
        return _load_safetensors(path)
    if kind := wrong_kind(path):
        raise CheckpointError(f"{path}: not a readable checkpoint, but {kind}")
    return _load_torch(path, foreign_names(path) if allows_foreign else [])


def load_metadata(path: Path) -> dict[str, str]:
    """Return the text fields of a safetensors file; none for other files."""
    if not path.is_file() or not is_safetensors(path):
        return {}
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error


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
            NaN or infinity.
    """
    broken = sorted(n for n, v in state.items() if not torch.isfinite(v.float()).all())
    if broken:
        raise CheckpointError(f"{source}: values that are no numbers in {_some(broken)}")
    own = {names(name): value for name, value in model.state_dict().items()}
    skipped = {n for n in own.keys() | state.keys() if skip is not None and n.startswith(skip)}
    fitting = {n for n in own.keys() & state.keys() if own[n].shape == state[n].shape}
    if (own.keys() | state.keys()) - fitting - skipped:
        message = f"{source} does not fit: {_differences(own, state, fitting | skipped)}"
        if not partial or not fitting:
            raise CheckpointError(message)
        logger.warning("%s; the rest is used", message)
    inverse = {names(name): name for name in model.state_dict()}
    model.load_state_dict({inverse[n]: state[n] for n in fitting}, strict=False)


def _differences(own: Mapping[str, Tensor], state: Mapping[str, Tensor], agreed: set[str]) -> str:
    """Say which tensors outside of `agreed` are missing, unexpected or of another shape."""
    missing = own.keys() - state.keys() - agreed
    unexpected = state.keys() - own.keys() - agreed
    wrong = sorted((own.keys() & state.keys()) - agreed)
    shapes = [f"{n} {list(state[n].shape)} for {list(own[n].shape)}" for n in wrong]
    return (
        f"missing {_some(sorted(missing))}; unexpected {_some(sorted(unexpected))}; of another "
        f"shape {_some(shapes)}"
    )


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        CheckpointError: if there is no such file.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error


def _load_torch(path: Path, foreign: list[str]) -> object:
    stand_ins = [(Foreign, name) for name in foreign]
    try:
        with torch.serialization.safe_globals([*NUMPY_SCALARS, *stand_ins]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        names = foreign_names(path)
        if not names:
            raise CheckpointError(f"{path}: not a readable checkpoint") from error
        raise CheckpointError(
            f"{path}: refused, nothing of it was run: it holds more than weights: {_some(names)}"
        ) from error
    except Exception as error:  # a damaged or wrong file can fail in any operation
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{path}: not a readable checkpoint ({reason[:200]})") from error


def foreign_names(path: Path) -> list[str]:
    """Return the names that a torch file would import beside what tensors need.

    Of a bare pickle they are all names; of a file that cannot be read there are none.
    """
    try:
        if zipfile.is_zipfile(path):
            with torch.serialization.safe_globals(NUMPY_SCALARS):
                return sorted(get_unsafe_globals_in_checkpoint(path))
        with path.open("rb") as file:
            return sorted(set(_global_names(file)))
    except Exception:  # a damaged or wrong file can fail in any operation
        return []


def imported_names(path: Path) -> list[str]:
    """Return all names that a torch file in the present format imports, without running it.

    Raises:
        CheckpointError: if it is not such a file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(member) as file:
                return sorted(set(_global_names(file)))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not a readable checkpoint ({error})") from error


def _global_names(file: IO[bytes]) -> Iterator[str]:
    """Yield the names that a pickle imports, without running it."""
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in {"GLOBAL", "INST"}:
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif isinstance(argument, str):
            strings.append(argument)


def _some(names: list[str]) -> str:
    if not names:
        return "none"
    rest = len(names) - NAMES_SHOWN
    return ", ".join(map(str, names[:NAMES_SHOWN])) + (f" and {rest} more" if rest > 0 else "")
