"""Stage extract_segments: features of one kind of the videos of a shard, in LLP's layout.

A video becomes one file `<video id>.npy`, (rows, channels); see `avlib.valor.feature_folders`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from avlib.device import resolve_device
from avlib.extractors.clap.embeddings import (
    Backend,
    clap_map,
    clap_segments,
    open_clap,
    read_waveform,
)
from avlib.extractors.clip.network import load_clip
from avlib.extractors.extraction import (
    FeatureJob,
    Features,
    ShardFiles,
    Video,
    usable_videos,
    write_features,
)
from avlib.extractors.vggish.patches import SAMPLE_RATE, load_vggish
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table
from avlib.media import ffmpeg
from avlib.media.decode import extract_waveform, read_channels
from avlib.media.frame_folder import FrameFolder, write_frames
from avlib.media.scan import video_paths
from avlib.media.tables import MANIFEST
from avlib.valor.features import (
    MOVIEPY_RATE,
    load_r2plus1d_18,
    load_resnet152,
    picked_samples,
    r2plus1d_features,
    res152_features,
    vggish_features,
)
from avlib.valor.visual_teacher import clip_features

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class SegmentSettings:
    """What decides the bytes of the features, beside the videos and the weights.

    Attributes:
        kind: key of KINDS.
        dtype: precision of the network.
        device: where it runs.
        allow_tf32: whether a GPU may round factors of products to 10 bits.
        antialias: whether pictures are smoothed before they shrink, for kind clip.
        backend: package that runs CLAP.
        sound: what VGGish resamples: the sound at its own rate, or samples picked without a
            filter, as moviepy 1.0 does and the published features may have been made.
    """

    kind: str
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    allow_tf32: bool = False
    antialias: bool = False
    backend: Backend = "transformers"
    sound: Literal["own_rate", "moviepy"] = "own_rate"


@dataclass(frozen=True)
class Kind:
    """How features of one kind are made.

    Attributes:
        load: reads the network, in the precision of the settings, on a device.
        extract: takes network, file and settings; returns (rows, channels).
    """

    load: Callable[[Path, SegmentSettings, torch.device], Any]
    extract: Callable[[Any, Path, SegmentSettings], Array]


@contextmanager
def frames_of(video: Path) -> Iterator[FrameFolder]:
    """Yield the frames of a video as the published features saw them, JPEG files for a while.

    Raises:
        DataError: if there is no frame.
    """
    with TemporaryDirectory(prefix="frames-") as folder:
        write_frames(video, Path(folder))
        yield FrameFolder(Path(folder))


def _vggish(network: Any, video: Path, settings: SegmentSettings) -> Array:
    if settings.sound == "own_rate":
        return vggish_features(network, *read_channels(video))
    with TemporaryFile() as raw:
        extract_waveform(video, MOVIEPY_RATE, raw, channels=2)
        raw.seek(0)
        samples = np.frombuffer(raw.read(), np.int16).reshape(-1, 2)
    return vggish_features(network, picked_samples(samples), SAMPLE_RATE)


def _res152(network: Any, video: Path, settings: SegmentSettings) -> Array:
    with frames_of(video) as pictures:
        return res152_features(network, pictures)


def _r2plus1d(network: Any, video: Path, settings: SegmentSettings) -> Array:
    with frames_of(video) as pictures:
        return r2plus1d_features(network, pictures)


def _clip(network: Any, video: Path, settings: SegmentSettings) -> Array:
    with frames_of(video) as pictures:
        return clip_features(network, pictures, antialias=settings.antialias)


def _clap(network: Any, video: Path, settings: SegmentSettings) -> Array:
    return clap_map(network, read_waveform(video))


def _clap_segments(network: Any, video: Path, settings: SegmentSettings) -> Array:
    return clap_segments(network, read_waveform(video))


def _module(load: Callable[[Path], nn.Module]) -> Callable[..., nn.Module]:
    def loaded(checkpoint: Path, settings: SegmentSettings, device: torch.device) -> nn.Module:
        return load(checkpoint).eval().to(device, getattr(torch, settings.dtype))

    return loaded


def _open_clap(checkpoint: Path, settings: SegmentSettings, device: torch.device) -> Any:
    return open_clap(checkpoint, settings.backend, device, getattr(torch, settings.dtype))


KINDS = {
    "vggish": Kind(_module(load_vggish), _vggish),
    "res152": Kind(_module(load_resnet152), _res152),
    "r2plus1d_18": Kind(_module(load_r2plus1d_18), _r2plus1d),
    "clip": Kind(_module(load_clip), _clip),
    "clap": Kind(_open_clap, _clap),
    "clap_segments": Kind(_open_clap, _clap_segments),
}


def check_segment_network(
    kind: str, checkpoint: Path, target: Path, backend: Backend = "transformers"
) -> None:
    """Write what a checkpoint is, if it fits the network of a kind.

    Args:
        kind: key of KINDS.
        checkpoint: the file.
        target: JSON file to write.
        backend: package that runs CLAP.

    Raises:
        CheckpointError: if it does not fit.
        ConfigError: if the package is not installed.
    """
    KINDS[kind].load(checkpoint, SegmentSettings(kind=kind, backend=backend), torch.device("cpu"))
    write_json(target, {"kind": kind, "sha256": file_hash(checkpoint)})


class SegmentExtractor:
    """What makes features of whole videos.

    Args:
        checkpoint: weights, which are read when the first video needs them.
        settings: what decides the bytes.
        paths: file of each (video_id, split).
    """

    def __init__(
        self, checkpoint: Path, settings: SegmentSettings, paths: Mapping[tuple[str, str], Path]
    ) -> None:
        self._checkpoint, self._settings, self._paths = checkpoint, settings, paths
        self._kind = KINDS[settings.kind]
        self._device = resolve_device(settings.device)
        self._made_by = repr(
            (
                astuple(settings),
                file_hash(checkpoint),
                code_fingerprint("avlib.valor.extraction"),
                self._device,
                ffmpeg.version(ffmpeg.binary()),
            )
        )
        torch.backends.cuda.matmul.allow_tf32 = settings.allow_tf32
        torch.backends.cudnn.allow_tf32 = settings.allow_tf32

    def job(self, video: Video) -> FeatureJob:
        """Return the feature file of a video."""
        key = sha256(f"{self._made_by} {video.content_hash}".encode()).hexdigest()
        return FeatureJob(video, f"{video.video_id}.npy", key, partial(self._extract, video))

    @cached_property
    def _network(self) -> Any:
        return self._kind.load(self._checkpoint, self._settings, self._device)

    def _extract(self, video: Video) -> Features:
        path = self._paths[video.video_id, video.split]
        array = self._kind.extract(self._network, path, self._settings)
        return Features(array.shape, iter([array]), padded_intervals=lambda: 0)


def extract_segments(files: ShardFiles, settings: SegmentSettings) -> None:
    """Write the features of every usable video of a shard, and their index.

    Args:
        files: the sources are lists of videos; there are no intervals.
        settings: what decides the bytes.

    Raises:
        CheckpointError: if the weights do not fit the network.
    """
    assert files.checkpoint is not None
    extractor = SegmentExtractor(files.checkpoint, settings, video_paths(files.sources))
    videos = usable_videos(pd.concat([read_table(path, MANIFEST) for path in files.manifests]))
    write_features(files, map(extractor.job, videos), len(videos))
