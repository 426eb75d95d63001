"""Sections of studies that recognise sound by audio images: Kinetics-600, and the user's sounds."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from avlib.sections import Positive, PowerOfTwo, Section, StudyName, Training, UserPath

Space = Literal["logit", "log_softmax", "softmax"]
NetworkName = Literal[
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "neural_network",
    "logistic",
]


class Mel(Section):
    """Audio images: mel spectrograms of 0.96 s."""

    variant: Literal["librosa_0_8", "librosa_0_9"] = Field(
        "librosa_0_8", description="Release of librosa whose numbers are made; 0.8 as published"
    )
    reference: Literal["clip", "soundtrack", "fixed"] | None = Field(
        None,
        description="What is 0 dB: the loudest value of a clip, as published, that of the whole "
        "soundtrack, or a sine of full scale; null: the recipe's",
    )
    dtype: Literal["float32", "float16"] = Field(
        "float32", description="Of the packs; float16 halves them and rounds by up to 1/32 dB"
    )


class Network(Section):
    """The network that sees the audio images."""

    name: NetworkName | None = Field(None, description="null: the recipe's")
    pool: Literal["first_columns", "full"] | None = Field(
        None, description="first_columns: without the end of a clip, as published; null: recipe's"
    )
    width: Positive | None = Field(None, description="Channels of the stem; null: the recipe's")


class SoundtrackTraining(Training):
    """Training of the network on the study's own train split."""

    recipe: Literal["kinetics600", "small", "miniature"] | None = Field(
        None, description="null: kinetics600 (published) for Kinetics, small for other sounds"
    )


class SoundtrackCheckpoints(Section):
    """Weights from outside."""

    soundtrack: UserPath | None = Field(
        None, description="Weights of the network (.pth.tar or .safetensors); null: trained"
    )


class Soundtracks(Section):
    """What the studies of labelled soundtracks have in common."""

    mel: Mel = Mel()
    network: Network = Network()
    training: SoundtrackTraining = SoundtrackTraining()
    pooling: Space = Field("logit", description="What is averaged over the clips of a soundtrack")
    checkpoints: SoundtrackCheckpoints = SoundtrackCheckpoints()
    shards: PowerOfTwo = Field(4, description="Parts of the stages of sound, a power of two")


class VideoScores(Section):
    """Scores of the pictures from outside."""

    scores: UserPath | None = Field(None, description=".npy file, N x K, N x 1 x K or K x N x 1")
    list: UserPath | None = Field(
        None, description="Names of its rows, as Kinetics_600_vallist.txt"
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.scores is None) != (self.list is None):
            raise ValueError("give both files, scores and list, or none")
        return self


class Fusion(Section):
    """Fusion of the scores of soundtracks and pictures; weights are in 1 / `denominator`."""

    weight_from: Literal["validation", "evaluation"] = Field(
        "validation", description="Videos that the weight is chosen on; evaluation: as published"
    )
    space: Space = Field("logit", description="What is added up, beside the probabilities")
    criterion: Literal["mean_top1_top5", "top1", "top5"] = Field(
        "mean_top1_top5", description="What is to be highest"
    )
    start: Annotated[int, Field(ge=0)] = Field(0, description="First weight of the sound")
    stop: Positive = Field(499, description="Last weight of the sound")
    step: Positive = Field(1, description="From one weight to the next")
    denominator: Positive = Field(1000, description="Of all weights")


class K600Miniature(Section):
    """Size of the rendered data set."""

    classes: Annotated[int, Field(ge=2, le=12)] = 8
    train_videos: Positive = Field(16, description="Videos a class")
    val_videos: Positive = Field(8, description="Videos a class")

    def as_arguments(self) -> dict[str, Any]:
        """Return the sizes as `miniature_plan` takes them."""
        videos = {"train": self.train_videos, "val": self.val_videos}
        return {"classes": self.classes, "videos_per_class": videos}


class K600(Soundtracks):
    """Soundtracks of Kinetics-600, fused with scores of the pictures."""

    source: Literal["miniature", "official"] = Field(
        "miniature", description="Rendered by the workflow, or the folder below"
    )
    videos: UserPath | None = Field(
        None, description="Folder of {train,val}/<class>/<video_id>.mp4"
    )
    classes: UserPath | None = Field(
        None, description="kinetics_600_label_list.txt; null: the class folders, sorted"
    )
    validation_share: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        description="Share of folder train that is kept out of training, to choose the weight of "
        "the fusion on; null: 0.05, of the miniature 0.2",
    )
    video_scores: VideoScores = Field(
        VideoScores(), description="Scores of the pictures; null: of a narrow Omnivore trained here"
    )
    visual: Training = Field(Training(), description="Training of that Omnivore")
    fusion: Fusion = Fusion()
    miniature: K600Miniature = K600Miniature()

    @model_validator(mode="after")
    def _official_has_videos(self) -> Self:
        if (self.source == "official") != (self.videos is not None):
            raise ValueError("source official and videos belong together; give both or none")
        return self


class Sounds(Soundtracks):
    """The user's own labelled sounds."""

    name: StudyName = Field("sounds", description="Folder below results/")
    folder: UserPath | None = Field(
        None, description="Folder of <class>/<file>, {train,val,test}/<class>/<file>, or of `table`"
    )
    table: UserPath | None = Field(
        None, description="CSV with file and, if wanted, label, split and fold"
    )
