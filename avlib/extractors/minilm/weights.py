"""Files of MiniLM: a folder with weights and tokenizer, as transformers reads it."""

from pathlib import Path

from avlib.errors import CheckpointError
from avlib.io.package_files import check_unchanged
from avlib.packages import MINILM_FILES, REMEDY


def minilm_folder(path: Path) -> Path:
    """Return a folder that holds all files of MiniLM.

    Args:
        path: `weights/minilm`, or another copy of the published folder.

    Raises:
        CheckpointError: if one is missing, or is not what `make weights` wrote.
    """
    missing = [file.name for file in MINILM_FILES if not (path / file.name).is_file()]
    if missing:
        raise CheckpointError(f"{path}: no {', '.join(missing)}; {REMEDY}")
    for file in MINILM_FILES:
        check_unchanged(path / file.name)
    return path
