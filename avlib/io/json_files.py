"""JSON files of the workflow, and what to do about one that lost its content."""

import json
from pathlib import Path
from typing import Any

from avlib.io.torn import torn


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
