"""What the rules of tagging.smk ask: which weights, settings and labels; what `see` makes."""

from pathlib import Path
from typing import Any

from avlib.errors import ConfigError
from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.row import COMMON_SETTINGS
from avlib.origins import configured_weights
from avlib.packages import MINILM, MINILM_FILES, REMEDY, WEIGHTS
from avlib.studies.base import Place
from avlib.studies.custom import Custom
from avlib.studies.feature_study import FeatureStudy
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

    def sound_weights(self, wildcards: Wildcards) -> str:
        """Return the weights of YAMNet."""
        return self._weights(wildcards, "yamnet")

    def picture_weights(self, wildcards: Wildcards) -> str:
        """Return the weights of EfficientNet-Lite0."""
        return self._weights(wildcards, "efficientnet_lite0")

    def _weights(self, wildcards: Wildcards, network: str) -> str:
        """Return given or packaged weights of a network.

        Raises:
            ConfigError: if there are none.
        """
        study = self.files.study(wildcards, FeatureStudy)
        given = getattr(study.checkpoints, network)
        weights = configured_weights(network, given, EXTRACTORS[network].package)
        if weights.origin == "given":
            return study.existing_file(f"checkpoints.{network}", weights.path)
        if weights.origin == "untrained":
            raise ConfigError(
                f"{study.key('checkpoints')}.{network}: random weights find nothing; leave the key "
                "away, or give weights"
            )
        require_packaged(study, weights)
        return str(weights.path)

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
        """Return the files of MiniLM, if there are labels to understand.

        Raises:
            ConfigError: if they are not there.
        """
        if not self.labels(wildcards):
            return []
        paths = [self.sentences_folder / file.name for file in MINILM_FILES]
        if missing := [path for path in paths if not path.is_file()]:
            key = self.files.study(wildcards, Custom).key("tags")
            raise ConfigError(f"{key}.labels: {missing[0]} is not there: {REMEDY}")
        return list(map(str, paths))
