"""What extractors of video clips share: every interval of a table becomes a clip of frames.

Every frame is decoded once, and prepared for the unaugmented view once, however many intervals
see it. The clips of a batch are made while the network works on the batch before. Batches have a
fixed size and the last one is padded by repetition, so the bytes of a feature do not depend on
shards, on other videos or on interruptions.
"""

import itertools
import logging
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import pandas as pd
import PIL
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.errors import NoFramesError
from avlib.extractors.extraction import FeatureArray, ShardFiles, UsableVideo, extract_videos
from avlib.extractors.frames import FrameExtractor, Settings
from avlib.extractors.intervals import numbered_at
from avlib.media.clip_reader import ClipReader
from avlib.media.frame_sources import is_frame_source
from avlib.media.frames import Frame, frame_numbers
from avlib.media.scan import video_paths
from avlib.prefetch import prefetched

logger = logging.getLogger(__name__)

BATCH_SIZE = 4  # clips


class ClipModel(Protocol):
    """A network that sees clips, and its front end."""

    channels: int
    network: nn.Module

    def frames(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the frames of each interval, counted from 0: (N, T)."""

    def image(self, image: Frame) -> Frame:
        """Return what the network sees of an image without augmentation: (crop, crop, 3)."""

    def augmented(
        self, images: Sequence[Frame], item: tuple[str, int], before: tuple[str, int]
    ) -> Iterator[Frame]:
        """Yield what it sees of a clip's images in a view.

        Args:
            images: the clip's, in the video's own size.
            item: interval and view.
            before: those of the augmented clip before.
        """

    def features(self, clips: Tensor) -> Tensor:
        """Return the features (B, C) of clips (B, T, crop, crop, 3) of 8 bits."""


class _Prepared(NamedTuple):
    """What the network sees, (3, crop, crop), and the whole image if it is to be augmented."""

    seen: NDArray[np.uint8]
    whole: Frame | None


class ClipExtractor(FrameExtractor[Settings]):
    """Base of the extractors of clips: all but the network and its front end."""

    libraries = (cv2.__version__, PIL.__version__)  # the second augments

    @abstractmethod
    def load(self, checkpoint: Path | None) -> ClipModel:
        """Return the network and its front end, with random weights without a checkpoint.

        Raises:
            CheckpointError: if the file cannot be read or does not fit.
        """

    @cached_property
    def _model(self) -> ClipModel:
        if self._checkpoint is None:
            logger.warning("random weights: these features are meaningless")
        model = self.load(self._checkpoint)
        model.network.to(self._device, getattr(torch, self._settings.dtype))
        return model

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the features of a video's intervals.

        Raises:
            NoFramesError: if the intervals have no frame numbers.
        """
        if rows[["start_frame", "stop_frame"]].isna().any(axis=None):
            raise NoFramesError(
                "no image, or none of a known frame rate, in the file; drop the id or convert it"
            )
        model = self._model
        path = self._paths[video.video_id, video.split]
        numbering = None if is_frame_source(path) else frame_numbers(path)
        if numbering is not None and not numbering.is_constant:
            rows = numbered_at(rows, numbering.rate)
        numbers = model.frames(rows)
        reader = ClipReader(
            path,
            self._settings.frames,
            lambda p: _Prepared(_planes(model.image(p)), p if views > 1 else None),
            numbers,
            numbering,
        )
        clips = _clips(reader, model, rows["interval_id"].to_list(), views)
        return FeatureArray(
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
    for interval_id, images in zip(interval_ids, reader, strict=True):
        yield np.stack([image.seen for image in images], axis=1)
        whole = [image.whole for image in images if image.whole is not None]
        for view in range(1, views):
            augmented = model.augmented(whole, (interval_id, view), before)
            yield np.stack([_planes(image) for image in augmented], axis=1)
            before = (interval_id, view)


def _planes(image: Frame) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) as (3, H, W); for whole clips at once that is slower."""
    return np.stack(cv2.split(image)).astype(np.uint8, copy=False)


def _batches(clips: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    while batch := list(itertools.islice(clips, BATCH_SIZE)):
        yield np.stack(batch)


def extract_clips(
    files: ShardFiles,
    extractor: type[ClipExtractor[Settings]],
    settings: Settings,
    views: Mapping[str, int],
) -> None:
    """Write the features of every usable video of a shard, and their index.

    A video whose frames cannot be decoded is left out; the index says why.

    Args:
        files: inputs and outputs; the sources are lists of videos, as `scan` writes them.
        extractor: class of what makes the features.
        settings: what decides the bytes.
        views: views of each interval, by split; view 0 is not augmented.

    Raises:
        CheckpointError: if the weights do not fit the network.
    """
    cv2.setNumThreads(1)
    paths = video_paths(files.sources)
    extract_videos(files, extractor(files.checkpoint, settings, paths), views)
