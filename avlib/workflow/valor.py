"""What the rules of llp.smk ask: labels, features, teachers, parsers and their comparison."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from avlib.errors import ConfigError
from avlib.extractors.registry import COMMON_SETTINGS, VIDEO_EXTRACTORS
from avlib.io.atomic import write_json
from avlib.io.text_tokens import TOKENIZER_FILES
from avlib.studies.llp import Llp
from avlib.studies.llp_llp_study import label_files
from avlib.valor.captions import KNOWN
from avlib.valor.recipes import PARSER_RECIPES
from avlib.workflow.study_files import Studies, Wildcards

TEACHERS = {"audio": "clap_segments", "visual": "clip"}  # kind of the features that are compared
MINIATURE_BATCH = 16  # videos; with 64 as published the few there are would make two steps an epoch


class ParsingStages(Studies):
    """Event parsing; `wildcards.variant` names a parser, `wildcards.kind` a kind of feature."""

    def llp(self, wildcards: Wildcards) -> Llp:
        """Return the section of a study of event parsing.

        Raises:
            ConfigError: if the study is another one.
        """
        study = self.section(wildcards)
        if not isinstance(study, Llp):
            raise ConfigError(f"{wildcards.study} parses no events; ask for its own results")
        return study

    def llp_targets(self) -> list[str]:
        """Return the final results: the comparison of the variants, and the report's pictures."""
        study, folder = self.config.llp, self.results / "llp"
        files = ["summary.json", "report/variants.html"]
        files += [f"{variant}/report/parsed_events.svg" for variant in study.variants]
        trained = [v for v in study.variants if v not in study.checkpoints.parsers]
        files += [f"model/parser/{variant}/curves.svg" for variant in trained]
        return [str(folder / file) for file in files]

    # Labels

    def label_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the label files by name: train, val, test, audio and visual."""
        files = label_files(self.llp(wildcards), self.folder(wildcards))
        return {name: str(path) for name, path in files.items()}

    def given_folders(self, wildcards: Wildcards) -> dict[str, dict[str, str]]:
        """Return the given folders of features by kind, and of pseudo labels by modality.

        Raises:
            ConfigError: if one does not exist.
        """
        study = self.llp(wildcards)
        sections = {"features": study.features, "pseudo_labels": study.pseudo_labels}
        found: dict[str, dict[str, str]] = {}
        for section, values in sections.items():
            given = {name: path for name, path in values if isinstance(path, Path)}
            for name, path in given.items():
                if not path.is_dir():
                    raise ConfigError(f"llp.{section}.{name}: {path} is no folder; correct it")
            found[section] = {name: str(path) for name, path in given.items()}
        return found

    # Features

    def segment_weights(self, wildcards: Wildcards) -> str:
        """Return the weights that features of a kind are made with: given, or trained here."""
        return self.weights_of_network(wildcards, VIDEO_EXTRACTORS[wildcards.kind].network)

    def teacher_weights(self, wildcards: Wildcards) -> str:
        """Return the weights of the job's teacher."""
        kind = TEACHERS[wildcards.modality]
        return self.weights_of_network(wildcards, VIDEO_EXTRACTORS[kind].network)

    def weights_of_network(self, wildcards: Wildcards, name: str) -> str:
        """Return the weights of a network.

        Raises:
            ConfigError: if they are neither given nor trained here.
        """
        study = self.llp(wildcards)
        given: Path | None = getattr(study.checkpoints, name)
        if given is not None:
            return self.existing(wildcards, f"checkpoints.{name}", given)
        if study.source != "miniature":
            raise ConfigError(
                f"{wildcards.study}.checkpoints.{name}: name the published weights, or give their "
                f"results as {wildcards.study}.features or pseudo_labels"
            )
        return str(self.folder(wildcards) / f"model/{name}/model.safetensors")

    def segment_extraction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the features of a kind, beside the videos and the weights."""
        teachers = self.llp(wildcards).teachers
        own: dict[str, Callable[[], Any]] = {
            "antialias": lambda: teachers.visual.antialias,
            "sound": lambda: self.llp(wildcards).vggish_sound,
            "backend": lambda: self.backend(wildcards),
        }
        shared = {name: getattr(self.config, name) for name in COMMON_SETTINGS}
        extractor = VIDEO_EXTRACTORS[wildcards.kind]
        return shared | {name: own[name]() for name in extractor.settings}

    def backend(self, wildcards: Wildcards) -> str:
        """Return the package that runs CLAP.

        Raises:
            ConfigError: if it is not installed.
        """
        backend = self.llp(wildcards).teachers.audio.backend
        if backend == "laion_clap" and find_spec("laion_clap") is None:
            raise ConfigError(
                f"{wildcards.study}.teachers.audio.backend: laion_clap is not installed; run "
                "make laion-clap, or set transformers"
            )
        return backend

    def teacher_backend(self, wildcards: Wildcards) -> str:
        """Return the package that runs the job's teacher."""
        return self.backend(wildcards) if wildcards.modality == "audio" else "transformers"

    def segment_journal(self, wildcards: Wildcards) -> str:
        """Return the journal of a shard; another number of shards has others."""
        name = f"{wildcards.kind}/{self.llp(wildcards).shards}/{wildcards.shard}.jsonl"
        return str(self.folder(wildcards) / ".cache" / "features" / name)

    def is_given(self, wildcards: Wildcards, kind: str) -> bool:
        """Say whether features of a kind came as a folder."""
        return getattr(self.llp(wildcards).features, kind, None) is not None

    def kind_folder(self, wildcards: Wildcards, kind: str) -> str:
        """Return the folder of the features of a kind."""
        if self.is_given(wildcards, kind):
            return self.given_folders(wildcards)["features"][kind]
        return str(self.folder(wildcards) / "features" / kind)

    def kind_tables(self, wildcards: Wildcards, kinds: Iterable[str]) -> dict[str, list[str]]:
        """Return the indices of the features that are made here, by kind."""
        return {
            kind: self.shards(wildcards, f"features/{kind}/shards/{{}}.parquet")
            for kind in kinds
            if not self.is_given(wildcards, kind)
        }

    # Teachers

    def teacher_kind(self, wildcards: Wildcards) -> str:
        """Return the kind of the features that the job's teacher compares with captions."""
        return TEACHERS[wildcards.modality]

    def teacher_tables(self, wildcards: Wildcards) -> list[str]:
        """Return the indices of the features of the job's teacher."""
        tables = self.kind_tables(wildcards, [self.teacher_kind(wildcards)])
        return [path for paths in tables.values() for path in paths]

    def teacher_folder(self, wildcards: Wildcards) -> str:
        """Return the folder of the features of the job's teacher."""
        return self.kind_folder(wildcards, self.teacher_kind(wildcards))

    def captions(self, wildcards: Wildcards) -> list[str] | None:
        """Return what the job's teacher is told of the classes; None for the published texts.

        Raises:
            ConfigError: if CLIP's tokenizer is needed and not given.
        """
        teachers = self.llp(wildcards).teachers
        if wildcards.modality == "audio":
            return None if teachers.audio.texts is None else list(teachers.audio.texts)
        captions = list(teachers.visual.captions or ())
        unknown = [caption for caption in captions if caption not in KNOWN]
        if unknown and teachers.visual.tokenizer is None:
            raise ConfigError(
                f"{wildcards.study}.teachers.visual.captions: {unknown[0]!r} is none of the "
                "published ones; name the tokenizer of CLIP beside them"
            )
        return captions or None

    def tokenizer(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the tokenizer of the job's teacher, if there is one.

        Raises:
            ConfigError: if CLAP has none, or a file does not exist.
        """
        study = self.llp(wildcards)
        folder: Path | None = getattr(study.teachers, wildcards.modality).tokenizer
        key = f"teachers.{wildcards.modality}.tokenizer"
        if folder is not None:
            return [self.existing(wildcards, key, folder / name) for name in TOKENIZER_FILES]
        if wildcards.modality == "visual":
            return []
        if study.checkpoints.clap is not None:
            raise ConfigError(
                f"{wildcards.study}.{key}: name the folder of the vocab.json and merges.txt of "
                "roberta-base"
            )
        return self.byte_tokenizer(wildcards)

    def small_tokenizer(self, wildcards: Wildcards) -> list[str]:
        """Return the tokenizer that the job's small network needs, if it does."""
        return self.byte_tokenizer(wildcards) if wildcards.network == "clap" else []

    def byte_tokenizer(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the tokenizer of the small CLAP."""
        folder = self.folder(wildcards) / "model/clap/tokenizer"
        return [str(folder / name) for name in TOKENIZER_FILES]

    def thresholds(self, wildcards: Wildcards) -> list[float] | None:
        """Return the thresholds of the job's teacher; None for the published ones."""
        found = getattr(self.llp(wildcards).teachers, wildcards.modality).thresholds
        return None if found is None else list(found)

    # Parsers

    def parser_training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the changes of the recipe of the job's variant."""
        study = self.llp(wildcards)
        changes = study.training.model_dump()
        if study.source == "miniature":
            changes["batch_size"] = changes["batch_size"] or MINIATURE_BATCH
        return changes

    def given_stamps(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what tells the files of the given folders from others, of all or of a variant."""
        given = self.given_folders(wildcards)
        features, labels = given["features"], given["pseudo_labels"]
        if variant := getattr(wildcards, "variant", None):
            kinds = PARSER_RECIPES[variant].kinds.values()
            features = {kind: path for kind, path in features.items() if kind in kinds}
            labels = {} if self.parser_pseudo_labels(wildcards) is None else labels
        elif modality := getattr(wildcards, "modality", None):
            kind = TEACHERS[modality]
            features, labels = {k: path for k, path in features.items() if k == kind}, {}
        return {path: self.folder_stamp(path) for path in [*features.values(), *labels.values()]}

    def folder_stamp(self, path: str) -> str:
        """Return a digest of names, sizes and times of a folder's files.

        The jobs of a cluster find what the main process has noted.
        """
        name = hashlib.sha256(path.encode()).hexdigest()[:16]
        note = self.results / "llp" / ".cache" / "given" / f"{name}.json"
        if not self.rescan:
            return str(json.loads(note.read_text("ascii")))
        stamp = _folder_stamp(path)
        if not note.exists() or json.loads(note.read_text("ascii")) != stamp:
            write_json(note, stamp)
        return stamp

    def parser_features(self, wildcards: Wildcards) -> dict[str, dict[str, Any]]:
        """Return kind, folder and indices of the features of each modality of a variant."""
        kinds = PARSER_RECIPES[wildcards.variant].kinds
        tables = self.kind_tables(wildcards, kinds.values())
        return {
            modality: {
                "kind": kind,
                "folder": self.kind_folder(wildcards, kind),
                "indices": tables.get(kind, []),
            }
            for modality, kind in kinds.items()
        }

    def parser_tables(self, wildcards: Wildcards) -> list[str]:
        """Return the indices of the features of a variant that are made here."""
        found = self.kind_tables(wildcards, PARSER_RECIPES[wildcards.variant].kinds.values())
        return [path for paths in found.values() for path in paths]

    def parser_pseudo_labels(self, wildcards: Wildcards) -> dict[str, dict[str, Any]] | None:
        """Return the folders of the teachers' labels; None for a variant that needs none."""
        if PARSER_RECIPES[wildcards.variant].network == "han":
            return None
        given = self.given_folders(wildcards)["pseudo_labels"]
        return {
            modality: {
                "folder": given.get(
                    modality, str(self.folder(wildcards) / "pseudo_labels" / modality)
                ),
                "is_given": modality in given,
            }
            for modality in TEACHERS
        }

    def made_pseudo_labels(self, wildcards: Wildcards) -> list[str]:
        """Return the folders of the teachers' labels of a variant that are made here."""
        sources = (self.parser_pseudo_labels(wildcards) or {}).values()
        return [source["folder"] for source in sources if not source["is_given"]]

    def given_parser(self, wildcards: Wildcards) -> str:
        """Return the given weights of the job's variant.

        Raises:
            ConfigError: if there are none.
        """
        key = f"checkpoints.parsers.{wildcards.variant}"
        parsers = {str(v): path for v, path in self.llp(wildcards).checkpoints.parsers.items()}
        given = parsers.get(wildcards.variant)
        if given is None:
            raise ConfigError(f"{wildcards.study}.{key}: no weights are given")
        return self.existing(wildcards, key, given)

    def parser_weights(self, wildcards: Wildcards) -> str:
        """Return the weights of the job's variant: given or trained."""
        if wildcards.variant in self.llp(wildcards).checkpoints.parsers:
            return self.given_parser(wildcards)
        folder = self.folder(wildcards) / "model/parser" / wildcards.variant
        return str(folder / "checkpoint_best.pt")

    def parser_networks(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the weights behind the answers of a variant, but for its own, by network."""
        kinds = PARSER_RECIPES[wildcards.variant].kinds.values()
        used = [kind for kind in kinds if not self.is_given(wildcards, kind)]
        if wildcards.variant not in self.llp(wildcards).checkpoints.parsers:
            labels = self.parser_pseudo_labels(wildcards) or {}
            used += [TEACHERS[m] for m, source in labels.items() if not source["is_given"]]
        names = sorted({VIDEO_EXTRACTORS[kind].network for kind in used})
        return {name: self.weights_of_network(wildcards, name) for name in names}

    def network_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `parser_networks`."""
        return list(self.parser_networks(wildcards).values())

    def checked_parser(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights of a variant fit, if there are such."""
        if wildcards.variant not in self.llp(wildcards).checkpoints.parsers:
            return []
        return [str(self.folder(wildcards) / f"model/parser/{wildcards.variant}/given.json")]

    def parser_origins(self, wildcards: Wildcards) -> dict[str, str]:
        """Return how the weights behind a variant were made: given or trained."""
        checkpoints = self.llp(wildcards).checkpoints
        found = {
            name: "trained" if getattr(checkpoints, name) is None else "given"
            for name in self.parser_networks(wildcards)
        }
        is_given = wildcards.variant in checkpoints.parsers
        return found | {"parser": "given" if is_given else "trained"}

    def parser_status(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Return the tables with the status of the videos: manifest, and indices by kind."""
        kinds = PARSER_RECIPES[wildcards.variant].kinds.values()
        manifest = self.parser_manifest(wildcards)
        tables = {"manifest": manifest} if manifest else {}
        return tables | self.kind_tables(wildcards, kinds)

    def parser_manifest(self, wildcards: Wildcards) -> list[str]:
        """Return the manifest, if a variant needs videos."""
        has_videos = bool(self.parser_tables(wildcards))
        return [str(self.folder(wildcards) / "manifest.parquet")] if has_videos else []

    def variant_metrics(self, wildcards: Wildcards) -> list[str]:
        """Return the metrics of all variants."""
        folder = self.folder(wildcards)
        return [str(folder / v / "test_metrics.json") for v in self.llp(wildcards).variants]


@cache
def _folder_stamp(path: str) -> str:
    states = ((entry.name, entry.stat()) for entry in os.scandir(path))
    lines = sorted(f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in states)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest()
