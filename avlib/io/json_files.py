"""JSON files: those from outside, and those of the workflow, which may have lost their content."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avlib.errors import DataError
from avlib.io.text_tables import read_text
from avlib.io.torn import torn


def read_published_json(path: Path) -> Any:
    """Return the content of a JSON file from outside.

    Raises:
        DataError: if it is no JSON, or an object has a name twice.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            twice = next(name for name, count in counts.items() if count > 1)
            raise ValueError(f"{twice[:80]!r} occurs twice")
        return found

    try:
        return json.loads(read_text(path), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON ({error})") from error


def value_at(tree: Any, path: Iterable[str]) -> Any:
    """Return what stands at a place of nested mappings, None where there is nothing."""
    for name in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(name)
    return tree


def read_json(path: Path) -> Any:
    """Return the content of a JSON file that a stage has written.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise torn(path, "JSON file", error) from error


def read_json_lines(path: Path) -> list[Any]:
    """Return the content of a file with one JSON value a line, as trainings log their epochs.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError, RecursionError) as error:
        raise torn(path, "file of JSON lines", error) from error


def read_cached_json(path: Path) -> Any:
    """Return the content of a JSON file; None if it is missing or torn, as after a power cut."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
