"""What the rules of extractors.smk ask: training of networks that make features, extraction."""

from collections.abc import Sequence
from typing import Any

from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError
from avlib.extractors.auditory_slowfast.presets import PRESETS
from avlib.extractors.auditory_slowfast.recipes import ASF_RECIPES
from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.row import COMMON_SETTINGS
from avlib.io.provenance import code_fingerprint
from avlib.studies.feature_study import FeatureStudy
from avlib.workflow.study_files import StudyFiles, Wildcards
from avlib.workflow.weights import WeightsFiles


class ExtractorFiles:
    """Networks that make features of intervals; `wildcards.extractor` names one."""

    def __init__(self, files: StudyFiles, weights: WeightsFiles) -> None:
        self.files, self.networks = files, weights

    def study(self, wildcards: Wildcards) -> FeatureStudy:
        """Return the job's study."""
        return self.files.study(wildcards, FeatureStudy)

    # Training of Auditory SlowFast and Omnivore

    def initial_checkpoint(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that a training of Auditory SlowFast starts from, if any."""
        study = self.study(wildcards)
        path = study.pretraining.checkpoint
        return [study.existing_file("pretraining.checkpoint", path)] if path else []

    def asf_training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the trained weights, beside the data.

        Raises:
            ConfigError: if the recipe needs weights to start from and none are given, or audio at
                another rate.
        """
        study = self.study(wildcards)
        small = study.rendered_asf if study.is_rendered else "small"  # what is rendered needs less
        recipe = study.pretraining.recipe or small
        if ASF_RECIPES[recipe].fine_tunes and study.pretraining.checkpoint is None:
            raise ConfigError(
                f"{study.key('pretraining')}: recipe {recipe} continues from other weights; "
                "name them as pretraining.checkpoint"
            )
        expected, rate = ASF_RECIPES[recipe].sample_rate, study.asf.sample_rate
        if expected not in (None, rate):
            fitting = " or ".join(n for n, p in PRESETS.items() if p.sample_rate == expected)
            raise ConfigError(
                f"{study.key('pretraining')}: recipe {recipe} is for audio at {expected} Hz, but "
                f"preset {study.preset} has {rate} Hz; set {study.key('preset')}: {fitting}"
            )
        settings = study.pretraining.model_dump(exclude={"checkpoint"}) | {"recipe": recipe}
        return {"settings": settings, "rate": study.asf.sample_rate} | self._common()

    def asf_classifier(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that are evaluated as a classifier: given, or trained here.

        Raises:
            ConfigError: if they are random, or the study has no labelled events.
        """
        study = self.study(wildcards)
        if not study.has_annotations:
            raise ConfigError(f"{study.key('name')}: no labelled events to evaluate asf on")
        paths = self.networks.paths(wildcards, "asf")
        if not paths:
            raise ConfigError(
                f"{study.key('checkpoints')}.asf: random weights are no classifier; give weights, "
                "or null to train them"
            )
        return paths

    def asf_checked(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights fit, if weights are given."""
        return self.networks.checked(wildcards, "asf")

    def asf_evaluation(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the metrics of the classifier, beside data and weights."""
        study = self.study(wildcards)
        origins = {"asf": self.networks.of(wildcards, "asf").origin}
        recipe = {"recipe": study.pretraining.recipe, "rate": study.asf.sample_rate}
        return {"origins": origins, "device": self.files.config.device} | recipe

    def omnivore_training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the trained weights, beside the data."""
        study = self.files.any_study(wildcards)
        settings = study.visual_training().model_dump()
        return {"settings": settings, "rate": study.media().rate_fps} | self._common()

    def _common(self) -> dict[str, Any]:
        return {"seed": self.files.config.seed, "device": self.files.config.device}

    # Extraction

    def weights(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that features are extracted with: given, trained, or none."""
        return self.networks.paths(wildcards, EXTRACTORS[wildcards.extractor].network)

    def checked(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights fit, if weights are given."""
        return self.networks.checked(wildcards, EXTRACTORS[wildcards.extractor].network)

    def waveforms(self, wildcards: Wildcards) -> list[str]:
        """Return the packs of waveforms of a feature shard, if the features are audio ones."""
        if EXTRACTORS[wildcards.extractor].modality != "audio":
            return []
        study = self.study(wildcards)
        rate = study.pack_rate(wildcards.extractor)
        if rate == study.media().sample_rate:
            return self._members(wildcards, self.files.packs(wildcards))
        return self._members(wildcards, self.files.shards(wildcards, f"audio/{rate}/{{}}.h5"))

    def sound(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what packs of waveforms at another rate than the study's hold."""
        return self.study(wildcards).media().audio | {"sample_rate": int(wildcards.rate)}

    def manifests(self, wildcards: Wildcards) -> list[str]:
        """Return the manifests of the videos of a feature shard."""
        return self._members(wildcards, self.files.manifests(wildcards))

    def intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the interval tables of the videos of a feature shard."""
        tables = self.files.shards(wildcards, "intervals/shards/{}.parquet")
        return self._members(wildcards, tables)

    def video_lists(self, wildcards: Wildcards) -> list[str]:
        """Return the lists of the videos of a feature shard."""
        return self._members(wildcards, self.files.all_video_lists(wildcards))

    def _members(self, wildcards: Wildcards, paths: Sequence[str]) -> list[str]:
        """Return every n-th path: powers of two nest, so those shards make up the larger one."""
        return list(paths[int(wildcards.shard) :: self.study(wildcards).feature_shards])

    def extraction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the features, beside the videos and the weights."""
        return self._extraction(self.study(wildcards), wildcards.extractor)

    def _extraction(self, study: FeatureStudy, name: str) -> dict[str, Any]:
        config, extractor = self.files.config, EXTRACTORS[name]
        values = study.extraction() | {"mel_on_device": config.mel_on_device}
        values["sample_rate"] = study.pack_rate(name)
        shared = {name: getattr(config, name) for name in COMMON_SETTINGS}
        views = {split: 1 for split in SPLITS} | {"train": study.train_views(name)}
        settings = extractor.settings_of_intervals if study.by_interval else extractor.settings
        return {"settings": shared | {s: values[s] for s in settings}, "views": views}

    def method(self, wildcards: Wildcards) -> str:
        """Return the method of the registry's row that makes the features."""
        return "extract_intervals" if self.study(wildcards).by_interval else "extract_shard"

    def code(self, wildcards: Wildcards) -> str:
        """Return the fingerprint of the code that decides the features."""
        return code_fingerprint(EXTRACTORS[wildcards.extractor].module)

    def indices(self, wildcards: Wildcards) -> list[str]:
        """Return the feature indices of all shards of the study."""
        folder = self.files.folder(wildcards) / "features" / wildcards.extractor / "shards"
        return [str(folder / f"{s}.parquet") for s in range(self.study(wildcards).feature_shards)]

    def journal(self, wildcards: Wildcards) -> str:
        """Return the journal of a feature shard; another number of shards has others."""
        return self._journal(wildcards, wildcards.extractor)

    def _journal(self, wildcards: Wildcards, extractor: str) -> str:
        name = f"{extractor}/{self.study(wildcards).feature_shards}/{wildcards.shard}.jsonl"
        return str(self.files.folder(wildcards) / ".cache" / "features" / name)

    # Features of the same frames of one's own videos, made by one job

    @property
    def together(self) -> tuple[str, ...]:
        """Visual extractors of one's own videos, whose frames are decoded once, if two or more."""
        names = self.files.config.custom.visual_extractors()
        return names if len(names) > 1 else ()

    def together_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the weights of those of `together` that have any."""
        return [path for n in self.together for path in self.networks.paths(wildcards, n)]

    def together_checked(self, wildcards: Wildcards) -> list[str]:
        """Return the reports that say that given weights of `together` fit."""
        return [path for n in self.together for path in self.networks.checked(wildcards, n)]

    def together_extraction(self, wildcards: Wildcards) -> dict[str, dict[str, Any]]:
        """Return what decides the features of each of `together`, and where its files are."""
        study, folder = self.study(wildcards), self.files.folder(wildcards)
        return {
            name: self._extraction(study, name)
            | {
                "checkpoint": next(iter(self.networks.paths(wildcards, name)), None),
                "folder": str(folder / "features" / name),
                "journal": self._journal(wildcards, name),
            }
            for name in self.together
        }

    def together_code(self, wildcards: Wildcards) -> str:
        """Return the fingerprint of the code that decides the features of `together`."""
        return code_fingerprint(*(EXTRACTORS[name].module for name in self.together))
