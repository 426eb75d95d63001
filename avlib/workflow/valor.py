"""What the rules of valor.smk ask: labels, features, teachers, parsers, their comparison."""

from pathlib import Path
from typing import Any

from avlib.datasets.llp import LABEL_FILES
from avlib.errors import ConfigError
from avlib.extractors.registry import VIDEO_EXTRACTORS
from avlib.io.text_tokens import TOKENIZER_FILES
from avlib.origins import Origin
from avlib.studies.llp import Llp
from avlib.valor.captions import PUBLISHED_TOKENS
from avlib.valor.recipes import PARSER_RECIPES
from avlib.workflow.segments import TEACHERS, SegmentFiles
from avlib.workflow.study_files import Wildcards

MINIATURE_BATCH = 16  # videos; with 64 as published the few there are would make two steps an epoch


class ParsingFiles(SegmentFiles):
    """Event parsing; `wildcards.variant` names a parser."""

    # Labels

    def label_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the label files by name: train, val, test, audio and visual."""
        files = self.study(wildcards).label_files(self.files.place(wildcards))
        return {name: str(path) for name, path in files.items()}

    def skips_missing(self, wildcards: Wildcards) -> bool:
        """Return whether videos that given folders lack are left out."""
        return self.study(wildcards).skips_missing

    def miniature_classes(self, wildcards: Wildcards) -> int:
        """Return how many classes narrow networks are trained on."""
        return self.study(wildcards).miniature.classes

    # Teachers

    def teacher_weights(self, wildcards: Wildcards) -> str:
        """Return the weights of the job's teacher."""
        kind = TEACHERS[wildcards.modality]
        return self._weights(wildcards, VIDEO_EXTRACTORS[kind].network)

    def checked_teacher(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights of the job's teacher fit."""
        kind = TEACHERS[wildcards.modality]
        return self.networks.checked(wildcards, VIDEO_EXTRACTORS[kind].network)

    def teacher_backend(self, wildcards: Wildcards) -> str:
        """Return the package that runs the job's teacher."""
        return self.backend(wildcards) if wildcards.modality == "audio" else "transformers"

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
        """Return the captions of the job's teacher, one a class; None for the published ones.

        Raises:
            ConfigError: if CLIP's tokenizer is needed and not given.
        """
        study = self.study(wildcards)
        teachers = study.teachers
        if wildcards.modality == "audio":
            return None if teachers.audio.texts is None else list(teachers.audio.texts)
        captions = list(teachers.visual.captions or ())
        unknown = [caption for caption in captions if caption not in PUBLISHED_TOKENS]
        if unknown and teachers.visual.tokenizer is None:
            raise ConfigError(
                f"{study.key('teachers')}.visual.captions: {unknown[0]!r} is none of the published "
                "ones; name the tokenizer of CLIP beside them"
            )
        return captions or None

    def tokenizer(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the tokenizer of the job's teacher, if there is one.

        Raises:
            ConfigError: if CLAP has none, or a file does not exist.
        """
        study = self.study(wildcards)
        folder: Path | None = getattr(study.teachers, wildcards.modality).tokenizer
        key = f"teachers.{wildcards.modality}.tokenizer"
        if folder is not None:
            return [study.existing_file(key, folder / name) for name in TOKENIZER_FILES]
        if wildcards.modality == "visual":
            return []
        if study.checkpoints.clap is not None:
            raise ConfigError(
                f"{study.key(key)}: name the folder of the vocab.json and merges.txt of "
                "roberta-base"
            )
        return self.byte_tokenizer(wildcards)

    def small_tokenizer(self, wildcards: Wildcards) -> list[str]:
        """Return the tokenizer that the job's small network needs, if it does."""
        return self.byte_tokenizer(wildcards) if wildcards.network == "clap" else []

    def byte_tokenizer(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the tokenizer of the small CLAP."""
        folder = self.files.folder(wildcards) / "model/clap/tokenizer"
        return [str(folder / name) for name in TOKENIZER_FILES]

    def thresholds(self, wildcards: Wildcards) -> list[float] | None:
        """Return the thresholds of the job's teacher; None for the published ones."""
        found = getattr(self.study(wildcards).teachers, wildcards.modality).thresholds
        return None if found is None else list(found)

    # Parsers

    def parser_training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the changes of the recipe of the job's variant."""
        study = self.study(wildcards)
        changes = study.training.model_dump()
        if study.is_rendered:
            changes["batch_size"] = changes["batch_size"] or MINIATURE_BATCH
        return changes

    def given_stamps(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the fingerprints of the given folders, of all or of those of a variant."""
        given = self.given_folders(wildcards)
        features, labels = given["features"], given["pseudo_labels"]
        if variant := getattr(wildcards, "variant", None):
            kinds = PARSER_RECIPES[variant].kinds.values()
            features = {kind: path for kind, path in features.items() if kind in kinds}
            labels = {} if self.parser_pseudo_labels(wildcards) is None else labels
        elif modality := getattr(wildcards, "modality", None):
            kind = TEACHERS[modality]
            features, labels = {k: path for k, path in features.items() if k == kind}, {}
        return {
            path: self.files.folder_stamp(wildcards, path)
            for path in [*features.values(), *labels.values()]
        }

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
                    modality, str(self.files.folder(wildcards) / "pseudo_labels" / modality)
                ),
                "is_given": modality in given,
            }
            for modality in TEACHERS
        }

    def made_pseudo_labels(self, wildcards: Wildcards) -> list[str]:
        """Return the folders of the teachers' labels of a variant that are made here."""
        sources = (self.parser_pseudo_labels(wildcards) or {}).values()
        return [source["folder"] for source in sources if not source["is_given"]]

    def parser_weights(self, wildcards: Wildcards) -> str:
        """Return the weights of the job's variant: given or trained."""
        network = f"parser/{wildcards.variant}"
        if self.networks.is_given(wildcards, network):
            return self.networks.given(wildcards, network)
        return str(self.files.folder(wildcards) / "model" / network / "checkpoint_best.pt")

    def checked_parser(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights of a variant fit, if there are such."""
        return self.networks.checked(wildcards, f"parser/{wildcards.variant}")

    def parser_networks(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the weights behind the predictions of a variant, but for its own, by network."""
        kinds = PARSER_RECIPES[wildcards.variant].kinds.values()
        used = [kind for kind in kinds if not self.is_given(wildcards, kind)]
        if not self.networks.is_given(wildcards, f"parser/{wildcards.variant}"):
            labels = self.parser_pseudo_labels(wildcards) or {}
            used += [TEACHERS[m] for m, source in labels.items() if not source["is_given"]]
        names = sorted({VIDEO_EXTRACTORS[kind].network for kind in used})
        return {name: self._weights(wildcards, name) for name in names}

    def network_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `parser_networks`."""
        return list(self.parser_networks(wildcards).values())

    def parser_origins(self, wildcards: Wildcards) -> dict[str, Origin]:
        """Return how the weights behind a variant were made."""
        origins = self.study(wildcards).origins()
        found = {name: origins[name] for name in self.parser_networks(wildcards)}
        return found | {"parser": origins[f"parser/{wildcards.variant}"]}

    def label_dtype(self, wildcards: Wildcards) -> str:
        """Return the type of the numbers in the teachers' labels."""
        return self.study(wildcards).pseudo_labels.dtype

    def evaluation(self, wildcards: Wildcards) -> dict[str, float]:
        """Return what counts as an event, and as found."""
        return self.study(wildcards).evaluation.model_dump()

    def threshold(self, wildcards: Wildcards) -> float:
        """Return the probability from which on a class is found in a segment."""
        return self.study(wildcards).evaluation.threshold

    def variants(self, wildcards: Wildcards) -> list[str]:
        """Return the variants that are compared."""
        return list(self.study(wildcards).variants)

    def parser_status(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Return the tables with the status of the videos: manifest, and indices by kind."""
        kinds = PARSER_RECIPES[wildcards.variant].kinds.values()
        manifest = self.parser_manifest(wildcards)
        tables = {"manifest": manifest} if manifest else {}
        return tables | self.kind_tables(wildcards, kinds)

    def parser_manifest(self, wildcards: Wildcards) -> list[str]:
        """Return the manifest, if a variant needs videos."""
        has_videos = bool(self.parser_tables(wildcards))
        return [str(self.files.folder(wildcards) / "manifest.parquet")] if has_videos else []

    def variant_metrics(self, wildcards: Wildcards) -> list[str]:
        """Return the metrics of all variants."""
        folder = self.files.folder(wildcards)
        return [str(folder / v / "test_metrics.json") for v in self.study(wildcards).variants]

    # Download of the videos, a step of its own before the study

    def download_list(self, study: Llp) -> str:
        """Return the list of all videos.

        Raises:
            ConfigError: if there is none.
        """
        folder = study.existing_folder("labels", study.labels)
        return study.existing_file("labels", folder / LABEL_FILES["full"])

    def download_folder(self, study: Llp) -> str:
        """Return the folder of the videos, which may not exist yet.

        Raises:
            ConfigError: if none is given.
        """
        if study.videos is None:
            raise ConfigError(
                f"{study.key('videos')}: the folder for the downloaded videos is not given"
            )
        return str(study.videos)
