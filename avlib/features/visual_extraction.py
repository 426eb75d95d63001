"""Stages extract_<visual extractor>: features of the picture of one shard's videos.

Every frame is decoded once, and prepared for the unaugmented view once, however many intervals
see it. The clips of a batch are made while the network works on the batch before. Batches have a
fixed size and the last one is filled up by repetition, so the bytes of a feature do not depend on
shards, on other videos or on interruptions.
"""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import av
import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.device import resolve_device
from avlib.errors import DataError
from avlib.features.extraction import Features, ShardFiles, Video, extract_videos
from avlib.features.omnivore import OmnivoreClips, load_omnivore, untrained_omnivore
from avlib.features.videomae import load_videomae, untrained_videomae
from avlib.features.videomae_clips import VideoMAEClips
from avlib.io.checkpoints import file_hash
from avlib.io.provenance import code_fingerprint
from avlib.media import ffmpeg
from avlib.media.frames import ClipReader, FrameMode, Picture
from avlib.media.scan import read_scan
from avlib.prefetch import prefetched

logger = logging.getLogger(__name__)

BATCH_SIZE = 4  # clips


@dataclass(frozen=True)
class VisualSettings:
    """What decides the bytes of the features, beside the videos and the weights.

    Attributes:
        extractor: the network and its front end.
        frames: the way to the frames of a video; the published features are from JPEG files.
        first_frame: whether the first frame of an augmented clip is treated as the others, or as
            in the published features; for omnivore only.
        seed: of the augmented views.
        dtype: precision of the network.
        device: where it runs.
        allow_tf32: whether a GPU may round factors of products to 10 bits.
    """

    extractor: Literal["omnivore", "videomae"]
    frames: FrameMode
    first_frame: Literal["consistent", "reference"]
    seed: int
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    allow_tf32: bool = False


class ClipModel(Protocol):
    """A network that sees clips, and its front end."""

    channels: int
    network: nn.Module

    def frames(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the frames of each interval, counted from 0: (N, T)."""

    def picture(self, picture: Picture) -> Picture:
        """Return what the network sees of a picture without augmentation: (crop, crop, 3)."""

    def augmented(
        self, pictures: Sequence[Picture], item: tuple[str, int], before: tuple[str, int]
    ) -> Iterator[Picture]:
        """Yield what it sees of a clip's pictures in a view.

        Args:
            pictures: the clip's, in the video's own size.
            item: interval and view.
            before: those of the augmented clip before.
        """

    def features(self, clips: Tensor) -> Tensor:
        """Return the features (B, C) of clips (B, T, crop, crop, 3) of 8 bits."""


class _Prepared(NamedTuple):
    """What the network sees, (3, crop, crop), and the whole picture if it is to be augmented."""

    seen: NDArray[np.uint8]
    whole: Picture | None


def extract_visual_shard(
    files: ShardFiles, settings: VisualSettings, *, views: dict[str, int]
) -> None:
    """Write the visual features of every usable video of a shard, and their index.

    A video whose picture cannot be decoded is left out; the index says why.

    Args:
        files: inputs and outputs; the sources are lists of videos, as `scan` writes them.
        settings: what decides the bytes.
        views: views of each interval, by split; view 0 is not augmented.

    Raises:
        CheckpointError: if the weights do not fit the network.
    """
    cv2.setNumThreads(1)
    extractor = VisualExtractor(files.checkpoint, settings, video_paths(files.sources))
    extract_videos(files, extractor, views)


def video_paths(lists: Sequence[Path]) -> dict[tuple[str, str], Path]:
    """Return the file of each (video_id, split) in lists of videos, as `scan` writes them."""
    # Of several files with one id the first is used, hence the reversed order.
    videos = [video for path in lists for video in reversed(read_scan(path))]
    return {(v.video_id, v.split): Path(v.path) for v in videos if v.path}


class VisualExtractor:
    """Makes the features of videos.

    Args:
        checkpoint: weights, which are read when the first video needs them; None for random ones.
        settings: what decides the bytes.
        paths: file of each (video_id, split).
    """

    def __init__(
        self,
        checkpoint: Path | None,
        settings: VisualSettings,
        paths: Mapping[tuple[str, str], Path],
    ) -> None:
        self._checkpoint, self._settings, self._paths = checkpoint, settings, paths
        self._device = resolve_device(settings.device)
        is_jpeg = settings.frames == "jpeg"
        self.made_by = (
            astuple(settings),
            file_hash(checkpoint) if checkpoint else "untrained",
            code_fingerprint("avlib.features.visual_extraction"),
            self._device,
            ffmpeg.version(ffmpeg.binary()) if is_jpeg else av.ffmpeg_version_info,
        )
        torch.backends.cuda.matmul.allow_tf32 = settings.allow_tf32
        torch.backends.cudnn.allow_tf32 = settings.allow_tf32

    @cached_property
    def _model(self) -> ClipModel:
        if self._checkpoint is None:
            logger.warning("random weights: these features carry nothing learned")
        load = {"omnivore": _load_omnivore, "videomae": _load_videomae}[self._settings.extractor]
        model = load(self._checkpoint, self._settings)
        model.network.to(self._device, getattr(torch, self._settings.dtype))
        return model

    def content(self, video: Video) -> Iterator[bytes]:
        """Yield the hash of a video's content."""
        yield video.content_hash.encode()

    def extract(self, video: Video, rows: pd.DataFrame, views: int) -> Features:
        """Return the features of a video's intervals.

        Raises:
            DataError: if the intervals have no frame numbers.
        """
        if rows[["start_frame", "stop_frame"]].isna().any(axis=None):
            raise DataError("its intervals have no frame numbers, as it has no known frame rate")
        model = self._model
        numbers = model.frames(rows)
        reader = ClipReader(
            self._paths[video.video_id, video.split],
            self._settings.frames,
            lambda p: _Prepared(_planes(model.picture(p)), p if views > 1 else None),
            numbers,
        )
        clips = _clips(reader, model, rows["interval_id"].to_list(), views)
        return Features(
            (len(rows), views, model.channels),
            self._blocks(clips),
            lambda: int((numbers[:, 0] >= reader.frames).sum()),
        )

    def _blocks(self, clips: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Yield the features of clips in batches: (at most BATCH_SIZE, C)."""
        for batch in prefetched(_batches(clips)):
            missing = BATCH_SIZE - len(batch)
            filled = torch.from_numpy(np.concatenate([batch, batch[-1:].repeat(missing, axis=0)]))
            yield self._features(filled.permute(0, 2, 3, 4, 1))[: len(batch)]

    @torch.inference_mode()
    def _features(self, clips: Tensor) -> NDArray[np.float32]:
        return self._model.features(clips.to(self._device)).float().cpu().numpy()


def _clips(
    reader: ClipReader[_Prepared], model: ClipModel, interval_ids: Sequence[str], views: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield what the network sees of each view of each interval: (3, T, crop, crop)."""
    before = (interval_ids[0], 0)
    for interval_id, pictures in zip(interval_ids, reader, strict=True):
        yield np.stack([picture.seen for picture in pictures], axis=1)
        whole = [picture.whole for picture in pictures if picture.whole is not None]
        for view in range(1, views):
            augmented = model.augmented(whole, (interval_id, view), before)
            yield np.stack([_planes(picture) for picture in augmented], axis=1)
            before = (interval_id, view)


def _planes(picture: Picture) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) as (3, H, W); for whole clips at once that is slower."""
    return np.stack(cv2.split(picture)).astype(np.uint8, copy=False)


def _batches(clips: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    while batch := list(itertools.islice(clips, BATCH_SIZE)):
        yield np.stack(batch)


def _load_omnivore(checkpoint: Path | None, settings: VisualSettings) -> ClipModel:
    seed = settings.seed
    trunk, clip = load_omnivore(checkpoint) if checkpoint else untrained_omnivore(seed)
    return OmnivoreClips(trunk, clip, seed=seed, first_frame=settings.first_frame)


def _load_videomae(checkpoint: Path | None, settings: VisualSettings) -> ClipModel:
    network = load_videomae(checkpoint) if checkpoint else untrained_videomae(settings.seed)
    return VideoMAEClips(network, seed=settings.seed)
