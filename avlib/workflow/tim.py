"""What the rules of tim.smk ask: queries and windows, TIM, its metrics and figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from avlib.origins import Origin
from avlib.studies.tim_study import FeatureSource, TimStudy
from avlib.tim.recipes import MODELS, Modality, ModelName
from avlib.workflow.study_files import StudyFiles, Wildcards
from avlib.workflow.weights import WeightsFiles

MODALITIES: Mapping[Modality, tuple[Modality, ...]] = {
    "audio_visual": ("visual", "audio"),
    "visual": ("visual",),
    "audio": ("audio",),
}
VISUAL_SCORES = ("action", "verb", "noun", "verb_noun")
# By what the best epoch may be chosen, by the labels of a model; with one head there is no choice.
SELECTED_BY: Mapping[Modality, tuple[str, ...]] = {
    "audio_visual": ("combined", *VISUAL_SCORES, "audio"),
    "visual": VISUAL_SCORES,
    "audio": (),
}


class TimFiles:
    """TIM; `wildcards.model` names one of its trainings, where a job is about one."""

    def __init__(self, files: StudyFiles, weights: WeightsFiles) -> None:
        self.files, self.networks = files, weights

    def study(self, wildcards: Wildcards) -> TimStudy:
        """Return the job's study."""
        return self.files.study(wildcards, TimStudy)

    # Features and splits

    def published_features(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the published feature files by modality."""
        return self.study(wildcards).published_features()

    def _sources(self, wildcards: Wildcards) -> dict[Modality, FeatureSource]:
        """Return where the features of each modality are that the job's model sees, or any."""
        study, place = self.study(wildcards), self.files.place(wildcards)
        model = getattr(wildcards, "model", None)
        seen = study.modalities if model is None else MODALITIES[MODELS[model][0]]
        return {modality: study.feature_source(modality, place) for modality in seen}

    def feature_folders(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Return the folders of the features by modality, of the modalities that a job sees."""
        sources = self._sources(wildcards)
        return {m: list(map(str, source.folders)) for m, source in sources.items()}

    def allow_fewer_views(self, wildcards: Wildcards) -> bool:
        """Return whether features of several networks have as many views as all of them have."""
        return self.study(wildcards).allow_fewer_views

    def feature_index(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Return the feature indices by modality, of the modalities that a job sees."""
        sources = self._sources(wildcards)
        return {m: list(map(str, source.indices.values())) for m, source in sources.items()}

    def feature_tables(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the same indices by the names of the networks that made the features."""
        sources = self._sources(wildcards).values()
        return {name: str(path) for source in sources for name, path in source.indices.items()}

    def all_feature_tables(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `feature_tables`."""
        return list(self.feature_tables(wildcards).values())

    def given_splits(self, wildcards: Wildcards) -> list[str]:
        """Return the splits that there are annotations of."""
        return self.study(wildcards).given_splits()

    def given_intervals(self, wildcards: Wildcards) -> str:
        """Return the published interval table of the job's split."""
        study = self.study(wildcards)
        key, path = f"intervals.{wildcards.split}", getattr(study.intervals, wildcards.split)
        return study.existing_file(key, path)

    def published_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the intervals of published features, of all splits that are given."""
        return [self._intervals(wildcards, split) for split in self.given_splits(wildcards)]

    def published_folders(self, wildcards: Wildcards) -> list[str]:
        """Return the folders of published features of the job's modality."""
        source = self.study(wildcards).feature_source(
            cast(Modality, wildcards.modality), self.files.place(wildcards)
        )
        return list(map(str, source.folders))

    def published_stamps(self, wildcards: Wildcards) -> dict[str, str]:
        """Return a digest of names, sizes and times of the files of each of them, by split."""
        folders = [
            folder / split
            for folder in map(Path, self.published_folders(wildcards))
            for split in self.given_splits(wildcards)
        ]
        return {
            str(path): self.files.folder_stamp(wildcards, str(path))
            for path in folders
            if path.is_dir()
        }

    def query_manifest(self, wildcards: Wildcards) -> list[str]:
        """Return the manifest, where every second of the videos in it is a query."""
        is_needed = self.study(wildcards).classifies_seconds
        return [str(self.files.folder(wildcards) / "manifest.parquet")] if is_needed else []

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

    def evaluated_split(self, wildcards: Wildcards) -> str:
        """Return the split that metrics are of."""
        return self.study(wildcards).evaluated_split

    def evaluated_windows(self, wildcards: Wildcards) -> str:
        """Return the windows of the split that metrics are of."""
        split = self.evaluated_split(wildcards)
        return str(self.files.folder(wildcards) / f"tim/windows/{split}.npz")

    def evaluated_intervals(self, wildcards: Wildcards) -> str:
        """Return the intervals of the split that metrics are of."""
        return self._intervals(wildcards, self.evaluated_split(wildcards))

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
        without = {"processes", "models", "checkpoint"}
        settings = self.study(wildcards).tim.model_dump(exclude=without)
        labels = MODELS[cast(ModelName, wildcards.model)][1]
        if settings["select_by"] not in SELECTED_BY[labels]:
            settings["select_by"] = None
        return settings | {"recipe": self.recipe(wildcards)}

    def key(self, wildcards: Wildcards) -> str:
        """Return the key of the section of TIM, for messages."""
        return self.study(wildcards).key("tim")

    def predicts_mixed(self, wildcards: Wildcards) -> bool:
        """Return whether predictions are computed in mixed precision."""
        return self.study(wildcards).tim.mixed_precision == "always"

    def initial_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that a training starts from, if any; they are of the first model."""
        study = self.study(wildcards)
        if study.tim.checkpoint is None or wildcards.model != study.models[0]:
            return []
        return [study.existing_file("tim.checkpoint", study.tim.checkpoint)]

    def processes(self, wildcards: Wildcards) -> int:
        """Return how many processes train together."""
        return self.study(wildcards).tim.processes

    def gpus(self, wildcards: Wildcards) -> int:
        """Return the GPUs of a training."""
        return self.files.gpus * self.processes(wildcards)

    def model_names(self, wildcards: Wildcards) -> list[str]:
        """Return the names of the models that are compared."""
        return list(self.study(wildcards).models)

    def models(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that are evaluated: given or trained."""
        return self._weights(wildcards, self.model_names(wildcards))

    def _weights(self, wildcards: Wildcards, names: Sequence[str]) -> list[str]:
        if self.networks.is_given(wildcards, "tim"):
            return [self.networks.given(wildcards, "tim") for _ in names]
        folder = self.files.folder(wildcards) / "model/tim"
        return [str(folder / name / "model.safetensors") for name in names]

    def description(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what new files are predicted by, as far as the configuration decides it."""
        study = self.study(wildcards)
        return {
            "study": wildcards.study,
            "section": study.section,
            "sound": study.media().audio,
            "intervals": study.interval_rule(),
            "extractors": {
                "visual": list(study.visual_extractors()),
                "audio": list(study.audio_extractors()),
            },
            "by_interval": study.by_interval,
            "pack_rates": {name: study.pack_rate(name) for name in study.audio_extractors()},
            "recipe": study.recipe,
            "mixed_precision": study.tim.mixed_precision == "always",
            "allow_fewer_views": study.allow_fewer_views,
            "weighs_models": study.weighs_models,
        }

    def ensemble(self, wildcards: Wildcards) -> list[str]:
        """Return how the models answer together, where they do."""
        if not self.study(wildcards).weighs_models:
            return []
        return [str(self.files.folder(wildcards) / "model/tim/ensemble.json")]

    def weighing_splits(self, wildcards: Wildcards) -> list[str]:
        """Return the split that decides how they do: val, or none where it is not given."""
        return [s for s in self.training_splits(wildcards) if s == "val"]

    def weighing_windows(self, wildcards: Wildcards) -> list[str]:
        """Return the windows of that split."""
        folder = self.files.folder(wildcards) / "tim/windows"
        return [str(folder / f"{split}.npz") for split in self.weighing_splits(wildcards)]

    def weighing_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the intervals of that split."""
        return [self._intervals(wildcards, s) for s in self.weighing_splits(wildcards)]

    # The submission to a challenge

    def test_intervals(self, wildcards: Wildcards) -> str:
        """Return the intervals of the test split."""
        return self._intervals(wildcards, "test")

    def submission_model_names(self, wildcards: Wildcards) -> list[str]:
        """Return the name of the model whose predictions are handed in.

        Raises:
            ConfigError: if the study hands nothing in.
        """
        return [self.study(wildcards).submitted_model()]

    def submission_models(self, wildcards: Wildcards) -> list[str]:
        """Return the weights of the model whose predictions are handed in."""
        return self._weights(wildcards, self.submission_model_names(wildcards))

    def supervision(self, wildcards: Wildcards) -> list[int]:
        """Return the levels of supervision that the challenge asks for."""
        return list(self.study(wildcards).supervision())

    def checked(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights of TIM fit, if there are such."""
        return self.networks.checked(wildcards, "tim")

    def tail_classes(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the given lists of tail classes by head."""
        return self.study(wildcards).tail_classes()

    def tail_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of `tail_classes`."""
        return list(self.tail_classes(wildcards).values())

    def backbones(self, wildcards: Wildcards) -> dict[str, str | None]:
        """Return the weights behind the features by network; None where there are none."""
        study = self.study(wildcards)
        names = () if study.has_published_features else study.extractor_names()
        return {name: next(iter(self.networks.paths(wildcards, name)), None) for name in names}

    def origins(self, wildcards: Wildcards) -> dict[str, Origin]:
        """Return how the weights of each network were made."""
        return self.study(wildcards).origins()
