"""What the rules of features.smk ask: weights, their training, and extraction."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError
from avlib.extractors.auditory_slowfast.recipes import RECIPES
from avlib.extractors.registry import COMMON_SETTINGS, EXTRACTORS, Extractor
from avlib.studies.ave import Ave
from avlib.studies.base import is_rendered
from avlib.studies.custom import Custom
from avlib.studies.k600 import K600
from avlib.studies.llp import Llp
from avlib.workflow.media import VGG_SAMPLE_RATE
from avlib.workflow.study_files import Studies, Wildcards

RATE_FPS, SHORT_SIDE = 8, 80  # of the frames that a narrow Omnivore is trained on
PUBLISHED_VISUAL_VIEWS, SMALL_VISUAL_VIEWS = 4, 2  # of a training interval


class FeatureStages(Studies):
    """Networks that make features; `wildcards.extractor` names one."""

    def extractors(self, wildcards: Wildcards) -> tuple[str, ...]:
        """Return the networks whose features the study uses, that of the picture first."""
        return self.extractors_of(self.study(wildcards))

    def extractors_of(self, study: Ave | Custom) -> tuple[str, ...]:
        """Return the networks of a section of the configuration."""
        if isinstance(study, Custom):
            return ("asf",)
        return ("omnivore", "asf") if study.features == "omnivore_asf" else ("vgg19", "vggish")

    def weights(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that features are extracted with: given, trained, or none.

        Raises:
            ConfigError: if weights are neither given nor can be trained.
        """
        return self.weights_of(wildcards, wildcards.extractor)

    def weights_of(self, wildcards: Wildcards, name: str) -> list[str]:
        """Return the weights of one network, as `weights` does."""
        given = getattr(self.study(wildcards).checkpoints, name)
        if given == "untrained":
            return []
        if given is not None:
            return [self.existing(wildcards, f"checkpoints.{name}", given)]
        self._check_trainable(wildcards, name)
        return [str(self.folder(wildcards) / f"model/{name}/model.safetensors")]

    def _check_trainable(self, wildcards: Wildcards, name: str) -> None:
        study = self.study(wildcards)
        key = f"{wildcards.study}.checkpoints.{name}"
        if not EXTRACTORS[name].is_trainable:
            raise ConfigError(
                f"{key}: features: vgg needs published weights, which cannot be trained here; "
                "give them, or `untrained` to try the pipeline with random ones"
            )
        if isinstance(study, Custom) and not study.has_annotations:
            raise ConfigError(
                f"custom.checkpoints.asf: give weights (preset {study.preset}: "
                f"{study.asf.checkpoint}), or custom.annotations to train them on, or "
                "`untrained` to try the pipeline with random ones"
            )

    def is_trained(self, wildcards: Wildcards, name: str) -> bool:
        """Say whether the workflow trains the weights of a network itself."""
        return getattr(self.study(wildcards).checkpoints, name) is None

    def given_weights(self, wildcards: Wildcards) -> str:
        """Return the given weights of the job's network."""
        name = wildcards.network
        return self.existing(
            wildcards, f"checkpoints.{name}", getattr(self.section(wildcards).checkpoints, name)
        )

    def checked_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the reports that say that given weights fit, of all networks with such.

        For LLP, whose folders of features and labels may be given, too, also that these fit.
        """
        study, folder = self.section(wildcards), self.folder(wildcards)
        names = [n for n, path in study.checkpoints if isinstance(path, Path)]
        if isinstance(study, Ave | Custom):
            names = [name for name in self.extractors_of(study) if name in names]
        reports = [str(folder / f"model/{name}/given.json") for name in names]
        if isinstance(study, Llp):
            parsers = [f"model/parser/{v}/given.json" for v in study.checkpoints.parsers]
            reports += [str(folder / name) for name in [*parsers, "labels.json"]]
        return reports

    def weights_options(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings on which it depends whether the job's weights fit."""
        study = self.section(wildcards)
        values: dict[str, Any] = {"backend": self.config.llp.teachers.audio.backend}
        if isinstance(study, Ave | Custom):
            values["preset"] = study.preset
        return {name: values[name] for name in EXTRACTORS[wildcards.network].options}

    # Training of Auditory SlowFast and Omnivore

    def small_recipe(self, wildcards: Wildcards) -> str:
        """Return the recipe for small data; what is rendered needs less."""
        return "miniature" if is_rendered(self.study(wildcards)) else "small"

    def initial_checkpoint(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that training starts from, if any."""
        path = self.study(wildcards).pretraining.checkpoint
        return [self.existing(wildcards, "pretraining.checkpoint", path)] if path else []

    def asf_training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the trained weights, beside the data.

        Raises:
            ConfigError: if the recipe needs weights to start from and none are given.
        """
        study = self.study(wildcards)
        recipe = study.pretraining.recipe or self.small_recipe(wildcards)
        if RECIPES[recipe].fine_tunes and study.pretraining.checkpoint is None:
            raise ConfigError(
                f"{wildcards.study}.pretraining: recipe {recipe} continues from other weights; "
                "name them as pretraining.checkpoint"
            )
        settings = study.pretraining.model_dump(exclude={"checkpoint"}) | {"recipe": recipe}
        return settings | self._common() | {"sample_rate": study.asf.sample_rate}

    def omnivore_training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the trained weights, beside the data."""
        study = self.section(wildcards)
        own = study.visual if isinstance(study, K600) else self.ave(wildcards).visual.pretraining
        settings = own.model_dump()
        return settings | self._common() | {"rate_fps": RATE_FPS}

    def _common(self) -> dict[str, Any]:
        return {"seed": self.config.seed, "device": self.config.device}

    # Extraction

    def frame_settings(self) -> dict[str, int]:
        """Return rate and size of the frames that a narrow Omnivore is trained on."""
        return {"rate_fps": RATE_FPS, "short_side": SHORT_SIDE}

    def sources(self, wildcards: Wildcards) -> list[str]:
        """Return the sound packs of a feature shard, if the features are those of the sound."""
        is_audio = EXTRACTORS[wildcards.extractor].modality == "audio"
        return self.member_packs(wildcards) if is_audio else []

    def extraction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the features, beside the videos and the weights."""
        extractor, study = EXTRACTORS[wildcards.extractor], self.study(wildcards)
        values: dict[str, Callable[[], Any]] = {
            "preset": lambda: study.preset,
            "specaug": lambda: study.specaug,
            "mel_on_device": lambda: self.config.mel_on_device,
            "frames": lambda: self.ave(wildcards).visual.frames,
            "first_frame": lambda: self.ave(wildcards).visual.first_frame,
            "sample_rate": lambda: VGG_SAMPLE_RATE,
        }
        shared = {name: getattr(self.config, name) for name in COMMON_SETTINGS}
        train_views = self._train_views(wildcards, extractor)
        return {
            "settings": shared | {name: values[name]() for name in extractor.settings},
            "views": {split: train_views if split == "train" else 1 for split in SPLITS},
        }

    def _train_views(self, wildcards: Wildcards, extractor: Extractor) -> int:
        """Return the views of a training interval."""
        if extractor.cut != "intervals":
            return 1
        if extractor.modality == "audio":
            study = self.study(wildcards)
            return study.views or study.asf.train_views
        is_trained = self.is_trained(wildcards, extractor.network)
        default = SMALL_VISUAL_VIEWS if is_trained else PUBLISHED_VISUAL_VIEWS
        return self.ave(wildcards).visual.views or default

    def feature_indices(self, wildcards: Wildcards) -> list[str]:
        """Return the feature indices of all shards of the study."""
        folder = self.folder(wildcards) / "features" / wildcards.extractor / "shards"
        return [str(folder / f"{s}.parquet") for s in range(self.study(wildcards).feature_shards)]

    def feature_journal(self, wildcards: Wildcards) -> str:
        """Return the journal of a feature shard; another number of shards has others."""
        count = self.study(wildcards).feature_shards
        name = f"{wildcards.extractor}/{count}/{wildcards.shard}.jsonl"
        return str(self.folder(wildcards) / ".cache" / "features" / name)
