"""What the rules of tagging.smk ask: which weights, settings and labels; what `see` makes."""

from pathlib import Path
from typing import Any

from avlib.errors import CheckpointError, ConfigError
from avlib.extractors.row import COMMON_SETTINGS
from avlib.io.text_tokens import TOKENIZER_FILES
from avlib.io.weights_files import all_files
from avlib.packages import MINILM, MINILM_FILES, REMEDY, WEIGHTS
from avlib.studies.base import Place
from avlib.studies.custom import Custom
from avlib.studies.feature_study import FeatureStudy
from avlib.studies.tag_legs import PUBLISHED, TagLeg
from avlib.tagging.archive import LEGS, LegName
from avlib.tagging.vocabulary import NAME_VECTORS
from avlib.workflow.study_files import StudyFiles, Wildcards
from avlib.workflow.weights import require_packaged


class TaggingFiles:
    """Seconds of any study of videos, and events in one's own videos without annotations."""

    def __init__(self, files: StudyFiles) -> None:
        self.files = files

    @property
    def studies(self) -> str:
        """Pattern of the names of the studies whose events are found, not annotated."""
        return self._names(finds_events=True)

    @property
    def annotated(self) -> str:
        """Pattern of the names of the other studies of features."""
        return self._names(finds_events=False)

    def _names(self, *, finds_events: bool) -> str:
        config = self.files.config
        studies = (config.study(name, FeatureStudy) for name in config.names(FeatureStudy))
        found = [study.name for study in studies if study.finds_events is finds_events]
        return "|".join(found) or "(?!)"  # which nothing matches

    def targets(self, wildcards: Wildcards) -> list[str]:
        """Return what is found in one's own videos.

        Raises:
            ConfigError: if there are annotations, or no folder is named.
        """
        study = self.files.config.custom
        if study.has_annotations:
            raise ConfigError(
                f"{study.key('annotations')}: labelled events are trained on, not looked for; "
                "leave them away"
            )
        if study.videos is None and study.sound is None:
            raise ConfigError(f"{study.key('videos')}: name a folder: make see VIDEOS=FOLDER")
        place = Place(self.files.results / study.name, self.files.config.seed)
        return study.tag_targets(place)

    # Seconds

    def leg(self, wildcards: Wildcards, leg: LegName) -> TagLeg:
        """Return the network of a leg."""
        return self.files.study(wildcards, FeatureStudy).tag_legs.of(leg)

    def legs(self, wildcards: Wildcards) -> dict[str, dict[str, str | None]]:
        """Return the network of each leg, and the paths of its files."""
        return {leg: self.leg(wildcards, leg).as_params() for leg in LEGS}

    def sound_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the network of the sound: its weights first."""
        return self.leg_files(wildcards, "sound")

    def picture_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the network of the picture: its weights first."""
        return self.leg_files(wildcards, "picture")

    def leg_files(self, wildcards: Wildcards, leg: LegName) -> list[str]:
        """Return weights, given or packaged, and the tokenizer of a network that takes texts.

        Raises:
            ConfigError: if they are not there.
        """
        study, own = self.files.study(wildcards, FeatureStudy), self.leg(wildcards, leg)
        if own.weights.origin == "packaged":
            try:
                require_packaged(study, own.weights)
            except ConfigError as error:
                remark = study.tag_legs.remark(leg, study.section)
                raise ConfigError("; ".join(filter(None, (str(error), remark)))) from error
            return [str(own.weights.path)]
        return given_files(study, own)

    def mem_mb(self, wildcards: Wildcards) -> int:
        """Return the memory of a job that scores seconds."""
        joint = sum(self.leg(wildcards, leg).tokenizer is not None for leg in LEGS)
        return 3_000 + 3_000 * joint

    def names(self, wildcards: Wildcards) -> str:
        """Return the folder in which vectors of the names of classes are kept."""
        return str(self.files.folder(wildcards) / NAME_VECTORS)

    def settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return how the networks run."""
        return {name: getattr(self.files.config, name) for name in COMMON_SETTINGS}

    def shards(self, wildcards: Wildcards) -> int:
        """Return the number of shards of the study."""
        return self.files.any_study(wildcards).shards

    def previous(self, wildcards: Wildcards) -> str:
        """Return the copy of the last pack of the job's shard."""
        name = f"{self.shards(wildcards)}/{wildcards.shard}.h5"
        return str(self.files.folder(wildcards) / ".cache" / "seconds" / name)

    # Events

    def packs(self, wildcards: Wildcards) -> list[str]:
        """Return the packs of scored seconds of the study."""
        return self.files.shards(wildcards, "seconds/{}.h5")

    def manifests(self, wildcards: Wildcards) -> list[str]:
        """Return the manifests of all shards, with what came of their videos."""
        return self.files.shards(wildcards, "seconds/{}.parquet")

    def tagging(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return labels and thresholds."""
        return self.files.study(wildcards, Custom).tags.model_dump(mode="json")

    def labels(self, wildcards: Wildcards) -> list[str]:
        """Return the file of labels, if there is one."""
        study = self.files.study(wildcards, Custom)
        path = study.tags.labels
        return [study.existing_file("tags.labels", path)] if path else []

    @property
    def sentences_folder(self) -> Path:
        """Folder of MiniLM."""
        return WEIGHTS / MINILM

    def sentences(self, wildcards: Wildcards) -> list[str]:
        """Return the files of MiniLM, if there are labels to understand as classes of a leg.

        Raises:
            ConfigError: if they are not there.
        """
        knows_classes = any(self.leg(wildcards, leg).tokenizer is None for leg in LEGS)
        if not knows_classes or not self.labels(wildcards):
            return []
        paths = [self.sentences_folder / file.name for file in MINILM_FILES]
        if missing := [path for path in paths if not path.is_file()]:
            key = self.files.study(wildcards, Custom).key("tags")
            raise ConfigError(f"{key}.labels: {missing[0]} is not there: {REMEDY}")
        return list(map(str, paths))

    def towers(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the networks that take labels as they are, if there are labels.

        Raises:
            ConfigError: if they are not there.
        """
        if not self.labels(wildcards):
            return []
        joint = [leg for leg in LEGS if self.leg(wildcards, leg).tokenizer is not None]
        return [path for leg in joint for path in self.leg_files(wildcards, leg)]


def given_files(study: FeatureStudy, own: TagLeg) -> list[str]:
    """Return the files of a network whose weights are given or random: its weights first.

    Raises:
        ConfigError: if they are not there.
    """
    key, weights = f"checkpoints.{own.network}", own.weights
    if own.tokenizer is None and weights.origin == "untrained":
        raise ConfigError(
            f"{study.key(key)}: random weights find nothing; leave the key away, or give weights"
        )
    paths: list[Path] = []
    if weights.path is not None:
        if not weights.path.is_dir():
            study.existing_file(key, weights.path)
        try:
            paths = all_files(weights.path)
        except CheckpointError as error:
            raise ConfigError(f"{study.key(key)}: {error}") from error
    return [*map(str, paths), *_tokenizer_files(study, own)]


def _tokenizer_files(study: FeatureStudy, leg: TagLeg) -> list[str]:
    """Return the files of the tokenizer of a network that takes texts.

    Raises:
        ConfigError: if one is not there.
    """
    if missing := leg.missing_file():
        key = study.key(f"tags.tokenizers.{leg.network}")
        raise ConfigError(
            f"{key}: {missing} is not there; name the folder of {' and '.join(TOKENIZER_FILES)}"
            f", as {PUBLISHED[leg.network]} has them, by which {leg.network} takes texts"
        )
    return list(map(str, leg.tokenizer_files()))
