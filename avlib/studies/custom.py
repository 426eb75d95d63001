"""Sections of studies whose sound becomes Auditory SlowFast features, and the user's own one."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from avlib.datasets.splits import Split
from avlib.extractors.auditory_slowfast.presets import PRESETS, Preset
from avlib.sections import PowerOfTwo, Section, SplitPaths, StudyName, Training, UserPath

PresetName = Literal["epic_sounds", "perception_test", "ave"]
SoundRecipe = Literal["small", "miniature", "vggsound", "epic_sounds", "epic_kitchens"]


class Checkpoints(Section):
    """Weights from outside."""

    asf: UserPath | Literal["untrained"] | None = Field(
        None,
        description="Auditory SlowFast weights (.pyth or .safetensors); null: trained on the "
        "train split; untrained: random, to try the pipeline",
    )


class Pretraining(Training):
    """Training of Auditory SlowFast on the study's own train split."""

    recipe: SoundRecipe | None = Field(
        None, description="As published, or small; null: small, for the rendered videos miniature"
    )
    width: Annotated[int, Field(gt=0, multiple_of=8)] | None = Field(
        None, description="Channels of the slow stem; null: the recipe's"
    )
    checkpoint: UserPath | None = Field(None, description="Weights to start from; null: random")


class Study(Section):
    """What every study has: sound in, Auditory SlowFast features out."""

    videos: UserPath | None = Field(
        None, description="Folder of videos, searched with its subfolders"
    )
    sound: UserPath | None = Field(
        None, description="EPIC HDF5 file, or folder of wav files, in place of the videos' sound"
    )
    intervals: SplitPaths = Field(
        SplitPaths(), description="Published interval pickles; null: made by the 1.1 s rule"
    )
    preset: PresetName = Field("ave", description="Rate, resampler, weights and views as published")
    views: Annotated[int, Field(ge=1, le=5)] | None = Field(
        None, description="Views of each training interval; null: the preset's"
    )
    specaug: Literal["reference", "standard"] = Field(
        "reference", description="Augmentation of views 1 and up: as published, or as intended"
    )
    checkpoints: Checkpoints = Checkpoints()
    pretraining: Pretraining = Pretraining()
    shards: PowerOfTwo = Field(4, description="Parts of the sound stages, a power of two")
    feature_shards: PowerOfTwo = Field(2, description="Parts of extraction, at most `shards`")

    @model_validator(mode="after")
    def _feature_shards_are_made_of_shards(self) -> Self:
        if self.feature_shards > self.shards:
            raise ValueError(f"feature_shards may be at most shards ({self.shards})")
        return self

    @property
    def asf(self) -> Preset:
        """The preset's values."""
        return PRESETS[self.preset]


class Custom(Study):
    """The user's own videos."""

    name: StudyName = Field("custom", description="Folder below results/")
    annotation_format: Literal["csv", "vggsound", "epic_sounds", "epic_kitchens"] = Field(
        "csv", description="`annotations` is a CSV; or `splits` are published tables"
    )
    annotations: UserPath | None = Field(None, description="CSV of labelled events to train on")
    splits: SplitPaths = Field(SplitPaths(), description="Published tables of labelled events")
    split: Split = Field(
        "test", description="Split of videos without annotations; train has the preset's views"
    )

    @property
    def has_annotations(self) -> bool:
        """Whether there are labelled events."""
        return self.annotations is not None or any(path for _, path in self.splits)
