"""What the results of a study, which may have been moved, hold for new files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from avlib.errors import ConfigError
from avlib.io.hashes import weights_hash
from avlib.io.json_files import read_json, value_at


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What the description of every study says.

    Attributes:
        study: its name.
        section: of the configuration.
        sound: rate, resampler, channels and bits of the packs of waveforms.
        models: weights by name of the model: path, below the study's results or as configured, and
            hash.
        device: as configured.
    """

    study: str
    section: str
    sound: Mapping[str, Any]
    models: Mapping[Any, Mapping[str, str]]
    device: str


Content = TypeVar("Content", bound=Recorded)


@dataclass(frozen=True)
class Trained(Generic[Content]):
    """The results of a study whose models are trained.

    Attributes:
        folder: `results/<study>`.
        description: what the study left beside its models.
    """

    folder: Path
    description: Content

    @property
    def classes(self) -> Path:
        """Names of the classes."""
        return self.folder / "classes.json"

    def model(self, name: str) -> Path:
        """Return the weights of a model, unchanged since the study was finished.

        Raises:
            ConfigError: if they are gone or have changed.
        """
        return self.weights(self.description.models[name])

    def weights(self, recorded: Mapping[str, str]) -> Path:
        """Return a file of weights that the study was made with; see `find_weights`."""
        return find_weights(self.folder, recorded, self.description.section)

    def check(self) -> None:
        """Look for all weights before any work.

        Raises:
            ConfigError: if some are gone or have changed.
        """
        for name in self.description.models:
            self.model(name)


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
