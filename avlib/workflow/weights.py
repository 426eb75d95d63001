"""What rules ask about weights, of every network of every paper: which file, and does it fit."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from avlib.errors import AvlibError, CheckpointError, ConfigError
from avlib.extractors.registry import EXTRACTORS
from avlib.io.package_files import check_unchanged
from avlib.io.provenance import code_fingerprint
from avlib.io.weights_files import all_files
from avlib.origins import Weights
from avlib.packages import REMEDY
from avlib.studies.base import Study
from avlib.workflow.study_files import StudyFiles, Wildcards

# The module of each network of a paper, as `Extractor.module` is that of an extractor: its
# `check_weights(checkpoint, target, **inputs, **options)` writes what weights are, if they fit.
# Of a name such as parser/valor the first part counts.
PAPERS = {
    "tim": "avlib.tim.weights",
    "soundtrack": "avlib.soundtracks.weights",
    "parser": "avlib.valor.weights",
}


def check_weights(
    network: str,
    checkpoint: Path,
    target: Path,
    *,
    inputs: Mapping[str, Path],
    options: Mapping[str, Any],
) -> None:
    """Write what a checkpoint is, if it fits its network.

    Args:
        network: name of the network.
        checkpoint: the file.
        target: JSON file to write.
        inputs: files against which it is checked, from `Study.check_inputs`.
        options: settings on which it depends, from `Study.check_options`.

    Raises:
        CheckpointError: if it does not fit, or `make weights` wrote another one.
    """
    check_unchanged(checkpoint)
    module = import_module(_module(network))
    try:
        module.check_weights(checkpoint, target, **inputs, **options)
    except (AvlibError, OSError):
        raise
    except Exception as error:  # of a reader that was given something else than weights
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(f"{checkpoint}: no weights of {network} ({what})") from error


def _module(network: str) -> str:
    name = network.partition("/")[0]
    return EXTRACTORS[name].module if name in EXTRACTORS else PAPERS[name]


def require_packaged(study: Study, weights: Weights) -> None:
    """Check that the packaged weights of a network are there.

    Raises:
        ConfigError: if they are not.
    """
    if weights.path is None or not weights.path.is_file():
        key = study.key(weights_key(weights.network))
        raise ConfigError(f"{weights.path} is not there: {REMEDY}, or give weights as {key}")


def weights_key(network: str) -> str:
    """Return the key that names the weights of a network, within the section of a study."""
    return f"checkpoints.{network.replace('parser/', 'parsers.')}"


class WeightsFiles:
    """The weights of the networks of a study; `wildcards.network` names one."""

    def __init__(self, files: StudyFiles) -> None:
        self.files = files

    def of(self, wildcards: Wildcards, network: str) -> Weights:
        """Return what is configured for a network.

        Raises:
            ConfigError: if the study has no such network.
        """
        weights = self.files.any_study(wildcards).weights()
        if network not in weights:
            raise ConfigError(
                f"{wildcards.study} has no network {network}; it has {', '.join(weights)}"
            )
        return weights[network]

    def is_given(self, wildcards: Wildcards, network: str) -> bool:
        """Return whether weights of a network are a file from outside: configured, or packaged."""
        return self.of(wildcards, network).path is not None

    def given(self, wildcards: Wildcards, network: str) -> str:
        """Return the file from outside that holds the weights of a network.

        Raises:
            ConfigError: if there are none, or there is no such file.
        """
        return self._files(wildcards, network)[0]

    def _files(self, wildcards: Wildcards, network: str) -> list[str]:
        """Return the file of given weights, and those that belong to it: parts, config.json.

        Raises:
            ConfigError: if there are none, or there is no such file.
        """
        weights, study = self.of(wildcards, network), self.files.any_study(wildcards)
        path, key = weights.path, weights_key(network)
        if weights.origin == "packaged":
            require_packaged(study, weights)
        if path is None or not path.is_dir():
            study.existing_file(key, path)
        assert path is not None
        try:
            return list(map(str, all_files(path)))
        except CheckpointError as error:
            raise ConfigError(f"{study.key(key)}: {error}") from error

    def paths(self, wildcards: Wildcards, network: str) -> list[str]:
        """Return the weights of a network: given, packaged, trained here, or none.

        Raises:
            ConfigError: if weights are neither given nor can be trained.
        """
        weights = self.of(wildcards, network)
        if weights.path is not None:
            return [self.given(wildcards, network)]
        if weights.origin in ("untrained", "none"):
            return []
        self.files.any_study(wildcards).require_trainable(network)
        return [str(self.files.folder(wildcards) / f"model/{network}/model.safetensors")]

    def checked(self, wildcards: Wildcards, network: str) -> list[str]:
        """Return the report that says that given weights fit, if weights are given."""
        if not self.is_given(wildcards, network):
            return []
        return [str(self.files.folder(wildcards) / f"model/{network}/given.json")]

    # Rule check_weights

    def check_inputs(self, wildcards: Wildcards) -> dict[str, str | list[str]]:
        """Return the given weights of the job's network, and what they are checked against."""
        study, place = self.files.any_study(wildcards), self.files.place(wildcards)
        inputs = study.check_inputs(wildcards.network, place)
        first, *parts = self._files(wildcards, wildcards.network)
        checkpoint: dict[str, str | list[str]] = {"checkpoint": first, "parts": parts}
        return checkpoint | {name: str(path) for name, path in inputs.items()}

    def check_options(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings on which it depends whether the job's weights fit."""
        return self.files.any_study(wildcards).check_options(wildcards.network)

    def check_code(self, wildcards: Wildcards) -> str:
        """Return the fingerprint of the code that checks the job's weights."""
        return code_fingerprint(_module(wildcards.network))
