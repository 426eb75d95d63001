"""What the rules ask about LLP's features of whole videos, one extractor a kind."""

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from avlib.errors import ConfigError
from avlib.extractors.registry import VIDEO_EXTRACTORS
from avlib.extractors.row import COMMON_SETTINGS, FrameInput
from avlib.io.provenance import code_fingerprint
from avlib.studies.llp import Llp
from avlib.valor.recipes import PARSER_RECIPES
from avlib.workflow.study_files import StudyFiles, Wildcards
from avlib.workflow.weights import WeightsFiles

TEACHERS = {"audio": "clap_segments", "visual": "clip"}  # kind of the features that are compared


class SegmentFiles:
    """Features of whole videos; `wildcards.kind` names a kind of feature."""

    def __init__(self, files: StudyFiles, weights: WeightsFiles) -> None:
        self.files, self.networks = files, weights

    def study(self, wildcards: Wildcards) -> Llp:
        """Return the job's study."""
        return self.files.study(wildcards, Llp)

    def given_folders(self, wildcards: Wildcards) -> dict[str, dict[str, str]]:
        """Return the given folders of features by kind, and of pseudo labels by modality."""
        return self.study(wildcards).given_folders()

    def weights(self, wildcards: Wildcards) -> str:
        """Return the weights that features of the job's kind are made with."""
        return self._weights(wildcards, VIDEO_EXTRACTORS[wildcards.kind].network)

    def _weights(self, wildcards: Wildcards, network: str) -> str:
        (path,) = self.networks.paths(wildcards, network)  # given or trained, never random
        return path

    def checked(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights of the job's kind fit."""
        return self.networks.checked(wildcards, VIDEO_EXTRACTORS[wildcards.kind].network)

    def code(self, wildcards: Wildcards) -> str:
        """Return the fingerprint of the code that decides the features of the job's kind."""
        return code_fingerprint(VIDEO_EXTRACTORS[wildcards.kind].module)

    def segment_extraction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the features of a kind, beside the videos and the weights."""
        return self._extraction(wildcards, wildcards.kind)

    def _extraction(self, wildcards: Wildcards, kind: str) -> dict[str, Any]:
        teachers = self.study(wildcards).teachers
        own: dict[str, Callable[[], Any]] = {
            "antialias": lambda: teachers.visual.antialias,
            "sound": lambda: self.study(wildcards).vggish_sound,
            "backend": lambda: self.backend(wildcards),
        }
        shared = {name: getattr(self.files.config, name) for name in COMMON_SETTINGS}
        extractor = VIDEO_EXTRACTORS[kind]
        return shared | {name: own[name]() for name in extractor.settings}

    def backend(self, wildcards: Wildcards) -> str:
        """Return the package that runs CLAP.

        Raises:
            ConfigError: if it is not installed.
        """
        study = self.study(wildcards)
        backend = study.teachers.audio.backend
        if backend == "laion_clap" and find_spec("laion_clap") is None:
            raise ConfigError(
                f"{study.key('teachers')}.audio.backend: laion_clap is not installed; run "
                "make laion-clap, or set transformers"
            )
        return backend

    def segment_journal(self, wildcards: Wildcards) -> str:
        """Return the journal of a shard; another number of shards has others."""
        return self._journal(wildcards, wildcards.kind)

    def _journal(self, wildcards: Wildcards, kind: str) -> str:
        name = f"{kind}/{self.study(wildcards).shards}/{wildcards.shard}.jsonl"
        return str(self.files.folder(wildcards) / ".cache" / "features" / name)

    # Features of the same frames, made by one job

    @property
    def frame_kinds(self) -> list[str]:
        """Kinds that see the same frames, if the variants need two or more that can be made."""
        study = self.files.config.llp
        recipes = [PARSER_RECIPES[variant] for variant in study.variants]
        used = {kind for recipe in recipes for kind in recipe.kinds.values()}
        if study.pseudo_labels.visual is None and any(r.network != "han" for r in recipes):
            used.add(TEACHERS["visual"])
        kinds = [
            kind
            for kind, extractor in VIDEO_EXTRACTORS.items()
            if kind in used
            and isinstance(extractor.sees, FrameInput)
            and getattr(study.features, kind) is None
            and (study.is_rendered or getattr(study.checkpoints, extractor.network) is not None)
        ]
        return kinds if len(kinds) > 1 else []

    @property
    def single_kinds(self) -> list[str]:
        """All other kinds, each of which has a job of its own."""
        return [kind for kind in VIDEO_EXTRACTORS if kind not in self.frame_kinds]

    def frame_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the weights of each of `frame_kinds`."""
        networks = [VIDEO_EXTRACTORS[kind].network for kind in self.frame_kinds]
        return [self._weights(wildcards, network) for network in networks]

    def checked_frame_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the reports that say that given weights of `frame_kinds` fit."""
        networks = [VIDEO_EXTRACTORS[kind].network for kind in self.frame_kinds]
        return [path for n in networks for path in self.networks.checked(wildcards, n)]

    def frame_extraction(self, wildcards: Wildcards) -> dict[str, dict[str, Any]]:
        """Return what decides the features of each of `frame_kinds`."""
        return {kind: self._extraction(wildcards, kind) for kind in self.frame_kinds}

    def frame_journals(self, wildcards: Wildcards) -> list[str]:
        """Return the journals of a shard, of each of `frame_kinds`."""
        return [self._journal(wildcards, kind) for kind in self.frame_kinds]

    def frame_code(self, wildcards: Wildcards) -> str:
        """Return the fingerprint of the code that decides the features of `frame_kinds`."""
        return code_fingerprint(*(VIDEO_EXTRACTORS[kind].module for kind in self.frame_kinds))

    # Folders of features

    def is_given(self, wildcards: Wildcards, kind: str) -> bool:
        """Say whether features of a kind came as a folder."""
        return getattr(self.study(wildcards).features, kind, None) is not None

    def kind_folder(self, wildcards: Wildcards, kind: str) -> str:
        """Return the folder of the features of a kind."""
        if self.is_given(wildcards, kind):
            return self.given_folders(wildcards)["features"][kind]
        return str(self.files.folder(wildcards) / "features" / kind)

    def kind_tables(self, wildcards: Wildcards, kinds: Iterable[str]) -> dict[str, list[str]]:
        """Return the indices of the features that are made here, by kind."""
        return {
            kind: self.files.shards(wildcards, f"features/{kind}/shards/{{}}.parquet")
            for kind in kinds
            if not self.is_given(wildcards, kind)
        }
