"""All extractors, one row each: what a network sees, what it returns and where its code is.

The module of a row has functions that are imported when they are used:

- `check_weights(checkpoint, target, **options)` writes what a checkpoint is to the JSON file
  `target`, if it fits the network; otherwise it raises a CheckpointError.
- `extract_shard(files, settings, views)` writes the features of a shard's videos and their index.
- Where `cut` is "clips", `embed_clips(files, settings)` takes its place, and
  `embed_texts(files, settings)` writes the embeddings of texts in the same space.

See `docs/adding_an_extractor.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from avlib.extractors.embedding import ClipFiles, TextFiles
    from avlib.extractors.extraction import ShardFiles

COMMON_SETTINGS = ("seed", "dtype", "device", "allow_tf32")


@dataclass(frozen=True)
class AudioInput:
    """Mono waveforms.

    Attributes:
        sample_rate: Hz that the network was trained on; None: that of a preset.
        window_s: length of one input in seconds.
    """

    sample_rate: int | None
    window_s: float


@dataclass(frozen=True)
class FrameInput:
    """Video frames.

    Attributes:
        rate_fps: frames per second that are looked at; None: those of an interval, at any rate.
        size: height and width of one input in pixels.
        frames: frames of one input.
    """

    rate_fps: int | None
    size: int
    frames: int = 1


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A network that makes features.

    Attributes:
        name: key of EXTRACTORS.
        network: name of its weights in the configuration, and of its folder below `model/`.
        folder: name of its folder below `features/`.
        module: its code, with the functions that the head of this file describes.
        modality: what it sees.
        sees: one input of the network.
        cut: what becomes a row of features: the intervals of a table, with views, in files
            `<split>/<video_id>.npy` (intervals, views, *shape); whole seconds, the same with one
            view; equal parts of a whole video, in files `<video_id>.npy` (rows, *shape); or the
            clips of a table, one row each, in one file a shard.
        rows: of a whole video; None: as many as it has intervals or seconds.
        shape: of one row of features, with the published weights.
        weights: files of published weights, as their authors name them.
        package: file below `weights/` that `make weights` makes of a package; None where no package
            carries weights.
        tokenizer: bert or roberta, whose files its texts become tokens by, where it takes texts.
        settings: names of the settings that it takes, beside COMMON_SETTINGS.
        text_settings: those of them on which embeddings of texts depend.
        options: those of its settings on which it depends whether weights fit.
        views_vary: whether training intervals have augmented views; if not, each has one view.
        is_trainable: whether a study can train it on its own train split.
    """

    name: str
    network: str
    folder: str
    module: str
    modality: Literal["audio", "visual"]
    sees: AudioInput | FrameInput
    cut: Literal["intervals", "seconds", "video", "clips"]
    rows: int | None = None
    shape: tuple[int, ...]
    weights: tuple[str, ...]
    package: str | None = None
    tokenizer: str = ""
    settings: tuple[str, ...] = ()
    text_settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    views_vary: bool = True
    is_trainable: bool = False

    @property
    def channels(self) -> int:
        """Channels of a feature, with the published weights."""
        return self.shape[-1]

    def check_weights(self, checkpoint: Path, target: Path, **options: Any) -> None:
        """Write what a checkpoint is, if it fits the network.

        Args:
            checkpoint: the file.
            target: JSON file to write.
            options: values of `self.options`.

        Raises:
            CheckpointError: if it does not fit.
        """
        import_module(self.module).check_weights(checkpoint, target, **options)

    def extract_shard(
        self, files: "ShardFiles", settings: Mapping[str, Any], views: Mapping[str, int]
    ) -> None:
        """Write the features of every usable video of a shard, and their index.

        Args:
            files: inputs and outputs. The sources are packs of waveforms, or lists of videos for
                visual features and those of whole videos.
            settings: values of COMMON_SETTINGS and of `self.settings`.
            views: views of each interval, by split; of no effect unless `cut` is "intervals".

        Raises:
            CheckpointError: if the weights do not fit the network.
        """
        import_module(self.module).extract_shard(files, settings, views)

    def embed_clips(self, files: "ClipFiles", settings: Mapping[str, Any]) -> None:
        """Write the embeddings of the clips of a shard's videos, and their index.

        Args:
            files: inputs and outputs. The sources are packs of waveforms for sound.
            settings: values of COMMON_SETTINGS and of `self.settings`.

        Raises:
            CheckpointError: if the weights do not fit the network.
        """
        import_module(self.module).embed_clips(files, settings)

    def embed_texts(self, files: "TextFiles", settings: Mapping[str, Any]) -> None:
        """Write the embeddings of texts, each distinct text once.

        Args:
            files: inputs and outputs.
            settings: values of COMMON_SETTINGS and of `self.text_settings`.

        Raises:
            CheckpointError: if the weights do not fit the network.
            DataError: if the tokenizer cannot be read.
        """
        import_module(self.module).embed_texts(files, settings)


_PACKAGE = "avlib.extractors"
_CLIP_SETTINGS = ("crop_seeds", "left_s", "right_s", "mel_on_device")  # of sound
_ROWS = (
    Extractor(
        name="asf",
        network="asf",
        folder="asf",
        module=f"{_PACKAGE}.auditory_slowfast.extraction",
        modality="audio",
        sees=AudioInput(sample_rate=None, window_s=0.999),
        cut="intervals",
        shape=(2304,),
        weights=("asf_vggsound.pyth", "asf_epicsounds.pyth"),
        settings=("preset", "specaug", "mel_on_device"),
        options=("preset",),
        is_trainable=True,
    ),
    Extractor(
        name="omnivore",
        network="omnivore",
        folder="omnivore",
        module=f"{_PACKAGE}.omnivore.extraction",
        modality="visual",
        sees=FrameInput(rate_fps=None, size=224, frames=32),
        cut="intervals",
        shape=(1024,),
        weights=("swinB_checkpoint.torch", "swinB_epic_checkpoint.torch"),
        settings=("frames", "first_frame"),
        is_trainable=True,
    ),
    Extractor(
        name="videomae",
        network="videomae",
        folder="videomae",
        module=f"{_PACKAGE}.videomae.extraction",
        modality="visual",
        sees=FrameInput(rate_fps=None, size=224, frames=16),
        cut="intervals",
        shape=(1024,),
        weights=("videomae_epic.pth.tar",),
        settings=("frames",),
    ),
    Extractor(
        name="yamnet",
        network="yamnet",
        folder="yamnet",
        module=f"{_PACKAGE}.yamnet.extraction",
        modality="audio",
        sees=AudioInput(sample_rate=16_000, window_s=0.975),
        cut="intervals",
        shape=(1024,),
        weights=("yamnet.pth",),
        package="yamnet.safetensors",
        settings=("sample_rate",),
        views_vary=False,
    ),
    Extractor(
        name="efficientnet_lite0",
        network="efficientnet_lite0",
        folder="efficientnet_lite0",
        module=f"{_PACKAGE}.efficientnet_lite.extraction",
        modality="visual",
        sees=FrameInput(rate_fps=None, size=224),
        cut="intervals",
        shape=(1280,),
        weights=("efficientnet-lite0-57934424.pth",),
        package="efficientnet_lite0.safetensors",
        settings=("frames",),
        views_vary=False,
    ),
    Extractor(
        name="vgg19",
        network="vgg19",
        folder="vgg19",
        module=f"{_PACKAGE}.vgg19.extraction",
        modality="visual",
        sees=FrameInput(rate_fps=16, size=224),
        cut="seconds",
        shape=(7, 7, 512),
        weights=("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",),
        settings=("frames",),
    ),
    Extractor(
        name="vggish",
        network="vggish",
        folder="vggish",
        module=f"{_PACKAGE}.vggish.extraction",
        modality="audio",
        sees=AudioInput(sample_rate=16_000, window_s=0.96),
        cut="seconds",
        shape=(128,),
        weights=("vggish-10086976.pth",),
        settings=("sample_rate",),
    ),
    Extractor(
        name="vggish_video",
        network="vggish",
        folder="vggish",
        module=f"{_PACKAGE}.vggish.segments",
        modality="audio",
        sees=AudioInput(sample_rate=16_000, window_s=0.96),
        cut="video",
        rows=10,
        shape=(128,),
        weights=("vggish-10086976.pth",),
        settings=("sound",),
    ),
    Extractor(
        name="res152",
        network="res152",
        folder="res152",
        module=f"{_PACKAGE}.resnet.res152",
        modality="visual",
        sees=FrameInput(rate_fps=8, size=224),
        cut="video",
        rows=80,
        shape=(2048,),
        weights=("resnet152-394f9c45.pth",),
    ),
    Extractor(
        name="r2plus1d_18",
        network="r2plus1d_18",
        folder="r2plus1d_18",
        module=f"{_PACKAGE}.resnet.r2plus1d_18",
        modality="visual",
        sees=FrameInput(rate_fps=8, size=112, frames=8),
        cut="video",
        rows=10,
        shape=(512,),
        weights=("r2plus1d_18-91a641e6.pth",),
    ),
    Extractor(
        name="clip",
        network="clip",
        folder="clip",
        module=f"{_PACKAGE}.clip.extraction",
        modality="visual",
        sees=FrameInput(rate_fps=8, size=224),
        cut="video",
        rows=10,
        shape=(768,),
        weights=("model.safetensors of openai/clip-vit-large-patch14",),
        settings=("antialias",),
    ),
    Extractor(
        name="clap",
        network="clap",
        folder="clap",
        module=f"{_PACKAGE}.clap.extraction",
        modality="audio",
        sees=AudioInput(sample_rate=48_000, window_s=10.0),
        cut="video",
        rows=64,
        shape=(768,),
        weights=("630k-fusion-best.pt",),
        settings=("backend",),
        options=("backend",),
    ),
    Extractor(
        name="clap_segments",
        network="clap",
        folder="clap_segments",
        module=f"{_PACKAGE}.clap.segments",
        modality="audio",
        sees=AudioInput(sample_rate=48_000, window_s=10.0),
        cut="video",
        rows=10,
        shape=(512,),
        weights=("630k-fusion-best.pt",),
        settings=("backend",),
        options=("backend",),
    ),
    Extractor(
        name="clap_clips",
        network="clap",
        folder="clap",
        module=f"{_PACKAGE}.clap.clips",
        modality="audio",
        sees=AudioInput(sample_rate=48_000, window_s=10.0),
        cut="clips",
        shape=(512,),
        weights=("630k-audioset-fusion-best.pt",),
        tokenizer="roberta",
        settings=(*_CLIP_SETTINGS, "short_clips", "int16_round_trip"),
    ),
    *(
        Extractor(
            name=name,
            network=name,
            folder=name,
            module=f"{_PACKAGE}.wavcaps.encoder",
            modality="audio",
            sees=AudioInput(sample_rate=32_000, window_s=10.0),
            cut="clips",
            shape=(1024,),
            weights=(file,),
            tokenizer="bert",
            settings=(*_CLIP_SETTINGS, "resampler", "clean_captions"),
            text_settings=("clean_captions",),
        )
        for name, file in (
            ("ase_audiocaps", "HTSAT-BERT-FT-AudioCaps.pt"),
            ("ase_clotho", "HTSAT-BERT-FT-Clotho.pt"),
        )
    ),
    Extractor(
        name="egovlp",
        network="egovlp",
        folder="egovlp",
        module=f"{_PACKAGE}.egovlp.encoder",
        modality="visual",
        sees=FrameInput(rate_fps=None, size=224, frames=16),
        cut="clips",
        shape=(256,),
        weights=("egovlp.pth",),
        tokenizer="bert",
        settings=("num_frames", "frames"),
    ),
)
EXTRACTORS: dict[str, Extractor] = {row.name: row for row in _ROWS}
# Those of whole videos by the name of their folder, LLP's kinds of features.
VIDEO_EXTRACTORS = {row.folder: row for row in _ROWS if row.cut == "video"}
# Those of clips and of texts by the name of their weights, the models of retrieval.
CLIP_ENCODERS = {row.network: row for row in _ROWS if row.cut == "clips"}


def extract_together(
    files: Mapping[str, "ShardFiles"],
    settings: Mapping[str, Mapping[str, Any]],
    frames: Path,
) -> None:
    """Write the features of several extractors of whole videos, which see the same frames.

    The frames of a video are decoded for the first extractor that needs them.

    Args:
        files: inputs and outputs of each extractor, by its key in VIDEO_EXTRACTORS.
        settings: of each, as `Extractor.extract_shard` takes them.
        frames: folder for the frames; removed at the end.

    Raises:
        CheckpointError: if the weights of one do not fit its network.
    """
    from avlib.extractors.segments import shared_frames  # imports torch

    with shared_frames(frames):
        for kind, own in files.items():
            VIDEO_EXTRACTORS[kind].extract_shard(replace(own, frames=frames), settings[kind], {})
