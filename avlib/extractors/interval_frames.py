"""What extractors of whole videos share where they make features of intervals instead.

An interval is seen in some of its frames, which are spread evenly over it: frame k of n is the one
at the middle of the k-th of n equal parts.
"""

import itertools
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.datasets.splits import SPLITS
from avlib.extractors.extraction import FeatureArray, ShardFiles, UsableVideo, extract_videos
from avlib.extractors.frames import FrameExtractor, FrameSettings
from avlib.extractors.weights import load_or_draw
from avlib.media.clip_reader import ClipReader
from avlib.media.frames import Frame, frame_numbers
from avlib.media.scan import video_paths
from avlib.prefetch import prefetched

BATCH_SIZE = 8  # intervals
DIGITS = 6  # of frame numbers, beyond which they are rounding errors of times

Settings = TypeVar("Settings", bound=FrameSettings)
Network = TypeVar("Network", bound=nn.Module)


def spread_frames(rows: pd.DataFrame, rate: float, count: int) -> NDArray[np.int64]:
    """Return the frames of each interval: (N, count), counted from 0.

    Args:
        rows: `start_s` and `stop_s` of N intervals.
        rate: frame n is the one that is shown at n / rate seconds.
        count: frames of an interval.
    """
    start_s, stop_s = (rows[name].to_numpy(np.float64)[:, None] for name in ("start_s", "stop_s"))
    times = start_s + (np.arange(count) + 0.5) / count * (stop_s - start_s)  # (N, count)
    return np.floor(np.round(times * rate, DIGITS)).astype(np.int64)


class IntervalFrameExtractor(FrameExtractor[Settings], Generic[Settings, Network]):
    """Base of these extractors: all but the network and its input.

    Attributes:
        count: frames of an interval.
    """

    count: ClassVar[int]

    @abstractmethod
    def load(self, checkpoint: Path | None) -> Network:
        """Return the network of a checkpoint, or the published one with random weights."""

    @abstractmethod
    def channels(self, network: Network) -> int:
        """Return the channels of a feature."""

    @abstractmethod
    def image(self, network: Network, frame: Frame) -> Tensor:
        """Return a frame as the network takes it: (3, H, W)."""

    @abstractmethod
    def features(self, network: Network, images: Tensor) -> Tensor:
        """Return the features (B, C) of intervals, whose images are (B, count, 3, H, W)."""

    @cached_property
    def _network(self) -> Network:
        network = load_or_draw(self._checkpoint, self.load, partial(self.load, None)).eval()
        return network.to(self._device, getattr(torch, self._settings.dtype))

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the features of a video's intervals: (intervals, 1, C).

        Raises:
            DataError: if the file has no frames, or none of a known rate.
        """
        path, network = self._paths[video.video_id, video.split], self._network
        numbering = frame_numbers(path)
        numbers = spread_frames(rows, numbering.rate, self.count)
        reader = ClipReader(
            path,
            self._settings.frames,
            lambda frame: self.image(network, frame),
            numbers,
            numbering,
        )
        return FeatureArray(
            (len(rows), views, self.channels(network)),
            self._blocks(iter(reader)),
            lambda: int((numbers[:, 0] >= reader.frames).sum()),
        )

    def _blocks(self, clips: Iterator[list[Tensor]]) -> Iterator[NDArray[np.float32]]:
        """Yield features in batches, the last one of which is padded by repetition."""
        for images in prefetched(_batches(clips)):
            missing = BATCH_SIZE - len(images)
            filled = torch.cat([images, images[-1:].expand(missing, -1, -1, -1, -1)])
            yield self._run(filled)[: len(images)]

    @torch.inference_mode()
    def _run(self, images: Tensor) -> NDArray[np.float32]:
        inputs = images.to(self._device, getattr(torch, self._settings.dtype))
        return np.asarray(self.features(self._network, inputs).float().cpu().numpy())


def _batches(clips: Iterator[list[Tensor]]) -> Iterator[Tensor]:
    while batch := list(itertools.islice(clips, BATCH_SIZE)):
        yield torch.stack([torch.stack(images) for images in batch])


def extract_interval_frames(
    files: ShardFiles,
    extractor: type[IntervalFrameExtractor[Settings, Network]],
    settings: Settings,
) -> None:
    """Write the features of every usable video of a shard, with one view, and their index.

    Args:
        files: inputs and outputs; the sources are lists of videos.
        extractor: class of what makes the features.
        settings: what decides the bytes.

    Raises:
        CheckpointError: if the weights do not fit the network.
    """
    cv2.setNumThreads(1)
    made = extractor(files.checkpoint, settings, video_paths(files.sources))
    views: Mapping[str, int] = dict.fromkeys(SPLITS, 1)
    extract_videos(files, made, views)
