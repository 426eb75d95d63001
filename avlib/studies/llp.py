"""The study of event parsing on LLP: VALOR, its variants and its baseline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from avlib.datasets.llp import CLASSES, DENSE, LABEL_FILES, read_splits
from avlib.datasets.miniature.llp import miniature_plan
from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError
from avlib.media.download import Download
from avlib.media.videos import Video, named_videos
from avlib.origins import Weights, configured_weights
from avlib.sections import Positive, PowerOfTwo, Section, StudyName, UserPath
from avlib.studies.base import Place, Source, Study
from avlib.valor.recipes import ParserEvaluation, ParserTraining, ParserVariant

N_CLASSES = len(CLASSES)
Texts = Annotated[tuple[str, ...], Field(min_length=N_CLASSES, max_length=N_CLASSES)]
Threshold = Annotated[float, Field(allow_inf_nan=False)]
Thresholds = Annotated[tuple[Threshold, ...], Field(min_length=N_CLASSES, max_length=N_CLASSES)]


class LlpFeatures(Section):
    """Given folders of `<video_id>.npy` as published; null: extracted from the videos."""

    vggish: UserPath | None = Field(None, description="[10, 128] a video")
    res152: UserPath | None = Field(None, description="[80, 2048] a video")
    r2plus1d_18: UserPath | None = Field(None, description="[10, 512] a video")
    clip: UserPath | None = Field(None, description="[10, 768] a video")
    clap: UserPath | None = Field(None, description="[64, 768] a video")


class LlpCheckpoints(Section):
    """Given weights; null: a small network is trained, for the miniature only."""

    vggish: UserPath | None = Field(None, description="vggish-10086976.pth")
    res152: UserPath | None = Field(None, description="ResNet-152 of torchvision")
    r2plus1d_18: UserPath | None = Field(None, description="R(2+1)D-18 of torchvision")
    clip: UserPath | None = Field(None, description="CLIP ViT-L/14 of transformers or open_clip")
    clap: UserPath | None = Field(None, description="630k-fusion-best.pt")
    parsers: Mapping[ParserVariant, UserPath] = Field(
        {}, description="Weights of a variant (checkpoint_best.pt), which is then not trained"
    )


class VisualTeacher(Section):
    """CLIP, the teacher of visual events."""

    captions: Texts | None = Field(None, description="One a class; null: as published")
    thresholds: Thresholds | None = Field(
        None, description="Of its logits, one a class; null: as published"
    )
    antialias: bool = Field(False, description="Antialias frames when resizing; not as published")
    tokenizer: UserPath | None = Field(
        None, description="Folder of CLIP's vocab.json and merges.txt, for captions of one's own"
    )


class AudioTeacher(Section):
    """CLAP, the teacher of audio events."""

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
    """The networks that pseudo labels are made with."""

    visual: VisualTeacher = VisualTeacher()
    audio: AudioTeacher = AudioTeacher()


class PseudoLabels(Section):
    """Pseudo labels of segments."""

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


class Llp(Study):
    """Weakly supervised parsing of audio-visual events on LLP."""

    shard_manifest: ClassVar[str] = "probe/{}.parquet"

    name: StudyName = Field("llp", description="Folder below results/")
    source: Source = Field("miniature", description="Rendered by the workflow, or the paths below")
    labels: UserPath | None = Field(None, description="Folder of the six AVVP_*.csv")
    videos: UserPath | None = Field(None, description="Folder of <video_id>.mp4")
    download: Download = Field(Download(), description="Of `videos`, by the target download_llp")
    features: LlpFeatures = LlpFeatures()
    missing: Literal["error", "skip"] = Field(
        "error", description="Videos missing in given folders stop the run, or are left out"
    )
    vggish_sound: Literal["own_rate", "moviepy"] = Field(
        "own_rate",
        description="moviepy: decimated without a filter, as by the published script",
    )
    pseudo_labels: PseudoLabels = PseudoLabels()
    checkpoints: LlpCheckpoints = LlpCheckpoints()
    teachers: Teachers = Teachers()
    variants: Annotated[tuple[ParserVariant, ...], Field(min_length=1)] = Field(
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
                "teachers.audio.backend laion_clap has only networks of the published size; "
                "give checkpoints.clap"
            )
        return self

    @property
    def is_rendered(self) -> bool:
        """Whether the workflow renders the videos itself."""
        return self.source == "miniature"

    @property
    def skips_missing(self) -> bool:
        """Whether videos that given folders lack are left out, rather than stop the run."""
        return self.missing == "skip"

    def label_files(self, at: Place) -> dict[str, Path]:
        """Return the label files by name: train, val, test, audio and visual.

        Raises:
            ConfigError: if one does not exist.
        """
        root = at.miniature if self.labels is None else self.labels
        files = {name: root / LABEL_FILES[name] for name in (*SPLITS, *DENSE)}
        if self.labels is not None:
            for path in files.values():
                if not path.is_file():
                    raise ConfigError(
                        f"{self.key('labels')}: {path} is no file; docs/llp.md says where it is"
                    )
        return files

    def given_folders(self) -> dict[str, dict[str, str]]:
        """Return the given folders of features by kind, and of pseudo labels by modality.

        Raises:
            ConfigError: if one does not exist.
        """
        sections = {"features": self.features, "pseudo_labels": self.pseudo_labels}
        return {
            section: {
                name: str(self.existing_folder(f"{section}.{name}", path))
                for name, path in values
                if isinstance(path, Path)
            }
            for section, values in sections.items()
        }

    def rendered_files(self, at: Place) -> list[Path]:
        """Return a file that is there once the miniature is."""
        return [at.miniature / LABEL_FILES["full"]] if self.is_rendered else []

    def list_videos(self, at: Place) -> list[Video]:
        """Return the videos of the label files; of a miniature those that will be rendered."""
        if self.is_rendered:
            plan = miniature_plan(**self.miniature.as_arguments(), seed=at.seed)
            return sorted(Video(v.video_id, v.split, str(at.miniature / v.path)) for v in plan)
        if self.videos is None:
            raise ConfigError(
                f"{self.key('videos')}: name the folder of the videos, or give all "
                f"{self.key('features')}"
            )
        folder, files = self.existing_folder("videos", self.videos), self.label_files(at)
        splits = read_splits({split: files[split] for split in SPLITS})
        return named_videos(
            folder, [(v.video_id, split) for split, videos in splits.items() for v in videos]
        )

    def weights(self) -> dict[str, Weights]:
        """Return the weights of the extractors and of the variants' networks."""
        checkpoints = {n: path for n, path in self.checkpoints if n != "parsers"}
        parsers = {str(variant): path for variant, path in self.checkpoints.parsers.items()}
        variants = dict.fromkeys([*self.variants, *parsers])
        checkpoints |= {f"parser/{variant}": parsers.get(variant) for variant in variants}
        return {name: configured_weights(name, path) for name, path in checkpoints.items()}

    def require_trainable(self, network: str) -> None:
        """Check that the videos are those that narrow networks can be trained for."""
        if not self.is_rendered and not network.startswith("parser/"):
            raise ConfigError(
                f"{self.key('checkpoints')}.{network}: name the published weights, or give their "
                f"results as {self.key('features')} or pseudo_labels"
            )

    def check_options(self, network: str) -> dict[str, Any]:
        """Return the package that runs CLAP, and the variant of a parser."""
        if network == "clap":
            return {"backend": self.teachers.audio.backend}
        name, _, variant = network.partition("/")
        return {"variant": variant} if name == "parser" else {}

    def files(self) -> dict[str, Path | None]:
        """Return labels, videos, given features and pseudo labels, and tokenizers."""
        return {
            "labels": self.labels,
            "videos": self.videos,
            **{f"features.{kind}": path for kind, path in self.features},
            "pseudo_labels.audio": self.pseudo_labels.audio,
            "pseudo_labels.visual": self.pseudo_labels.visual,
            **{f"teachers.{m}.tokenizer": teacher.tokenizer for m, teacher in self.teachers},
        }

    def targets(self, at: Place) -> list[str]:
        """Return the comparison of the variants, and the figures of the report."""
        files = ["summary.json", "report/variants.html"]
        files += [f"{variant}/report/parsed_events.svg" for variant in self.variants]
        trained = [v for v in self.variants if v not in self.checkpoints.parsers]
        files += [f"model/parser/{variant}/curves.svg" for variant in trained]
        return [str(at.folder / file) for file in files]
