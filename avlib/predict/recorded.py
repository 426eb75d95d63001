"""What the results of a study, which may have been moved, hold for new files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avlib.errors import ConfigError
from avlib.io.hashes import weights_hash
from avlib.io.json_files import read_json, value_at


def record_weights(path: Path) -> dict[str, str]:
    """Return the path and the hash of a file of weights, for `find_weights`."""
    return {"path": str(path), "sha256": weights_hash(path)}


def find_weights(results: Path, recorded: Mapping[str, str], section: str) -> Path:
    """Return a file of weights that a study was made with.

    Args:
        results: folder of the study's results.
        recorded: from `record_weights`.
        section: of the configuration, which is the name of the study's target.

    Raises:
        ConfigError: if the file is gone or has changed.
    """
    path = Path(recorded["path"])
    inside = path.parts[path.parts.index("model") :] if "model" in path.parts else ()
    places = [results.joinpath(*inside)] if inside else []
    places += [path, results.resolve().parents[1] / path]
    found = next((place for place in places if place.exists()), None)
    origin = f"that {results} was made with"
    if found is None:
        raise ConfigError(
            f"{path}: the weights {origin} are gone; bring them back, or run snakemake {section} "
            "again"
        )
    if weights_hash(found) != recorded["sha256"]:
        raise ConfigError(
            f"{found}: not the weights {origin}; bring them back, or run snakemake {section} again"
        )
    return found


def read_description(path: Path, names: set[str]) -> dict[str, Any]:
    """Return the content of a description.

    Args:
        path: JSON file.
        names: of its values.

    Raises:
        ConfigError: if it has others.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.keys() != names:
        raise ConfigError(
            f"{path}: of another version of avlib; run "
            f"`.venv/bin/snakemake --cores 2 {value_at(content, ['section']) or ''}` again"
        )
    return content
