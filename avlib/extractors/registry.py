"""All extractors, one row each; see `avlib/extractors/row.py` and `docs/adding_an_extractor.md`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlib.extractors.row import AudioInput, Extractor, FrameInput

if TYPE_CHECKING:
    from avlib.extractors.extraction import ShardFiles

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
        name="sound_statistics",
        network="sound_statistics",
        folder="sound_statistics",
        module=f"{_PACKAGE}.statistics.sound",
        modality="audio",
        sees=AudioInput(sample_rate=16_000, window_s=0.025),
        cut="intervals",
        shape=(192,),
        weights=(),
        settings=("sample_rate",),
        views_vary=False,
    ),
    Extractor(
        name="picture_statistics",
        network="picture_statistics",
        folder="picture_statistics",
        module=f"{_PACKAGE}.statistics.pictures",
        modality="visual",
        sees=FrameInput(rate_fps=None, size=8),
        cut="intervals",
        shape=(368,),
        weights=(),
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
        interval_shape=(512,),
        weights=("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",),
        settings=("frames",),
        interval_settings=("frames",),
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
        interval_shape=(128,),
        weights=("vggish-10086976.pth",),
        settings=("sample_rate",),
        interval_settings=("sample_rate",),
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
        interval_shape=(2048,),
        weights=("resnet152-394f9c45.pth",),
        interval_settings=("frames",),
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
        interval_shape=(512,),
        weights=("r2plus1d_18-91a641e6.pth",),
        interval_settings=("frames",),
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
        interval_shape=(768,),
        weights=("model.safetensors of openai/clip-vit-large-patch14",),
        settings=("antialias",),
        interval_settings=("frames", "antialias"),
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
        interval_shape=(512,),
        weights=("630k-fusion-best.pt",),
        settings=("backend",),
        options=("backend",),
        interval_settings=("backend",),
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


def extract_side_by_side(
    extractions: Mapping[str, Mapping[str, Any]],
    *,
    sources: Sequence[Path],
    manifests: Sequence[Path],
    intervals: Sequence[Path],
    indices: Sequence[Path],
) -> None:
    """Write features of intervals by several visual extractors, which decode each video once.

    Args:
        extractions: settings, views, checkpoint, folder and journal by extractor.
        sources: lists of videos.
        manifests: the videos.
        intervals: their interval tables.
        indices: table of each extractor to write.

    Raises:
        CheckpointError: if the weights of one do not fit its network.
    """
    from avlib.extractors.extraction import ShardFiles  # imports torch
    from avlib.extractors.rounds import Rounds, run_rounds

    def extraction(name: str, index: Path) -> Callable[[Rounds], None]:
        own = extractions[name]
        checkpoint = Path(own["checkpoint"]) if own["checkpoint"] else None
        places = (checkpoint, Path(own["folder"]), Path(own["journal"]), index)
        files = ShardFiles(sources, manifests, intervals, *places)
        return lambda rounds: EXTRACTORS[name].extract_intervals(
            replace(files, rounds=rounds), own["settings"], own["views"]
        )

    run_rounds([extraction(*pair) for pair in zip(extractions, indices, strict=True)])
