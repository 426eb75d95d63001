"""What the rules of recognition.smk ask: windows, TIM, its metrics and pictures."""

from pathlib import Path
from typing import Any

from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError
from avlib.workflow.extractors import FeatureStages
from avlib.workflow.study_files import Wildcards

JOINT = "audio_visual"
MODALITIES = (JOINT, "audio", "visual")  # of the features that a TIM sees


class RecognitionStages(FeatureStages):
    """TIM; `wildcards.modality` names the features that it sees, where a job is about one."""

    def ave_targets(self) -> list[str]:
        """Return the final results of the study of AVE: metrics, and the report's pictures."""
        study, folder = self.config.ave, self.results / "ave"
        files = ["test_metrics.json", "report/confusion.svg", "report/timelines.svg"]
        trained = [n for n in self.extractors_of(study) if getattr(study.checkpoints, n) is None]
        if study.vgg_features.visual is not None:
            trained = []
        trained += [f"tim/{m}" for m in MODALITIES if study.checkpoints.tim is None]
        files += [f"model/{network}/curves.svg" for network in trained]
        return [str(folder / file) for file in files]

    # Features and splits

    def has_published_features(self, wildcards: Wildcards) -> bool:
        """Say whether features came as the dataset's own files, without videos."""
        return self.ave(wildcards).vgg_features.visual is not None

    def published_features(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the official feature files by modality."""
        files = self.ave(wildcards).vgg_features
        return {
            modality: self.existing(wildcards, f"vgg_features.{modality}", path)
            for modality, path in files
            if path is not None
        }

    def feature_folder(self, wildcards: Wildcards, modality: str) -> str:
        """Return the folder of the features of one modality."""
        visual, audio = self.extractors(wildcards)
        name = visual if modality == "visual" else audio
        # Those that came as files have the same names, and must not mix with extracted ones.
        tree = "published" if self.has_published_features(wildcards) else "features"
        return str(self.folder(wildcards) / tree / name)

    def visual_folder(self, wildcards: Wildcards) -> str:
        """Return the folder of the features of the picture."""
        return self.feature_folder(wildcards, "visual")

    def audio_folder(self, wildcards: Wildcards) -> str:
        """Return the folder of the features of the sound."""
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
        """Return the splits that training uses: train, and val where it is given.

        Raises:
            ConfigError: if there is no split to train on, or none to test on.
        """
        study = self.ave(wildcards)
        given = dict(study.splits) if study.source == "official" else dict.fromkeys(SPLITS, "")
        for split in ("train", "test"):
            if given[split] is None:
                raise ConfigError(f"{wildcards.study}.splits.{split}: name the list of its videos")
        return [split for split in ("train", "val") if given[split] is not None]

    def training_windows(self, wildcards: Wildcards) -> list[str]:
        """Return the windows of the splits that training uses."""
        folder = self.folder(wildcards) / "tim/windows"
        return [str(folder / f"{split}.npz") for split in self.training_splits(wildcards)]

    def _intervals(self, wildcards: Wildcards, split: str) -> str:
        folder = "published" if self.has_published_features(wildcards) else "."
        return str(self.folder(wildcards) / folder / "intervals" / f"{split}.parquet")

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
        if self.has_published_features(wildcards):
            return []
        return [str(self.folder(wildcards) / "manifest.parquet")]

    # TIM

    def recipe(self, wildcards: Wildcards) -> str:
        """Return the recipe: the configured one, else as published with published features."""
        study = self.ave(wildcards)
        if study.tim.recipe:
            return study.tim.recipe
        if study.features == "vgg":
            return "ave_vgg"
        given = (study.checkpoints.asf, study.checkpoints.omnivore)
        return "ave" if all(isinstance(path, Path) for path in given) else "small"

    def tim_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of a training: the section, with the recipe that it stands for."""
        # How many processes train together decides nothing and must not train again.
        settings = self.ave(wildcards).tim.model_dump(exclude={"processes", "checkpoint"})
        if wildcards.modality != JOINT:
            settings["select_by"] = None  # a model of one modality has one head
        return settings | {"recipe": self.recipe(wildcards)}

    def predicts_mixed(self, wildcards: Wildcards) -> bool:
        """Say whether answers are computed in mixed precision."""
        return self.ave(wildcards).tim.mixed_precision == "always"

    def initial_tim(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that a training starts from, if any; they are of the joint model."""
        path = self.ave(wildcards).tim.checkpoint
        if path is None or wildcards.modality != JOINT:
            return []
        return [self.existing(wildcards, "tim.checkpoint", path)]

    def tim_processes(self, wildcards: Wildcards) -> int:
        """Return how many processes train together."""
        return self.ave(wildcards).tim.processes

    def tim_gpus(self, wildcards: Wildcards) -> int:
        """Return the GPUs of a training."""
        return self.gpus * self.tim_processes(wildcards)

    def modalities(self, wildcards: Wildcards) -> list[str]:
        """Return the modalities that are compared; of given weights there is only the joint."""
        return [JOINT] if self.ave(wildcards).checkpoints.tim else list(MODALITIES)

    def models(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that are evaluated: given or trained."""
        given = self.ave(wildcards).checkpoints.tim
        if given is not None:
            return [self.existing(wildcards, "checkpoints.tim", given)]
        folder = self.folder(wildcards) / "model/tim"
        return [str(folder / m / "model.safetensors") for m in self.modalities(wildcards)]

    def checked_tim(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights of TIM fit, if there are such."""
        if self.ave(wildcards).checkpoints.tim is None:
            return []
        return [str(self.folder(wildcards) / "model/tim/given.json")]

    def backbones(self, wildcards: Wildcards) -> dict[str, str | None]:
        """Return the weights behind the features by network; None where there are none."""
        if self.has_published_features(wildcards):
            return {}
        return {
            name: next(iter(self.weights_of(wildcards, name)), None)
            for name in self.extractors(wildcards)
        }

    def origins(self, wildcards: Wildcards) -> dict[str, str]:
        """Return how the weights of each network were made: given, trained or untrained."""
        checkpoints = self.ave(wildcards).checkpoints
        return {
            name: {None: "trained", "untrained": "untrained"}.get(given, "given")
            for name in [*self.backbones(wildcards), "tim"]
            for given in [getattr(checkpoints, name)]
        }
