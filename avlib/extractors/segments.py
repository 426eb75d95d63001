"""What extractors of whole videos share: LLP's features, one file `<video_id>.npy` a video.

Source: Tian et al., "Unified Multisensory Perception: Weakly-Supervised Audio-Visual Video
Parsing" (LLP), ECCV 2020: a video of ten seconds becomes (rows, channels); its frames are JPEG
files at 8 Hz, as its published extraction scripts have them.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.device import resolve_device
from avlib.extractors.extraction import (
    FeatureArray,
    FeatureJob,
    NetworkSettings,
    ShardFiles,
    UsableVideo,
    usable_videos,
    write_features,
)
from avlib.extractors.weights import allow_tf32
from avlib.io.hashes import file_hash
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table
from avlib.io.weights_files import all_files
from avlib.media import ffmpeg
from avlib.media.frame_folder import FrameFolder, write_frames
from avlib.media.frames import Frame
from avlib.media.scan import video_paths
from avlib.media.tables import MANIFEST

SECONDS = 10
FRAMES_PER_SECOND = 8

FloatArray = NDArray[np.float32]
Network = TypeVar("Network")
Settings = TypeVar("Settings", bound=NetworkSettings)


def spread_indices(n_frames: int, count: int) -> NDArray[np.int64]:
    """Return `count` frames from the first to the last of `n_frames`, counted from 0.

    Frames repeat where there are fewer, and are left out where there are more. Halves are rounded
    to the even number.

    Raises:
        ValueError: if there is no frame.
    """
    if n_frames < 1:
        raise ValueError(f"expected one frame or more, got {n_frames}")
    return np.rint(np.linspace(0, n_frames - 1, count)).astype(np.int64)


def frames_of_seconds(images: Sequence[Frame]) -> list[Frame]:
    """Return FRAMES_PER_SECOND frames of each of the SECONDS of a video, spread evenly."""
    indices = spread_indices(len(images), SECONDS * FRAMES_PER_SECOND)
    return [images[i] for i in indices]


@torch.inference_mode()
def run(network: nn.Module, inputs: Tensor) -> FloatArray:
    """Return the outputs of a network for inputs that are moved to its device and precision."""
    parameter = next(network.parameters())
    outputs = network(inputs.to(parameter.device, parameter.dtype))
    return np.asarray(outputs.float().cpu().numpy())


@contextmanager
def shared_frames(folder: Path) -> Iterator[None]:
    """Keep a folder of frames as long as the extractors of a job need it.

    What a killed job left there is removed first.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def frames_of(video: Path, kept: Path | None) -> Iterator[FrameFolder]:
    """Yield the frames of a video as the published features saw them.

    Args:
        video: file to decode.
        kept: folder that has the frames if an extractor needed them before, and has them
            afterwards; None: they are removed.

    Raises:
        DataError: if there is no frame.
    """
    if kept is not None and kept.is_dir():
        yield FrameFolder(kept)
        return
    with TemporaryDirectory(prefix="frames-", dir=kept and kept.parent) as name:
        folder = Path(name) / "decoded"
        folder.mkdir()
        write_frames(video, folder)
        if kept is not None:
            folder = folder.rename(kept)
        yield FrameFolder(folder)


class SegmentExtractor(ABC, Generic[Settings, Network]):
    """Base of the extractors of whole videos.

    Args:
        files: the sources are lists of videos; the weights are read when the first video needs
            them.
        settings: what decides the bytes, beside the videos and the weights.

    Attributes:
        module: of the extractor; its code decides the bytes.
    """

    module: ClassVar[str]

    def __init__(self, files: ShardFiles, settings: Settings) -> None:
        assert files.checkpoint is not None
        self.settings, self._checkpoint, self._frames = settings, files.checkpoint, files.frames
        self._paths = video_paths(files.sources)
        self._device = resolve_device(settings.device)
        self._made_by = repr(
            (
                astuple(settings),
                *map(file_hash, all_files(files.checkpoint)),
                code_fingerprint(self.module),
                self._device,
                ffmpeg.version(ffmpeg.binary()),
            )
        )
        allow_tf32(settings.allow_tf32)

    @abstractmethod
    def load(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> Network:
        """Return the network of a checkpoint, ready to run.

        Raises:
            CheckpointError: if the file cannot be read or does not fit.
        """

    @abstractmethod
    def features(self, video: Path, frames: Path | None) -> FloatArray:
        """Return the features of a video: (rows, channels).

        Args:
            video: its file.
            frames: folder of its frames, as `frames_of` takes it.

        Raises:
            DataError: if the video cannot be used; its message says why.
        """

    @cached_property
    def network(self) -> Network:
        """The network of the checkpoint."""
        dtype = getattr(torch, self.settings.dtype)
        return self.load(self._checkpoint, self._device, dtype)

    def job(self, video: UsableVideo) -> FeatureJob:
        """Return the feature file of a video."""
        key = sha256(f"{self._made_by} {video.content_hash}".encode()).hexdigest()
        return FeatureJob(video, f"{video.video_id}.npy", key, partial(self._extract, video))

    def _extract(self, video: UsableVideo) -> FeatureArray:
        frames = self._frames and self._frames / video.content_hash
        array = self.features(self._paths[video.video_id, video.split], frames)
        return FeatureArray(array.shape, iter([array]), padded_intervals=lambda: 0)


class FrameSegmentExtractor(SegmentExtractor[Settings, Network]):
    """Base of the extractors of the frames of whole videos."""

    @abstractmethod
    def features_of_frames(self, images: Sequence[Frame]) -> FloatArray:
        """Return the features of all frames of a video, one or more: (rows, channels)."""

    def features(self, video: Path, frames: Path | None) -> FloatArray:
        """Return the features of a video, as `SegmentExtractor.features`."""
        with frames_of(video, frames) as images:
            return self.features_of_frames(images)


def extract_segments(files: ShardFiles, extractor: SegmentExtractor[Any, Any]) -> None:
    """Write the features of every usable video of a shard, and their index.

    Args:
        files: the sources are lists of videos; there are no intervals.
        extractor: made with the same files.

    Raises:
        CheckpointError: if the weights do not fit the network.
    """
    videos = usable_videos(pd.concat([read_table(path, MANIFEST) for path in files.manifests]))
    write_features(files, map(extractor.job, videos), len(videos))
