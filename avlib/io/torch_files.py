"""Files of `torch.save`: read as tensors, numbers, text and containers; nothing of them is run."""

import pickle
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch.serialization import get_unsafe_globals_in_checkpoint

from avlib.errors import CheckpointError
from avlib.io.torch_archives import Foreign, read_archive
from avlib.io.torn import REPLACE

NAMES_SHOWN = 5
SYSTEM = {"os", "posix", "nt", "sys"}  # modules whose names nobody's settings need
# Published files keep epochs and scores as numpy numbers, under the names of numpy 1 and 2.
NUMPY_SCALAR = np.float64().__reduce__()[0]
NUMPY_SCALARS: list[Any] = [
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("float32", "float64", "int32", "int64", "bool")),
    (NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
    (NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
]


def load_torch(path: Path, foreign: list[str]) -> object:
    """Return what a file of `torch.save` holds, on the CPU.

    Args:
        path: the file.
        foreign: names of classes whose objects become a `Foreign`.

    Raises:
        CheckpointError: if it is no such file, or holds objects of other classes.
    """
    try:
        if _is_compressed(path):  # which torch never writes, and which may unpack to anything
            raise ValueError("compressed")
        return _loaded(path, foreign)
    except pickle.UnpicklingError as error:
        names = foreign_names(path)
        if not names:
            raise CheckpointError(f"{path}: not a readable checkpoint; {REPLACE}") from error
        raise CheckpointError(
            f"{path}: refused, nothing of it was run: it holds more than weights: {some_of(names)}"
        ) from error
    except Exception as error:  # a damaged or wrong file can fail in any operation
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({reason[:200]}); {REPLACE}"
        ) from error


def _loaded(path: Path, foreign: list[str]) -> object:
    stand_ins = [(Foreign, name) for name in foreign]
    try:
        with torch.serialization.safe_globals([*NUMPY_SCALARS, *stand_ins]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        is_command = any(name.partition(".")[0] in SYSTEM for name in foreign)
        if not foreign or is_command or not zipfile.is_zipfile(path):
            raise
    return read_archive(path)  # it takes stand-ins for objects of every kind


def _is_compressed(path: Path) -> bool:
    """Say whether a file is an archive with compressed parts."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(e.compress_type != zipfile.ZIP_STORED for e in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError):
        return False


def foreign_names(path: Path) -> list[str]:
    """Return the names that a torch file would import beside what tensors need.

    Of a bare pickle they are all names; of a file that cannot be read there are none.
    """
    try:
        if _is_compressed(path):
            return []
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
    except Exception as error:  # a damaged or wrong file can fail in any operation
        raise CheckpointError(f"{path}: not a readable checkpoint ({error}); {REPLACE}") from error


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


def some_of(names: list[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    if not names:
        return "none"
    rest = len(names) - NAMES_SHOWN
    return ", ".join(map(str, names[:NAMES_SHOWN])) + (f" and {rest} more" if rest > 0 else "")
