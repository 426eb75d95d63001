"""Section of the study of TIM on the Audio-Visual Event data set."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from avlib.sections import Positive, Section, SplitPaths, Training, UserPath
from avlib.studies.custom import Checkpoints, Study
from avlib.tim.recipes import TimTraining


class AveCheckpoints(Checkpoints):
    """Weights from outside, of all networks of the study."""

    omnivore: UserPath | Literal["untrained"] | None = Field(
        None,
        description="Omnivore weights (.torch or .safetensors); null: a narrow one trained on the "
        "train split; untrained: random, to try the pipeline",
    )
    vgg19: UserPath | Literal["untrained"] | None = Field(
        None, description="VGG-19 weights (Keras .h5 or .pth), for features: vgg"
    )
    vggish: UserPath | Literal["untrained"] | None = Field(
        None, description="VGGish weights (.pth), for features: vgg"
    )
    tim: UserPath | None = Field(
        None, description="TIM weights (.pth.tar or .safetensors) to evaluate; null: trained"
    )


class Miniature(Section):
    """Size of a rendered data set."""

    classes: Annotated[int, Field(ge=2, le=12)] = 8
    train_videos: Positive = Field(8, description="Videos a class")
    val_videos: Positive = Field(2, description="Videos a class")
    test_videos: Positive = Field(2, description="Videos a class")

    def as_arguments(self) -> dict[str, Any]:
        """Return the sizes as `miniature_plan` takes them."""
        videos = {"train": self.train_videos, "val": self.val_videos, "test": self.test_videos}
        return {"classes": self.classes, "videos_per_class": videos}


class Visual(Section):
    """Features of the picture."""

    frames: Literal["decoded", "jpeg"] = Field(
        "decoded", description="jpeg: through ffmpeg's JPEG files, as published"
    )
    views: Annotated[int, Field(ge=1, le=4)] | None = Field(
        None,
        description="Views of each training interval; null: 2 where Omnivore is trained, else 4",
    )
    first_frame: Literal["consistent", "reference"] = Field(
        "consistent", description="reference: a view's first frame is augmented differently"
    )
    pretraining: Training = Field(
        Training(), description="Training of a narrow Omnivore on the train split"
    )


class VggFeatures(Section):
    """The official feature files of AVE, in place of videos."""

    visual: UserPath | None = Field(None, description="visual_feature.h5")
    audio: UserPath | None = Field(None, description="audio_feature.h5")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.visual is None) != (self.audio is None):
            raise ValueError("give both files, visual and audio, or none")
        return self


class Ave(Study):
    """TIM on the Audio-Visual Event data set."""

    source: Literal["miniature", "official"] = Field(
        "miniature", description="Rendered by the workflow, or the paths below"
    )
    annotations: UserPath | None = Field(None, description="Annotations.txt")
    splits: SplitPaths = Field(SplitPaths(), description="trainSet.txt, valSet.txt, testSet.txt")
    features: Literal["omnivore_asf", "vgg"] = Field(
        "omnivore_asf", description="Omnivore and Auditory SlowFast, or VGG-19 and VGGish"
    )
    vgg_features: VggFeatures = VggFeatures()
    checkpoints: AveCheckpoints = AveCheckpoints()
    visual: Visual = Visual()
    tim: TimTraining = TimTraining()
    miniature: Miniature = Miniature()

    @model_validator(mode="after")
    def _settings_suit_the_features(self) -> Self:
        if self.vgg_features.visual is not None and self.features != "vgg":
            raise ValueError(
                f"vgg_features are given, but features is {self.features}; set ave.features: vgg, "
                "or remove ave.vgg_features"
            )
        recipe = self.tim.recipe
        if recipe is not None and (recipe == "ave_vgg") != (self.features == "vgg"):
            other = "vgg" if recipe == "ave_vgg" else "omnivore_asf"
            raise ValueError(
                f"tim.recipe {recipe} is for features: {other}, but features is {self.features}; "
                f"set ave.tim.recipe: null, or ave.features: {other}"
            )
        return self
