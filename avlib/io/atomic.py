"""The one door through which files are written: whole, or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; rename it onto `target` on success.

    On any error the temporary file is removed and `target` is left as it was. A process that is
    killed leaves at most a hidden `.part` file behind.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{uuid4().hex}.part"
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def write_json(target: Path, content: Any) -> None:
    """Write `content` as indented JSON with sorted keys, so that equal content is equal bytes."""
    with atomic_path(target) as partial:
        text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False)
        partial.write_text(text + "\n", encoding="ascii")


def keep_copy(source: Path, copy: Path) -> None:
    """Give a finished file a second name, or a copy where the file system has no hard links.

    Snakemake removes an output before it is made again; the second name keeps the content.
    """
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = copy.parent / f".{uuid4().hex}.part"
    try:
        try:
            partial.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, partial)
        partial.replace(copy)
    finally:
        partial.unlink(missing_ok=True)
