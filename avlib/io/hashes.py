"""Hashes of files. Without torch, whose import takes stages that compute nothing two seconds."""

import hashlib
from pathlib import Path

from avlib.errors import CheckpointError
from avlib.io.weights_files import is_index, weight_map, weights_file


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        CheckpointError: if there is no such file.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_hash(path: Path) -> str:
    """Return the SHA-256 of a weights file, or that of the hashes of its parts.

    Raises:
        CheckpointError: if there are no such files.
    """
    file = weights_file(path)
    if not is_index(file):
        return file_hash(file)
    parts = sorted(set(weight_map(file).values()))
    return hashlib.sha256("".join(map(file_hash, parts)).encode()).hexdigest()
