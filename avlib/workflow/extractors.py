"""What the rules of features.smk ask: weights, their training, and extraction."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from avlib.datasets.tables import SPLITS
from avlib.errors import ConfigError
from avlib.extractors.auditory_slowfast.recipes import RECIPES
from avlib.io.provenance import code_fingerprint
from avlib.studies.ave import Ave
from avlib.studies.base import is_rendered
from avlib.studies.custom import Custom
from avlib.studies.k600 import K600
from avlib.studies.llp import Llp
from avlib.workflow.media import VGG_SAMPLE_RATE
from avlib.workflow.study_files import Studies, Wildcards

CODE = {  # the module of each extractor
    "asf": "auditory_slowfast.extraction_sound_extraction",
    "omnivore": "clips",
    "vgg19": "vgg19.extraction",
    "vggish": "vggish.extraction",
}
SOUND_EXTRACTORS = ("asf", "vggish")
RATE_FPS, SHORT_SIDE = 8, 80  # of the frames that a narrow Omnivore is trained on
TRAINABLE = ("asf", "omnivore")
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
        if name not in TRAINABLE:
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

    def preset(self, wildcards: Wildcards) -> str | None:
        """Return the name of the preset of a study with features of intervals."""
        study = self.section(wildcards)
        return study.preset if isinstance(study, Ave | Custom) else None

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
        return self.member_packs(wildcards) if wildcards.extractor in SOUND_EXTRACTORS else []

    def extractor_code(self, wildcards: Wildcards) -> str:
        """Return the fingerprint of the code that decides the features."""
        return code_fingerprint(f"avlib.extractors.{CODE[wildcards.extractor]}")

    def extraction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the features, beside the videos and the weights."""
        common = self._common() | {
            "dtype": self.config.dtype,
            "allow_tf32": self.config.allow_tf32,
        }
        own: Mapping[str, Callable[[Wildcards], tuple[dict[str, Any], int]]] = {
            "asf": self._asf_extraction,
            "omnivore": self._omnivore_extraction,
            "vgg19": lambda w: ({"frames": self.ave(w).visual.frames}, 1),
            "vggish": lambda w: ({"sample_rate": VGG_SAMPLE_RATE}, 1),
        }
        settings, train_views = own[wildcards.extractor](wildcards)
        return {
            "settings": common | settings,
            "views": {split: train_views if split == "train" else 1 for split in SPLITS},
        }

    def _asf_extraction(self, wildcards: Wildcards) -> tuple[dict[str, Any], int]:
        study = self.study(wildcards)
        settings = {
            "preset": study.preset,
            "specaug": study.specaug,
            "mel_on_device": self.config.mel_on_device,
        }
        return settings, study.views or study.asf.train_views

    def _omnivore_extraction(self, wildcards: Wildcards) -> tuple[dict[str, Any], int]:
        visual = self.ave(wildcards).visual
        is_trained = self.is_trained(wildcards, "omnivore")
        views = visual.views or (SMALL_VISUAL_VIEWS if is_trained else PUBLISHED_VISUAL_VIEWS)
        return {"frames": visual.frames, "first_frame": visual.first_frame}, views

    def feature_indices(self, wildcards: Wildcards) -> list[str]:
        """Return the feature indices of all shards of the study."""
        folder = self.folder(wildcards) / "features" / wildcards.extractor / "shards"
        return [str(folder / f"{s}.parquet") for s in range(self.study(wildcards).feature_shards)]

    def feature_journal(self, wildcards: Wildcards) -> str:
        """Return the journal of a feature shard; another number of shards has others."""
        count = self.study(wildcards).feature_shards
        name = f"{wildcards.extractor}/{count}/{wildcards.shard}.jsonl"
        return str(self.folder(wildcards) / ".cache" / "features" / name)
