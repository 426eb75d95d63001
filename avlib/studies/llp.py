"""Section of the study of event parsing on LLP: VALOR, its variants and its baseline."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from avlib.datasets.llp import CLASSES
from avlib.media.download import Download
from avlib.sections import Positive, PowerOfTwo, Section, UserPath
from avlib.valor.recipes import ParserEvaluation, ParserTraining, Variant

N_CLASSES = len(CLASSES)
Texts = Annotated[tuple[str, ...], Field(min_length=N_CLASSES, max_length=N_CLASSES)]
Threshold = Annotated[float, Field(allow_inf_nan=False)]
Thresholds = Annotated[tuple[Threshold, ...], Field(min_length=N_CLASSES, max_length=N_CLASSES)]


class LlpFeatures(Section):
    """Folders of `<video_id>.npy` as published, in place of features made here; null: made here."""

    vggish: UserPath | None = Field(None, description="[10, 128] a video")
    res152: UserPath | None = Field(None, description="[80, 2048] a video")
    r2plus1d_18: UserPath | None = Field(None, description="[10, 512] a video")
    clip: UserPath | None = Field(None, description="[10, 768] a video")
    clap: UserPath | None = Field(None, description="[64, 768] a video")


class LlpCheckpoints(Section):
    """Weights from outside; of the rendered videos narrow networks are trained where null."""

    vggish: UserPath | None = Field(None, description="vggish-10086976.pth")
    res152: UserPath | None = Field(None, description="ResNet-152 of torchvision")
    r2plus1d_18: UserPath | None = Field(None, description="R(2+1)D-18 of torchvision")
    clip: UserPath | None = Field(None, description="CLIP ViT-L/14 of transformers or open_clip")
    clap: UserPath | None = Field(None, description="630k-fusion-best.pt")
    parsers: Mapping[Variant, UserPath] = Field(
        {}, description="Weights of a variant (checkpoint_best.pt), which is then not trained"
    )


class VisualTeacher(Section):
    """CLIP, which says what each second shows."""

    captions: Texts | None = Field(None, description="One a class; null: as published")
    thresholds: Thresholds | None = Field(
        None, description="Of its logits, one a class; null: as published"
    )
    antialias: bool = Field(False, description="Smooth pictures before they shrink; not published")
    tokenizer: UserPath | None = Field(
        None, description="Folder of CLIP's vocab.json and merges.txt, for captions of one's own"
    )


class AudioTeacher(Section):
    """CLAP, which says what each second sounds like."""

    backend: Literal["transformers", "laion_clap"] = Field(
        "transformers", description="laion_clap: the package itself, in a process of its own"
    )
    texts: Texts | None = Field(None, description="One a class; null: as published")
    thresholds: Thresholds | None = Field(
        None, description="Of its logits, one a class; null: as published"
    )
    tokenizer: UserPath | None = Field(
        None, description="Folder of the vocab.json and merges.txt of roberta-base"
    )


class Teachers(Section):
    """What pseudo labels of segments come from."""

    visual: VisualTeacher = VisualTeacher()
    audio: AudioTeacher = AudioTeacher()


class PseudoLabels(Section):
    """Segment labels of the teachers."""

    audio: UserPath | None = Field(None, description="Published folder; null: made by CLAP")
    visual: UserPath | None = Field(None, description="Published folder; null: made by CLIP")
    dtype: Literal["int64", "uint8"] = Field(
        "int64", description="Of the files made here: as published, or an eighth of their size"
    )


class LlpMiniature(Section):
    """Size of the rendered data set."""

    classes: Annotated[int, Field(ge=2, le=12)] = 8
    train_videos: Positive = 72
    val_videos: Positive = 16
    test_videos: Positive = 24

    def as_arguments(self) -> dict[str, Any]:
        """Return the sizes as `miniature_plan` takes them."""
        videos = {"train": self.train_videos, "val": self.val_videos, "test": self.test_videos}
        return {"classes": self.classes, "videos": videos}


class Llp(Section):
    """Weakly supervised parsing of audio-visual events on LLP."""

    source: Literal["miniature", "official"] = Field(
        "miniature", description="Rendered by the workflow, or the paths below"
    )
    labels: UserPath | None = Field(None, description="Folder of the six AVVP_*.csv")
    videos: UserPath | None = Field(None, description="Folder of <video_id>.mp4")
    download: Download = Field(Download(), description="Of `videos`, if they are asked for")
    features: LlpFeatures = LlpFeatures()
    missing: Literal["error", "skip"] = Field(
        "error", description="Videos that given folders lack stop the run, or are left out"
    )
    vggish_sound: Literal["own_rate", "moviepy"] = Field(
        "own_rate",
        description="moviepy: samples picked without a filter, as the published script makes wavs",
    )
    pseudo_labels: PseudoLabels = PseudoLabels()
    checkpoints: LlpCheckpoints = LlpCheckpoints()
    teachers: Teachers = Teachers()
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)] = Field(
        ("han", "valor", "valor+", "valor++"), description="Those compared in summary.json"
    )
    training: ParserTraining = ParserTraining()
    evaluation: ParserEvaluation = ParserEvaluation()
    miniature: LlpMiniature = LlpMiniature()
    shards: PowerOfTwo = Field(2, description="Parts of the stages of videos, a power of two")

    @model_validator(mode="after")
    def _official_has_labels(self) -> Self:
        if (self.source == "official") != (self.labels is not None):
            raise ValueError("source official and labels belong together; give both or none")
        if self.source == "miniature" and self.videos is not None:
            raise ValueError("videos are rendered with source miniature; set source: official")
        if len(set(self.variants)) < len(self.variants):
            raise ValueError("variants names one twice; remove it")
        return self

    @model_validator(mode="after")
    def _package_has_weights(self) -> Self:
        if self.teachers.audio.backend == "laion_clap" and self.checkpoints.clap is None:
            raise ValueError(
                "teachers.audio.backend laion_clap has networks of the published size alone; "
                "give checkpoints.clap"
            )
        return self
