"""What the studies of retrieval by text share: clips with texts, encoders, their comparison."""

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from avlib.datasets.captioned import KINDS, RELEVANCIES
from avlib.datasets.miniature.retrieval import ANNOTATIONS, miniature_plan
from avlib.errors import ConfigError
from avlib.extractors.registry import CLIP_ENCODERS
from avlib.media.recordings import chunk_id, recording_ids, recording_sounds, recording_videos
from avlib.media.videos import Video
from avlib.origins import Weights, configured_weights
from avlib.retrieval.settings import Comparison, RetrievalEvaluation, TextKind
from avlib.retrieval.spans import clip_spans
from avlib.sections import Positive, PowerOfTwo, Section, UserPath
from avlib.studies.base import MediaNeeds, Place, Source, Study

Relevancy = Literal["all", "low", "moderate", "high"]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SAMPLE_RATE = 48_000  # Hz of the published extraction; encoders resample each clip
SPLIT = "test"  # of all videos: nothing is trained on them
TOKENIZERS = {  # files of each, and the published model that they are of
    "bert": (("vocab.txt",), "bert-base-uncased"),
    "roberta": (("vocab.json", "merges.txt"), "roberta-base"),
}
PAIR = "+"  # between a network of frames and one of sound
_NOWHERE = Path(os.devnull)  # below it no table of a user is found
SHARED = "retrieval"  # folder beside those of the studies: one encoder serves all miniatures


def _of_encoders(model: str) -> str:
    names = model.split(PAIR)
    unknown = [name for name in names if name not in CLIP_ENCODERS]
    if unknown:
        known = ", ".join(CLIP_ENCODERS)
        raise ValueError(f"{unknown[0]!r} is no encoder of clips; there are {known}")
    if len(names) > 1 and [CLIP_ENCODERS[n].modality for n in names] != ["visual", "audio"]:
        raise ValueError("a pair is a network of frames and one of sound, such as egovlp+clap")
    return model


Model = Annotated[str, AfterValidator(_of_encoders)]


class RetrievalCheckpoints(Section):
    """Given weights; null: small networks are trained, for the miniature alone."""

    clap: UserPath | None = Field(None, description="630k-audioset-fusion-best.pt")
    ase_audiocaps: UserPath | None = Field(None, description="HTSAT-BERT-FT-AudioCaps.pt")
    ase_clotho: UserPath | None = Field(None, description="HTSAT-BERT-FT-Clotho.pt")
    egovlp: UserPath | None = Field(None, description="egovlp.pth")


class Tokenizers(Section):
    """Folders of the files that texts become tokens by, for given weights."""

    bert: UserPath | None = Field(None, description="Folder of vocab.txt, for ASE and EgoVLP")
    roberta: UserPath | None = Field(
        None, description="Folder of vocab.json and merges.txt, for CLAP"
    )


class RetrievalMiniature(Section):
    """Size of the rendered data set."""

    videos: Positive = 6
    clips: Positive = Field(16, description="Clips a video")

    def as_arguments(self) -> dict[str, Any]:
        """Return the sizes as `miniature_plan` takes them."""
        return self.model_dump()


class RetrievalStudy(Study, Comparison):
    """Zero-shot retrieval: encoders of clips and of texts, whose embeddings are compared."""

    evaluated_as: ClassVar[str] = "retrieval"
    rendered_relevancies: ClassVar[tuple[str, ...]] = RELEVANCIES  # subsets of the miniature
    int16_round_trip: ClassVar[bool] = False  # whether sound is rounded to int16 for CLAP

    source: Source = Field("miniature", description="Rendered by the workflow, or the paths below")
    annotations: UserPath | None = Field(None, description="Folder of the published tables")
    videos: UserPath | None = Field(None, description="Folder, searched with its subfolders")
    sound: UserPath | None = Field(
        None, description="Folder or HDF5 file of extracted audio, in place of the videos'"
    )
    frames: UserPath | None = Field(
        None,
        description="Folder of rgb_frames, folders or tar files, in place of videos, for egovlp",
    )
    models: Annotated[tuple[Model, ...], Field(min_length=1)] = Field(
        ("clap", "ase_audiocaps", "ase_clotho", "egovlp", "egovlp+ase_audiocaps"),
        description="Networks, and pairs of egovlp and a network of sound",
    )
    texts: Annotated[tuple[TextKind, ...], Field(min_length=1)] = Field(
        ("original", "llm"), description="As annotated; or written by a language model"
    )
    relevancy: Annotated[tuple[Relevancy, ...], Field(min_length=1)] = Field(
        ("all", "low", "moderate", "high"), description="Subsets by what the sound tells of a clip"
    )
    checkpoints: RetrievalCheckpoints = RetrievalCheckpoints()
    tokenizers: Tokenizers = Tokenizers()
    left_s: Seconds = Field(0.0, description="Context before a clip in seconds")
    right_s: Seconds = Field(0.0, description="Context behind a clip in seconds")
    resampler: Literal["kaiser_best", "soxr_hq"] = Field(
        "kaiser_best", description="48 to 32 kHz for ASE: as published, or 20 times faster"
    )
    short_clips: Literal["reference", "upstream"] = Field(
        "reference", description="CLAP fuses clips up to 10 s, as published; upstream: it does not"
    )
    clean_captions: bool = Field(False, description="Punctuation is removed for ASE")
    num_frames: Positive = Field(16, description="Frames of a clip for EgoVLP")
    miniature: RetrievalMiniature = RetrievalMiniature()
    shards: PowerOfTwo = Field(1, description="Parts of the stages of videos, a power of two")

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        for name in ("models", "texts", "relevancy", "crop_seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{self.key(name)}: one is named twice; remove it")
        return self

    @model_validator(mode="after")
    def _models_have_inputs(self) -> Self:
        if self.is_rendered:
            unknown = [r for r in self.relevancy if r not in self.rendered_relevancies]
            if unknown:
                key = self.key("relevancy")
                raise ValueError(f"{key}: the miniature has no subset {unknown[0]}; remove it")
            given = [key for key in ("videos", "sound", "frames") if getattr(self, key) is not None]
            if given:
                raise ValueError(
                    f"{self.key(given[0])}: not used with the rendered miniature; remove it, or "
                    f"set {self.key('source')}: official"
                )
        for name in self.networks:
            modality = CLIP_ENCODERS[name].modality
            other = "sound" if modality == "audio" else "frames"
            if not self.is_rendered and self.videos is None and getattr(self, other) is None:
                raise ValueError(
                    f"{self.key('models')}: {name} needs {self.key('videos')} or "
                    f"{self.key(other)}; give one"
                )
        if "original" not in self.texts and not all(self.text_kinds(m) for m in self.models):
            raise ValueError(
                f"{self.key('texts')}: original ones are the only texts for a network of frames "
                "alone; add them"
            )
        return self

    @model_validator(mode="after")
    def _given_weights_have_tokenizers(self) -> Self:
        for name, weights in self.weights().items():
            kind = CLIP_ENCODERS[name].tokenizer
            if weights.origin == "given" and getattr(self.tokenizers, kind) is None:
                names, published = TOKENIZERS[kind]
                raise ValueError(
                    f"{self.key('tokenizers')}.{kind}: name the folder of {' and '.join(names)} of "
                    f"{published}; the given weights of {name} need it"
                )
        return self

    @property
    def is_rendered(self) -> bool:
        """Whether the workflow renders the videos itself."""
        return self.source == "miniature"

    @property
    def benchmark(self) -> str:
        """Name of the benchmark, which is that of the section."""
        return self.section

    # Models and their networks

    @property
    def networks(self) -> list[str]:
        """The networks of all models, each once."""
        return list(dict.fromkeys(name for model in self.models for name in model.split(PAIR)))

    def text_kinds(self, model: str) -> list[str]:
        """Return the kinds of texts that a model is compared with; frames have original ones."""
        has_sound = any(CLIP_ENCODERS[name].modality == "audio" for name in model.split(PAIR))
        return [kind for kind in self.texts if has_sound or kind == "original"]

    def encoding(self) -> dict[str, Any]:
        """Return the settings of all encoders, by the names that these have for them."""
        names = ("left_s", "right_s", "resampler", "short_clips", "clean_captions", "num_frames")
        return {
            **{name: getattr(self, name) for name in names},
            "crop_seeds": list(self.crop_seeds),
            "int16_round_trip": self.int16_round_trip,
            "frames": self.frames and str(self.existing_folder("frames", self.frames)),
        }

    def evaluation(self) -> dict[str, Any]:
        """Return what decides the metrics, beside the embeddings."""
        return self.model_dump(mode="json", include=set(RetrievalEvaluation.model_fields))

    def weights(self) -> dict[str, Weights]:
        """Return the weights of the encoders."""
        return {
            name: configured_weights(name, getattr(self.checkpoints, name))
            for name in self.networks
        }

    def require_trainable(self, network: str) -> None:
        """Check that the videos are those that small encoders can be trained for."""
        if not self.is_rendered:
            (published,) = CLIP_ENCODERS[network].weights
            raise ConfigError(
                f"{self.key('checkpoints')}.{network}: name the published weights, {published}; "
                "encoders are trained for the miniature alone"
            )

    def shared(self, at: Place) -> Path:
        """Return the folder of the encoders that are trained here, for all miniatures."""
        return at.folder.parent / SHARED / "model"

    def trained_file(self, network: str, at: Place) -> Path:
        """Return the weights of an encoder that is trained here.

        Raises:
            ConfigError: if the videos are not those that it can be trained for.
        """
        self.require_trainable(network)
        return self.shared(at) / network / "model.safetensors"

    def tokenizer_files(self, network: str, at: Place) -> list[Path]:
        """Return the files of the tokenizer of a network, in one folder.

        Raises:
            ConfigError: if one does not exist.
        """
        kind = CLIP_ENCODERS[network].tokenizer
        names, _ = TOKENIZERS[kind]
        if self.weights()[network].origin == "trained":
            return [self.shared(at) / "tokenizers" / kind / name for name in names]
        key, folder = f"tokenizers.{kind}", getattr(self.tokenizers, kind)
        return [Path(self.existing_file(key, folder / name)) for name in names]

    # Annotations

    @abstractmethod
    def published_files(
        self, folder: Path, relevancy: str, kinds: Sequence[str]
    ) -> dict[str, Path]:
        """Return the published tables of a subset by role, whether they exist or not.

        Args:
            folder: of the tables.
            relevancy: the subset.
            kinds: of the texts that are needed.
        """

    def annotation_folder(self, at: Place) -> Path:
        """Return the folder of the published tables.

        Raises:
            ConfigError: if there is none.
        """
        if self.is_rendered:
            return at.miniature / ANNOTATIONS[self.benchmark]
        return self.existing_folder("annotations", self.annotations)

    def annotation_files(self, at: Place, relevancy: str, kinds: Sequence[str]) -> dict[str, Path]:
        """Return the published tables of a subset by role.

        Raises:
            ConfigError: if one does not exist; the message names the key that asks for it.
        """
        files = self.published_files(self.annotation_folder(at), relevancy, kinds)
        for role, path in files.items():
            if not self.is_rendered and not path.is_file():
                asks = f"needs {path}, which is no file; docs/retrieval.md says where it is from"
                raise ConfigError(f"{self._asking(role, relevancy)} {asks}")
        return files

    def _asking(self, role: str, relevancy: str) -> str:
        """Return the key that asks for a published table, and which of its values does."""
        if role in type(self).model_fields:
            return f"{self.key(role)}: {self.section}"
        if role.endswith("_llm"):
            return f"{self.key('texts')}: llm"
        if relevancy != "all":
            return f"{self.key('relevancy')}: {relevancy}"
        return f"{self.key('annotations')}: {self.section}"

    def notes(self) -> list[str]:
        """Return what a reader must know of where the clips are from, beside the weights."""
        return ["The videos are a rendered miniature."] if self.is_rendered else []

    def graded_files(self, at: Place) -> dict[str, Path]:
        """Return published matrices of graded relevance by `<relevancy>.<kind of text>`."""
        return {}

    # Videos

    def rendered_files(self, at: Place) -> list[Path]:
        """Return the tables of the miniature, which are there once its videos are."""
        if not self.is_rendered:
            return []
        return list(self.annotation_files(at, "all", ("original",)).values())

    def rendered_tables(self) -> list[str]:
        """Return the tables of the miniature, all that there are, below its folder."""
        folder = _NOWHERE / ANNOTATIONS[self.benchmark]
        default = type(self).model_validate({})  # which names no files of a user
        found = [default.published_files(folder, r, KINDS) for r in self.rendered_relevancies]
        paths = {path.relative_to(_NOWHERE) for files in found for path in files.values()}
        return sorted(map(str, paths))

    def list_videos(self, at: Place) -> list[Video]:
        """Return the files that clips are cut from; of a miniature those that will be rendered."""
        if self.is_rendered:
            return self._rendered_videos(at)
        levels: dict[str, None] = dict.fromkeys(("all", *self.relevancy))
        files = {level: self.annotation_files(at, level, self.texts) for level in levels}
        spans = clip_spans(self.benchmark, files, at.folder / ".cache" / "spans.json")
        recordings = sorted({recording for recording, *_ in spans})
        sounds = {} if self.sound is None else recording_sounds(self.sound, recordings)
        if self.videos is None:
            ids = recording_ids(spans, sounds, left_s=self.left_s, right_s=self.right_s)
            return [Video(name, SPLIT, sounds.get(name), sounds.get(name)) for name in ids]
        found = recording_videos(
            self.existing_folder("videos", self.videos),
            spans,
            SPLIT,
            includes_sounds=True,
            left_s=self.left_s,
            right_s=self.right_s,
        )
        return [Video(v.video_id, v.split, v.path, self._sound(v, sounds)) for v in found]

    def _sound(self, video: Video, sounds: Mapping[str, str]) -> str | None:
        """Return the extracted audio of a video, or where it should be, for the manifest."""
        if self.sound is None:
            return None
        expected = str(self.sound if self.sound.is_file() else self.sound / f"{video.video_id}.wav")
        return sounds.get(video.video_id, expected)

    def _rendered_videos(self, at: Place) -> list[Video]:
        plan = miniature_plan(self.benchmark, **self.miniature.as_arguments(), seed=at.seed)
        return sorted(
            Video(chunk_id(r.video_id, k) if r.chunk_frames else r.video_id, SPLIT, path)
            for r in plan
            for k, path in enumerate(str(at.miniature / path) for path in r.paths)
        )

    def media(self) -> MediaNeeds:
        """Return the waveforms that encoders of sound take, as precise as codecs decode them."""
        return MediaNeeds(SAMPLE_RATE, "ffmpeg", bits=32)

    def files(self) -> dict[str, Path | None]:
        """Return annotations, videos, extracted sound and frames, and tokenizers."""
        names = ("annotations", "videos", "sound", "frames")
        return {
            **{name: getattr(self, name) for name in names},
            **{f"tokenizers.{kind}": folder for kind, folder in self.tokenizers},
        }

    def targets(self, at: Place) -> list[str]:
        """Return the metrics of the models, and the curves of the encoders trained here."""
        files = [f"{model}/test_metrics.json" for model in self.models]
        trained = [name for name, w in self.weights().items() if w.origin == "trained"]
        curves = [self.shared(at) / name / "curves.svg" for name in trained]
        return [str(path) for path in (*(at.folder / file for file in files), *curves)]
