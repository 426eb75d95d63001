"""What the rules of tim.smk ask: queries and windows, TIM, its metrics and figures."""

from typing import Any

from avlib.origins import Origin
from avlib.studies.tim_study import JOINT, TimStudy
from avlib.workflow.study_files import StudyFiles, Wildcards
from avlib.workflow.weights import WeightsFiles


class TimFiles:
    """TIM; `wildcards.modality` names the features that it sees, where a job is about one."""

    def __init__(self, files: StudyFiles, weights: WeightsFiles) -> None:
        self.files, self.networks = files, weights

    def study(self, wildcards: Wildcards) -> TimStudy:
        """Return the job's study."""
        return self.files.study(wildcards, TimStudy)

    # Features and splits

    def published_features(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the published feature files by modality."""
        return self.study(wildcards).published_features()

    def feature_folder(self, wildcards: Wildcards, modality: str) -> str:
        """Return the folder of the features of one modality."""
        study = self.study(wildcards)
        visual, audio = study.extractors()
        name = visual if modality == "visual" else audio
        # Those that came as files have the same names, and must not mix with extracted ones.
        tree = "published" if study.has_published_features else "features"
        return str(self.files.folder(wildcards) / tree / name)

    def visual_folder(self, wildcards: Wildcards) -> str:
        """Return the folder of the visual features."""
        return self.feature_folder(wildcards, "visual")

    def audio_folder(self, wildcards: Wildcards) -> str:
        """Return the folder of the audio features."""
        return self.feature_folder(wildcards, "audio")

    def feature_index(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the feature indices by modality, of the modalities that a job sees."""
        seen = getattr(wildcards, "modality", JOINT)
        return {
            modality: f"{self.feature_folder(wildcards, modality)}/index.parquet"
            for modality in ("visual", "audio")
            if seen in (JOINT, modality)
        }

    def training_splits(self, wildcards: Wildcards) -> list[str]:
        """Return the splits that training uses: train, and val where it is given."""
        return self.study(wildcards).training_splits()

    def training_windows(self, wildcards: Wildcards) -> list[str]:
        """Return the windows of the splits that training uses."""
        folder = self.files.folder(wildcards) / "tim/windows"
        return [str(folder / f"{split}.npz") for split in self.training_splits(wildcards)]

    def _intervals(self, wildcards: Wildcards, split: str) -> str:
        folder = "published" if self.study(wildcards).has_published_features else "."
        return str(self.files.folder(wildcards) / folder / "intervals" / f"{split}.parquet")

    def split_intervals(self, wildcards: Wildcards) -> str:
        """Return the intervals of the job's split."""
        return self._intervals(wildcards, wildcards.split)

    def training_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the intervals of the splits that training uses."""
        return [self._intervals(wildcards, s) for s in self.training_splits(wildcards)]

    def test_intervals(self, wildcards: Wildcards) -> str:
        """Return the intervals of the test split."""
        return self._intervals(wildcards, "test")

    def manifest(self, wildcards: Wildcards) -> list[str]:
        """Return the manifest, if there are videos."""
        if self.study(wildcards).has_published_features:
            return []
        return [str(self.files.folder(wildcards) / "manifest.parquet")]

    # TIM

    def recipe(self, wildcards: Wildcards) -> str:
        """Return the name of the recipe."""
        return self.study(wildcards).recipe

    def settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of a training: the section, with the recipe that it stands for."""
        # How many processes train together decides nothing and must not train again.
        settings = self.study(wildcards).tim.model_dump(exclude={"processes", "checkpoint"})
        if wildcards.modality != JOINT:
            settings["select_by"] = None  # a model of one modality has one head
        return settings | {"recipe": self.recipe(wildcards)}

    def key(self, wildcards: Wildcards) -> str:
        """Return the key of the section of TIM, for messages."""
        return self.study(wildcards).key("tim")

    def predicts_mixed(self, wildcards: Wildcards) -> bool:
        """Return whether predictions are computed in mixed precision."""
        return self.study(wildcards).tim.mixed_precision == "always"

    def initial_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that a training starts from, if any; they are of the joint model."""
        study = self.study(wildcards)
        if study.tim.checkpoint is None or wildcards.modality != JOINT:
            return []
        return [study.existing_file("tim.checkpoint", study.tim.checkpoint)]

    def processes(self, wildcards: Wildcards) -> int:
        """Return how many processes train together."""
        return self.study(wildcards).tim.processes

    def gpus(self, wildcards: Wildcards) -> int:
        """Return the GPUs of a training."""
        return self.files.gpus * self.processes(wildcards)

    def modalities(self, wildcards: Wildcards) -> list[str]:
        """Return the modalities that are compared."""
        return list(self.study(wildcards).modalities)

    def models(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that are evaluated: given or trained."""
        if self.networks.is_given(wildcards, "tim"):
            return [self.networks.given(wildcards, "tim")]
        folder = self.files.folder(wildcards) / "model/tim"
        return [str(folder / m / "model.safetensors") for m in self.modalities(wildcards)]

    def checked(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights of TIM fit, if there are such."""
        return self.networks.checked(wildcards, "tim")

    def extractors(self, wildcards: Wildcards) -> list[str]:
        """Return the networks whose features are used, the visual one first."""
        return list(self.study(wildcards).extractors())

    def backbones(self, wildcards: Wildcards) -> dict[str, str | None]:
        """Return the weights behind the features by network; None where there are none."""
        study = self.study(wildcards)
        names = () if study.has_published_features else study.extractors()
        return {name: next(iter(self.networks.paths(wildcards, name)), None) for name in names}

    def origins(self, wildcards: Wildcards) -> dict[str, Origin]:
        """Return how the weights of each network were made."""
        return self.study(wildcards).origins()
