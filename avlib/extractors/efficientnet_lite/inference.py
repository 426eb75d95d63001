"""EfficientNet-Lite0 on the frames in the middle of intervals: embeddings and scores."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.efficientnet_lite.images import Pixels, normalised, resized
from avlib.extractors.efficientnet_lite.network import EfficientNetLite0, fused
from avlib.extractors.scored import Scored
from avlib.media.clip_reader import ClipReader
from avlib.media.frame_sources import is_frame_source
from avlib.media.frames import FrameMode, FrameNumbers, frame_numbers
from avlib.memory import return_memory
from avlib.prefetch import prefetched

BATCH_SIZE = 8  # pictures
AT_ONCE = 4  # in the network: more take more memory, and longer on a CPU
DIGITS = 6  # of frame numbers, beyond which they are rounding errors of times


class EfficientNetLite0Model:
    """The network ready to run.

    Args:
        network: with its weights.
        device: where it runs.
        dtype: its precision.
    """

    def __init__(
        self, network: EfficientNetLite0, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._device, self._dtype = device, dtype
        self._network = fused(network).to(device, dtype)
        return_memory()  # of what the network was made from

    def blocks(self, pictures: Iterable[Pixels]) -> Iterator[Scored]:
        """Yield embeddings and scores of pictures, in order.

        A picture that is the one before, the same object, is not looked at again. The pictures of
        a batch are read while the network works on the batch before.

        Args:
            pictures: (IMAGE_SIZE, IMAGE_SIZE, 3) each, of `resized`.
        """
        distinct = (list(group) for _, group in itertools.groupby(pictures, key=id))
        for groups in prefetched(_batches(distinct)):
            embedding, logits = self.run(normalised(np.stack([group[0] for group in groups])))
            counts = [len(group) for group in groups]
            scores = torch.from_numpy(logits).softmax(dim=1).numpy()
            yield Scored(embedding.repeat(counts, axis=0), scores.repeat(counts, axis=0))

    @torch.inference_mode()
    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return embeddings (B, EMBEDDING) and logits (B, N_CLASSES) of normalised images."""
        x = torch.from_numpy(images).to(
            self._device, self._dtype, memory_format=torch.channels_last
        )
        parts = [self._network(part) for part in x.chunk(1 + (len(x) - 1) // AT_ONCE)]
        embedding, logits = (torch.cat(part).float().cpu() for part in zip(*parts, strict=True))
        return embedding.numpy(), logits.numpy()


def _batches(groups: Iterator[list[Pixels]]) -> Iterator[list[list[Pixels]]]:
    while batch := list(itertools.islice(groups, BATCH_SIZE)):
        yield batch


def nearest_frames(middle_s: NDArray[np.float64], rate: float) -> NDArray[np.int64]:
    """Return the frames whose times are nearest to these; of two as near the first."""
    return np.ceil(np.round(middle_s * rate, DIGITS) - 0.5).astype(np.int64)


class MiddleFrameNumbers(NamedTuple):
    """Which frames are in the middle of the intervals of a video.

    Attributes:
        numbers: (N,) frame of each interval, counted from 0.
        numbering: how the frames of a video are numbered; None: those of a folder or tar.
    """

    numbers: NDArray[np.int64]
    numbering: FrameNumbers | None


def middle_frames(path: Path, rows: pd.DataFrame) -> MiddleFrameNumbers:
    """Return the frame in the middle of each interval; `MiddleFrames` has arguments and errors."""
    if is_frame_source(path):
        borders = rows[["start_frame", "stop_frame"]]
        if borders.isna().any(axis=None):
            raise DataError(f"{path}: the frame rate of its images is not known")
        middle = borders.to_numpy(np.float64).mean(axis=1)
        return MiddleFrameNumbers(nearest_frames(middle, 1.0), None)
    numbering = frame_numbers(path)
    middle_s = rows[["start_s", "stop_s"]].to_numpy(np.float64).mean(axis=1)
    return MiddleFrameNumbers(nearest_frames(middle_s, numbering.rate), numbering)


class MiddleFrames:
    """The frame in the middle of each interval of a video, each decoded once.

    Args:
        path: a video, or a folder or tar of its frames.
        rows: its rows of the interval table.
        mode: how its frames are read.

    Attributes:
        numbers: (N,) frame of each interval, counted from 0.

    Raises:
        DataError: if the video cannot be read, or the frame rate of such a folder is not known.
    """

    def __init__(self, path: Path, rows: pd.DataFrame, mode: FrameMode) -> None:
        self.numbers, numbering = middle_frames(path, rows)
        self._reader = ClipReader(path, mode, resized, self.numbers[:, None], numbering)

    def __iter__(self) -> Iterator[Pixels]:
        """Yield what the network sees of each interval, the same object where frames repeat.

        Raises:
            DataError: if no frame can be read.
        """
        for (picture,) in self._reader:
            yield picture

    def count_padded(self) -> int:
        """Return how many intervals have their middle after the last frame; after the reading."""
        return int((self.numbers >= self._reader.frames).sum())
