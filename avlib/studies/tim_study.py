"""What studies that train TIM have in common: features, models, splits, weights and targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError
from avlib.extractors.omnivore.recipes import OmnivoreTraining
from avlib.origins import Weights, configured_weights
from avlib.sections import SplitPaths, UserPath
from avlib.studies.base import Place
from avlib.studies.feature_study import (
    Checkpoints,
    FeatureStudy,
    IntervalExtractor,
    VisualFeatures,
)
from avlib.tim.recipes import (
    COMPARED,
    MODELS,
    Modality,
    ModelName,
    RecipeName,
    TimTraining,
)

JOINT: ModelName = "audio_visual"


class TrainedVisual(VisualFeatures):
    """Visual features, and the network that makes them."""

    pretraining: OmnivoreTraining = Field(
        OmnivoreTraining(), description="Training of a narrow Omnivore on the train split"
    )

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the extractors, in the order of their channels."""
        return ("omnivore",)


class Visual(TrainedVisual):
    """Visual features of one network."""

    extractor: IntervalExtractor = Field("omnivore", description="omnivore or videomae")

    @property
    def networks(self) -> tuple[str, ...]:
        """Name of the extractor."""
        return (self.extractor,)


class TimCheckpoints(Checkpoints):
    """Weights from outside, of all networks of a study of TIM."""

    tim: UserPath | None = Field(
        None, description="TIM weights (.pth.tar or .safetensors) to evaluate; null: trained"
    )


@dataclass(frozen=True)
class FeatureSource:
    """Where the features of one modality are.

    Attributes:
        folders: hold `<split>/<video_id>.npy`; their channels are put side by side.
        indices: tables of kind FEATURES by network, or by modality where the features came as
            folders of the data set.
    """

    folders: Sequence[Path]
    indices: Mapping[str, Path]


class TimStudy(FeatureStudy):
    """Recognition of events by TIM, from visual and audio features."""

    evaluated_as: ClassVar[str] = "ave"
    # The split that metrics are of; val where the labels of test are not public.
    evaluated_split: ClassVar[str] = "test"
    published_recipe: ClassVar[RecipeName] = "ave"
    small_recipe: ClassVar[RecipeName] = "small"
    # What does better than features of networks that are trained on the study's own videos.
    better_features: ClassVar[str] = "give weights of them as `checkpoints`"

    checkpoints: TimCheckpoints = TimCheckpoints()
    visual: TrainedVisual = Visual()
    tim: TimTraining = TimTraining()

    @model_validator(mode="after")
    def _given_weights_are_of_one_model(self) -> Self:
        models = self.tim.models
        if self.checkpoints.tim and models is not None and len(models) > 1:
            raise ValueError(
                f"{self.key('checkpoints')}.tim is one model; name it alone as "
                f"{self.key('tim')}.models"
            )
        return self

    # Features

    def visual_extractors(self) -> tuple[str, ...]:
        """Return the networks of the visual features, in the order of their channels."""
        return self.visual.networks

    def audio_extractors(self) -> tuple[str, ...]:
        """Return the network of the audio features."""
        return ("asf",)

    def extractor_names(self) -> tuple[str, ...]:
        """Return the networks whose features the models see, the visual ones first."""
        visual, audio = self.visual_extractors(), self.audio_extractors()
        return tuple(n for m in self.modalities for n in (visual if m == "visual" else audio))

    def feature_source(self, modality: Modality, at: Place) -> FeatureSource:
        """Return where the features of one modality are, or will be."""
        names = self.visual_extractors() if modality == "visual" else self.audio_extractors()
        # Those that came as files have the same names, and must not mix with extracted ones.
        tree = at.folder / ("published" if self.has_published_features else "features")
        indices = {name: tree / name / "index.parquet" for name in names}
        return FeatureSource([tree / name for name in names], indices)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities of the features that the models see: visual, audio or both."""
        seen = {MODELS[model][0] for model in self.models}
        both: tuple[Modality, ...] = ("visual", "audio")
        return tuple(m for m in both if seen & {JOINT, m})

    @property
    def allow_fewer_views(self) -> bool:
        """Whether features of several networks have as many views as all of them have."""
        return False

    @property
    def classifies_seconds(self) -> bool:
        """Whether the seconds of the videos in the manifest are what the models classify."""
        return False

    @property
    def needs_sound(self) -> bool:
        """Whether a model hears the videos, so that waveforms are packed."""
        return "audio" in self.modalities

    def visual_training(self) -> OmnivoreTraining:
        """Return the training of a narrow Omnivore."""
        return self.visual.pretraining

    @property
    def needs_videos(self) -> bool:
        """Whether the study starts from videos, or their sound, and not from features of them."""
        return not self.has_published_features

    @property
    def has_published_features(self) -> bool:
        """Whether features came as files of the data set, in place of videos."""
        return False

    def published_features(self) -> dict[str, str]:
        """Return the files of published features by modality."""
        return {}

    # Models

    @property
    def recipe(self) -> RecipeName:
        """Name of TIM's recipe: the configured one, else as published with published features."""
        if self.tim.recipe:
            return self.tim.recipe
        weights = self.weights()
        is_given = all(weights[n].origin == "given" for n in self.extractor_names() if n in weights)
        return (
            self.published_recipe if self.has_published_features or is_given else self.small_recipe
        )

    @property
    def models(self) -> tuple[ModelName, ...]:
        """Models that are compared; given weights of TIM are one."""
        return self.tim.models or ((JOINT,) if self.checkpoints.tim else COMPARED)

    @property
    def weighs_models(self) -> bool:
        """Whether the models answer together, by weights that the validation split decides."""
        is_whole = set(COMPARED) <= set(self.models) and not self.checkpoints.tim
        return is_whole and not self.has_figures_to_match

    @property
    def has_figures_to_match(self) -> bool:
        """Whether there are figures of the joint model alone, published ones or of a miniature."""
        return True

    def trained_extractors(self) -> list[str]:
        """Return the networks that are trained on the videos whose features the models learn."""
        weights = self.weights()
        names = (name for name in self.extractor_names() if name in weights)
        return [name for name in names if weights[name].origin == "trained"]

    def notices(self, at: Place) -> list[str]:
        """Return a line on features of networks that have seen the videos of train."""
        trained = [] if self.is_rendered else self.trained_extractors()
        if not trained:
            return []
        return [
            f"{' and '.join(trained)} will be trained on the same videos as TIM, where their "
            f"features are surer than on any others; to do better, {self.better_features}"
        ]

    # Splits

    def given_splits(self) -> list[str]:
        """Return the splits that there are annotations of."""
        keys = self._split_keys()
        given = {split for key in keys for split, path in getattr(self, key) if path is not None}
        return [split for split in SPLITS if self.is_rendered or split in given]

    def _split_keys(self) -> list[str]:
        """Return the names of the fields that name annotation files by split."""
        return [k for k in self.annotation_keys if isinstance(getattr(self, k), SplitPaths)]

    def training_splits(self) -> list[str]:
        """Return the splits that training uses: train, and val where it is given.

        Raises:
            ConfigError: if there is no split to train on, or none to evaluate.
        """
        given = self.given_splits()
        for split in ("train", self.evaluated_split):
            if split not in given:
                key = self.key(self._split_keys()[0])
                raise ConfigError(f"{key}.{split}: name the list of its videos")
        return [split for split in ("train", "val") if split in given]

    def submitted_model(self) -> ModelName:
        """Return the model whose predictions of the test split a challenge takes.

        Raises:
            ConfigError: if there is none.
        """
        raise ConfigError(f"{self.name} has no such results; it takes part in no challenge")

    def supervision(self) -> tuple[int, int, int]:
        """Return the levels of supervision that a challenge asks for."""
        return (0, 0, 0)

    def tail_classes(self) -> dict[str, str]:
        """Return the given lists of tail classes by head, which are evaluated apart."""
        return {}

    # Weights, files and targets

    def weights(self) -> dict[str, Weights]:
        """Return the weights of the extractors that run, and of TIM."""
        extractors = {} if self.has_published_features else super().weights()
        return extractors | {"tim": configured_weights("tim", self.checkpoints.tim)}

    def check_inputs(self, network: str, at: Place) -> dict[str, Path]:
        """Return the classes, which given weights of TIM must have."""
        return {"classes": at.folder / "classes.json"} if network == "tim" else {}

    def check_options(self, network: str) -> dict[str, Any]:
        """Return what given weights of TIM must fit: recipe, model; and the key of its section."""
        if network == "tim":
            return {"recipe": self.recipe, "model": self.models[0], "key": self.key("tim")}
        return super().check_options(network)

    def files(self) -> dict[str, Path | None]:
        """Return also the weights that TIM starts from."""
        return super().files() | {"tim.checkpoint": self.tim.checkpoint}

    def targets(self, at: Place) -> list[str]:
        """Return the metrics, and the figures of the report."""
        files = ["test_metrics.json", "report/confusion.svg", "report/timelines.svg"]
        if not self.has_published_features:
            files += [*self._extractor_curves(), "model/tim.json"]
        files += [f"model/tim/{m}/curves.svg" for m in self.models if not self.checkpoints.tim]
        return [str(at.folder / file) for file in files]
