"""Schema of config.yaml. Every key has a default, a unit and a reason; no others exist."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from avlib.errors import ConfigError
from avlib.presets import PRESETS, Preset

SPLITS = ("train", "val", "test")
Split = Literal["train", "val", "test"]
PresetName = Literal["epic_sounds", "perception_test", "ave"]
Positive = Annotated[int, Field(gt=0)]


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError(f"must be a power of two, for example {1 << value.bit_length()}")
    return value


PowerOfTwo = Annotated[int, Field(gt=0), AfterValidator(_power_of_two)]


class Strict(BaseModel):
    """Base of all sections: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitPaths(Strict):
    """One file a split."""

    train: Path | None = None
    val: Path | None = None
    test: Path | None = None


class Checkpoints(Strict):
    """Weights from outside."""

    asf: Path | Literal["untrained"] | None = Field(
        None,
        description="Auditory SlowFast weights (.pyth or .safetensors); null: trained on the "
        "train split; untrained: random, to try the pipeline",
    )


class AveCheckpoints(Checkpoints):
    """Weights from outside, of all networks of the study."""

    omnivore: Path | Literal["untrained"] | None = Field(
        None,
        description="Omnivore weights (.torch or .safetensors); null: a narrow one trained on the "
        "train split; untrained: random, to try the pipeline",
    )
    vgg19: Path | Literal["untrained"] | None = Field(
        None, description="VGG-19 weights (Keras .h5 or .pth), for features: vgg"
    )
    vggish: Path | Literal["untrained"] | None = Field(
        None, description="VGGish weights (.pth), for features: vgg"
    )
    tim: Path | None = Field(
        None, description="TIM weights (.pth.tar or .safetensors) to evaluate; null: trained"
    )


class Training(Strict):
    """What may differ from the recipe of a training."""

    epochs: Positive | None = Field(None, description="null: the recipe's")
    batch_size: Positive | None = Field(None, description="null: the recipe's")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        None, description="null: the recipe's"
    )


SoundRecipe = Literal["small", "miniature", "vggsound", "epic_sounds", "epic_kitchens"]


class Pretraining(Training):
    """Training of Auditory SlowFast on the study's own train split."""

    recipe: SoundRecipe | None = Field(
        None, description="As published, or small; null: small, for the rendered videos miniature"
    )
    width: Annotated[int, Field(gt=0, multiple_of=8)] | None = Field(
        None, description="Channels of the slow stem; null: the recipe's"
    )
    checkpoint: Path | None = Field(None, description="Weights to start from; null: random")


class Study(Strict):
    """What every study has: sound in, Auditory SlowFast features out."""

    videos: Path | None = Field(None, description="Folder of videos, searched with its subfolders")
    sound: Path | None = Field(
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


class Miniature(Strict):
    """Size of a rendered data set."""

    classes: Annotated[int, Field(ge=2, le=12)] = 8
    train_videos: Positive = Field(8, description="Videos a class")
    val_videos: Positive = Field(2, description="Videos a class")
    test_videos: Positive = Field(2, description="Videos a class")

    def as_arguments(self) -> dict[str, Any]:
        """Return the sizes as `miniature_plan` takes them."""
        videos = {"train": self.train_videos, "val": self.val_videos, "test": self.test_videos}
        return {"classes": self.classes, "videos_per_class": videos}


class Visual(Strict):
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


TimRecipeName = Literal["small", "ave", "ave_vgg"]


class Tim(Training):
    """Training and evaluation of TIM."""

    recipe: TimRecipeName | None = Field(
        None, description="null: ave_vgg with features: vgg, ave with given backbones, else small"
    )
    early_stop_epochs: Positive | None = Field(
        None, description="Epochs without a better validation after which training ends"
    )
    select_by: Literal["combined", "action", "audio"] | None = Field(
        None, description="Head whose validation accuracy decides; null: combined or only"
    )
    mixed_precision: bool = Field(
        False, description="Train in float16 on cuda, as published, in bfloat16 on the CPU"
    )
    parts: Positive = Field(1, description="Parts in which a batch is computed")
    processes: Positive = Field(
        1, description="Processes that share the parts; each has a GPU where there are GPUs"
    )
    tensorboard: bool = Field(
        False, description="Also log for TensorBoard (pip extra); a change trains again"
    )
    checkpoint: Path | None = Field(
        None,
        description="TIM weights (.pth.tar or .safetensors) that the model of sound and picture "
        "starts from; null: random",
    )

    @model_validator(mode="after")
    def _processes_share_the_parts(self) -> Self:
        if self.parts % self.processes:
            raise ValueError(f"processes ({self.processes}) must divide parts ({self.parts})")
        return self


class VggFeatures(Strict):
    """The official feature files of AVE, in place of videos."""

    visual: Path | None = Field(None, description="visual_feature.h5")
    audio: Path | None = Field(None, description="audio_feature.h5")

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
    annotations: Path | None = Field(None, description="Annotations.txt")
    splits: SplitPaths = Field(SplitPaths(), description="trainSet.txt, valSet.txt, testSet.txt")
    features: Literal["omnivore_asf", "vgg"] = Field(
        "omnivore_asf", description="Omnivore and Auditory SlowFast, or VGG-19 and VGGish"
    )
    vgg_features: VggFeatures = VggFeatures()
    checkpoints: AveCheckpoints = AveCheckpoints()
    visual: Visual = Visual()
    tim: Tim = Tim()
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


class Custom(Study):
    """The user's own videos."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")] = Field(
        "custom", description="Folder below results/"
    )
    annotation_format: Literal["csv", "vggsound", "epic_sounds", "epic_kitchens"] = Field(
        "csv", description="`annotations` is a CSV; or `splits` are published tables"
    )
    annotations: Path | None = Field(None, description="CSV of labelled events to train on")
    splits: SplitPaths = Field(SplitPaths(), description="Published tables of labelled events")
    split: Split = Field(
        "test", description="Split of videos without annotations; train has the preset's views"
    )

    @property
    def has_annotations(self) -> bool:
        """Whether there are labelled events."""
        return self.annotations is not None or any(path for _, path in self.splits)


class Config(Strict):
    """The whole of config.yaml."""

    seed: int = Field(0, ge=0, description="Every random draw comes from it and the item's id")
    max_bad_fraction: float = Field(
        0.9, ge=0, le=1, description="Share of videos left out at which the run stops"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda if there is one")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="Arithmetic of feature extraction; bfloat16 needs cuda"
    )
    allow_tf32: bool = Field(False, description="Faster float32 on cuda, features differ by 1e-3")
    mel_on_device: bool = Field(False, description="Log-mel on the GPU rather than on the CPU")
    ave: Ave = Ave()
    custom: Custom = Custom()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if self.custom.name == "ave":
            raise ValueError("custom.name may not be the name of another study, 'ave'")
        return self

    def study(self, name: str) -> Ave | Custom:
        """Return the section of `results/<name>`.

        Raises:
            ConfigError: if no study has that name.
        """
        studies: dict[str, Ave | Custom] = {"ave": self.ave, self.custom.name: self.custom}
        if name not in studies:
            raise ConfigError(f"no study is called {name!r}; there are {', '.join(studies)}")
        return studies[name]


def load_config(values: Mapping[str, Any]) -> Config:
    """Return the checked configuration.

    Raises:
        ConfigError: one line for the first wrong key: its name, the value, what is expected.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(_describe(error)) from None


def config_hash(config: Config, study: str) -> str:
    """Return a digest of the section of a study and of what all studies share, as the seed.

    Raises:
        ConfigError: if no study has that name.
    """
    shared = config.model_dump(mode="json", exclude={"ave", "custom"})
    section = config.study(study).model_dump(mode="json")
    text = json.dumps(shared | {"study": section}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _describe(error: ValidationError) -> str:
    problem = error.errors()[0]
    path = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        valid = list(_section(path[:-1]).model_fields)
        nearest = difflib.get_close_matches(path[-1], valid, n=1, cutoff=0)[0]
        known = ".".join([*path[:-1], nearest])
        return f"config key {'.'.join(path)} does not exist; did you mean {known}?"
    while path and path[-1] not in _section(path[:-1]).model_fields:
        path.pop()  # pydantic adds the members of unions, which are no keys
    message = problem["msg"].removeprefix("Value error, ")
    # The values of a whole section would hide what is wrong.
    found = "" if isinstance(problem["input"], Mapping) else f", got {problem['input']!r}"
    return f"config key {'.'.join(path)}: {message}{found}" if path else f"config: {message}"


def _section(path: list[str]) -> type[BaseModel]:
    """Return the class of the section at `path`."""
    section: type[BaseModel] = Config
    for name in path:
        if name in section.model_fields:
            annotation = section.model_fields[name].annotation
            candidates = [annotation, *get_args(annotation)]
            models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
            section = models[0] if models else section
    return section
