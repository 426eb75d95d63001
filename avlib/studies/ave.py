"""The study of TIM on the Audio-Visual Event data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from avlib.datasets.ave import VIDEO_SECONDS
from avlib.datasets.miniature.ave import LIST_FILES, miniature_plan
from avlib.errors import ConfigError
from avlib.media.videos import Video
from avlib.sections import Positive, Section, SplitPaths, StudyName, UserPath
from avlib.studies.base import MediaNeeds, Place, Source
from avlib.studies.packaged import (
    PACKAGED_NETWORKS,
    STATISTICS,
    STATISTICS_NOTICE,
    are_meant,
)
from avlib.studies.tim_study import TimCheckpoints, TimStudy, Visual
from avlib.tim.recipes import PACKAGED, RecipeName

VGG_SAMPLE_RATE = 44_100  # Hz of the audio that VGGish's front end resamples, as published

Features = Literal["omnivore_asf", "vgg", "packaged", "statistics"]
# Recipes that are for features of one kind alone.
RECIPES: Mapping[Features, RecipeName] = {
    "vgg": "ave_vgg",
    "packaged": PACKAGED,
    "statistics": PACKAGED,
}
# Visual and audio extractor of the other kinds of features.
NETWORKS: Mapping[Features, tuple[str, str]] = {
    "vgg": ("vgg19", "vggish"),
    "packaged": PACKAGED_NETWORKS,
    "statistics": STATISTICS,
}


class AveMiniature(Section):
    """Size of a rendered data set."""

    classes: Annotated[int, Field(ge=2, le=12)] = 8
    train_videos: Positive = Field(8, description="Videos a class")
    val_videos: Positive = Field(2, description="Videos a class")
    test_videos: Positive = Field(2, description="Videos a class")

    def as_arguments(self) -> dict[str, Any]:
        """Return the sizes as `miniature_plan` takes them."""
        videos = {"train": self.train_videos, "val": self.val_videos, "test": self.test_videos}
        return {"classes": self.classes, "videos_per_class": videos}


class VggFeatures(Section):
    """The official feature files of AVE, in place of videos."""

    visual: UserPath | None = Field(None, description="visual_feature.h5")
    audio: UserPath | None = Field(None, description="audio_feature.h5")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.visual is None) != (self.audio is None):
            raise ValueError("give both files, visual and audio, or none")
        return self


class AveCheckpoints(TimCheckpoints):
    """Weights from outside, also of the networks of VGG features."""

    vgg19: UserPath | Literal["untrained"] | None = Field(
        None, description="VGG-19 weights (Keras .h5 or .pth), for features: vgg"
    )
    vggish: UserPath | Literal["untrained"] | None = Field(
        None, description="VGGish weights (.pth), for features: vgg"
    )


class Ave(TimStudy):
    """TIM on the Audio-Visual Event data set."""

    better_features: ClassVar[str] = (
        "set ave.features: statistics, or packaged after `make weights`"
    )

    name: StudyName = Field("ave", description="Folder below results/")
    source: Source = Field("miniature", description="Rendered by the workflow, or the paths below")
    annotations: UserPath | None = Field(None, description="Annotations.txt")
    splits: SplitPaths = Field(SplitPaths(), description="trainSet.txt, valSet.txt, testSet.txt")
    features: Features | None = Field(
        None,
        description="Omnivore and Auditory SlowFast, VGG-19 and VGGish, EfficientNet-Lite0 and "
        "YAMNet as `make weights` installs them, or statistics of sound and pictures; null: where "
        "source is official and no checkpoints are given, packaged if they are installed, else "
        "statistics; else omnivore_asf",
    )
    vgg_features: VggFeatures = VggFeatures()
    checkpoints: AveCheckpoints = AveCheckpoints()
    visual: Visual = Visual()
    miniature: AveMiniature = AveMiniature()

    @model_validator(mode="after")
    def _settings_suit_the_features(self) -> Self:
        if self.vgg_features.visual is not None and self.kind != "vgg":
            raise ValueError(
                f"vgg_features are given, but features is {self.kind}; set "
                f"{self.key('features')}: vgg, or remove {self.key('vgg_features')}"
            )
        recipe, fitting = self.tim.recipe, RECIPES.get(self.kind)
        is_wrong = recipe != fitting if fitting else recipe in RECIPES.values()
        if recipe is not None and is_wrong:
            other = next((f for f, name in RECIPES.items() if name == recipe), "omnivore_asf")
            raise ValueError(
                f"tim.recipe {recipe} is for features: {other}, but features is {self.kind}; "
                f"set {self.key('tim.recipe')}: null, or {self.key('features')}: {other}"
            )
        return self

    @property
    def kind(self) -> Features:
        """The features: as configured, or those that suit the weights that there are."""
        if self.features is not None:
            return self.features
        is_whole = self.tim.recipe is None and not self.checkpoints.tim
        if self.source == "official" and is_whole and are_meant(self.checkpoints):
            return "packaged"
        has_other = not is_whole or any(value for _, value in self.checkpoints)
        return "omnivore_asf" if self.source == "miniature" or has_other else "statistics"

    @property
    def is_rendered(self) -> bool:
        """Whether the workflow renders the videos itself."""
        return self.source == "miniature"

    @property
    def dataset(self) -> str:
        """Name of the format of the annotations."""
        return "ave"

    @property
    def has_annotations(self) -> bool:
        """Whether there are labelled events."""
        return True

    def annotation_files(self, at: Place) -> dict[str, Path]:
        """Return `Annotations.txt` and the lists of the splits."""
        if self.is_rendered:
            lists = {split: at.miniature / name for split, name in LIST_FILES.items()}
            return {"annotations": at.miniature / "Annotations.txt", **lists}
        files = super().annotation_files(at)
        for key, is_given in (("annotations", "annotations" in files), ("splits", len(files) > 1)):
            if not is_given:
                raise ConfigError(
                    f"{self.key(key)}: source official needs annotations and at least one of splits"
                )
        return files

    def rendered_files(self, at: Place) -> list[Path]:
        """Return a file that is there once the miniature is."""
        return [at.miniature / "Annotations.txt"] if self.is_rendered else []

    def list_videos(self, at: Place) -> list[Video]:
        """Return the videos of the lists; of a miniature those that will be rendered."""
        if not self.is_rendered:
            return super().list_videos(at)
        plan = miniature_plan(**self.miniature.as_arguments(), seed=at.seed)
        folder = at.miniature / "AVE"
        return [Video(v.video_id, v.split, f"{folder}/{v.video_id}.mp4") for v in plan]

    def media(self) -> MediaNeeds:
        """Return the waveforms that the extractors take."""
        return MediaNeeds(VGG_SAMPLE_RATE, "ffmpeg") if self.kind == "vgg" else super().media()

    def interval_rule(self) -> dict[str, float | int | None]:
        """Return the rule of the preset, or the ten seconds of a video, of features of seconds."""
        if self.kind in NETWORKS:
            return {"interval_s": 1.0, "hop_s": 1.0, "seconds": VIDEO_SECONDS}
        return super().interval_rule()

    def visual_extractors(self) -> tuple[str, ...]:
        """Return the network of the visual features."""
        return NETWORKS[self.kind][:1] if self.kind in NETWORKS else super().visual_extractors()

    def audio_extractors(self) -> tuple[str, ...]:
        """Return the network of the audio features."""
        return NETWORKS[self.kind][1:] if self.kind in NETWORKS else super().audio_extractors()

    @property
    def recipe(self) -> RecipeName:
        """Name of TIM's recipe."""
        return RECIPES.get(self.kind) or super().recipe

    @property
    def has_figures_to_match(self) -> bool:
        """Whether there are figures of the joint model alone, published ones or of a miniature."""
        is_own = not self.is_rendered and self.recipe == self.small_recipe
        return self.recipe != PACKAGED and not is_own

    def notices(self, at: Place) -> list[str]:
        """Return also a line on features that nobody has chosen."""
        is_default = self.features is None and self.kind == "statistics"
        return [*([STATISTICS_NOTICE] if is_default else []), *super().notices(at)]

    @property
    def has_published_features(self) -> bool:
        """Whether features came as the official files, in place of videos."""
        return self.vgg_features.visual is not None

    def published_features(self) -> dict[str, str]:
        """Return the official feature files by modality."""
        return {
            modality: self.existing_file(f"vgg_features.{modality}", path)
            for modality, path in self.vgg_features
            if path is not None
        }

    def files(self) -> dict[str, Path | None]:
        """Return also the official feature files."""
        return super().files() | {f"vgg_features.{m}": path for m, path in self.vgg_features}
