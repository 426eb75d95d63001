"""Schema of config.yaml. Every key has a default, a unit and a reason; no others exist."""

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from avlib.errors import ConfigError
from avlib.sections import Section
from avlib.studies.ave import Ave
from avlib.studies.base import Study
from avlib.studies.custom import Custom
from avlib.studies.ego_mcq import EgoMcq
from avlib.studies.epic import Epic
from avlib.studies.epic_mir import EpicMir
from avlib.studies.epic_sounds_ret import EpicSoundsRet
from avlib.studies.k600 import K600
from avlib.studies.llp import Llp
from avlib.studies.perception import Perception
from avlib.studies.retrieval_study import SHARED
from avlib.studies.sounds import Sounds

DEFAULT = "ave"  # section of the study that a run makes where no section is configured
S = TypeVar("S", bound=Study)


class Config(Section):
    """The whole of config.yaml."""

    seed: int = Field(0, ge=0, description="Every random draw comes from it and the item's id")
    max_bad_fraction: float = Field(
        0.9, ge=0, le=1, description="Share of videos left out at which the run stops"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda if there is one")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="Arithmetic of feature extraction; bfloat16 needs cuda"
    )
    allow_tf32: bool = Field(False, description="Faster float32 on cuda, features differ by 1e-3")
    mel_on_device: bool = Field(False, description="Log-mel on the GPU rather than on the CPU")
    ave: Ave = Ave()
    epic: Epic = Epic()
    perception: Perception = Perception()
    k600: K600 = K600()
    llp: Llp = Llp()
    epic_mir: EpicMir = EpicMir()
    ego_mcq: EgoMcq = EgoMcq()
    epic_sounds_ret: EpicSoundsRet = EpicSoundsRet()
    custom: Custom = Custom()
    sounds: Sounds = Sounds()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = Counter(study.name for study in self.sections.values())
        for section, study in self.sections.items():
            if study.name == SHARED:
                raise ValueError(f"{section}.name may not be {SHARED!r}, the folder of its tables")
            if names[study.name] > 1 and study.name != section:
                raise ValueError(
                    f"{section}.name may not be the name of another study, {study.name!r}"
                )
        return self

    @property
    def sections(self) -> dict[str, Study]:
        """The studies by the names of their sections."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: study for name, study in values.items() if isinstance(study, Study)}

    @property
    def studies(self) -> dict[str, Study]:
        """The studies by the names of their folders of results."""
        return {study.name: study for study in self.sections.values()}

    @property
    def chosen(self) -> list[Study]:
        """What a run without a target makes: the studies whose sections are configured."""
        default = Config()
        changed = [s for name, s in self.sections.items() if s != default.sections[name]]
        return changed or [self.sections[DEFAULT]]

    def study(self, name: str, kind: type[S]) -> S:
        """Return the study of `results/<name>`.

        Args:
            name: of the folder.
            kind: class that it must have.

        Raises:
            ConfigError: if no study has that name, or it is of another kind.
        """
        if name not in self.studies:
            raise ConfigError(f"no study is called {name!r}; there are {', '.join(self.studies)}")
        study = self.studies[name]
        if not isinstance(study, kind):
            others = ", ".join(self.names(kind))
            raise ConfigError(f"{name} has no such results; studies that do: {others}")
        return study

    def names(self, kind: type[Study]) -> list[str]:
        """Return the names of the studies of a kind."""
        return [name for name, study in self.studies.items() if isinstance(study, kind)]


def load_config(values: Mapping[str, Any]) -> Config:
    """Return the checked configuration.

    Raises:
        ConfigError: one line for the first wrong key: its name, the value, what is expected.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(_describe(error)) from None


def read_config(config_file: Path, overlays: Sequence[Path]) -> Config:
    """Return the configuration of a file and of overlays, merged as Snakemake does.

    Raises:
        ConfigError: if a file cannot be read or a key is wrong.
    """
    values: dict[str, Any] = {}
    for path in [config_file, *overlays]:
        try:
            content = yaml.safe_load(path.read_text("utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error
        if not isinstance(content or {}, Mapping):
            raise ConfigError(f"{path}: expected keys and values, found {type(content).__name__}")
        values = _merged(values, content or {})
    return load_config(values)


def config_hash(config: Config, study: str) -> str:
    """Return a digest of the section of a study and of what all studies share, as the seed.

    Raises:
        ConfigError: if no study has that name.
    """
    shared = config.model_dump(mode="json", exclude=set(config.sections))
    section = config.study(study, Study).model_dump(mode="json")
    text = json.dumps(shared | {"study": section}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _describe(error: ValidationError) -> str:
    problem = error.errors()[0]
    path = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        valid = list(_section(path[:-1]).model_fields)
        nearest = difflib.get_close_matches(path[-1], valid, n=1, cutoff=0)[0]
        known = ".".join([*path[:-1], nearest])
        return f"config key {'.'.join(path)} does not exist; did you mean {known}?"
    while path and path[-1] not in _section(path[:-1]).model_fields:
        path.pop()  # pydantic adds the members of unions, which are no keys
    message = problem["msg"].removeprefix("Value error, ")
    if path and message.startswith(f"{'.'.join(path)}."):  # of a section, about one of its keys
        return f"config key {message}"
    # The values of a whole section would hide what is wrong.
    found = "" if isinstance(problem["input"], Mapping) else f", got {problem['input']!r}"
    return f"config key {'.'.join(path)}: {message}{found}" if path else f"config: {message}"


def _section(path: list[str]) -> type[BaseModel]:
    """Return the class of the section at `path`."""
    section: type[BaseModel] = Config
    for name in path:
        if name in section.model_fields:
            annotation = section.model_fields[name].annotation
            candidates = [annotation, *get_args(annotation)]
            models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
            section = models[0] if models else section
    return section
