"""Stage extract_features for statistics of pictures: colours and edges, without weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.splits import SPLITS
from avlib.errors import DataError
from avlib.extractors.extraction import FeatureArray, ShardFiles, UsableVideo, extract_videos
from avlib.extractors.frames import FrameExtractor, FrameSettings
from avlib.media.clip_reader import ClipReader
from avlib.media.frame_sources import is_frame_source
from avlib.media.frames import frame_numbers
from avlib.media.scan import video_paths

GRID = 8  # cells of mean colours, in both directions
HUES, SATURATIONS = 12, 4  # bins of the histogram of colours
CELLS, ANGLES = 4, 8  # cells of edges in both directions, and bins of their angles
LENGTHS = (3 * GRID**2, HUES * SATURATIONS, CELLS**2 * ANGLES)
CHANNELS = sum(LENGTHS)

Pixels = NDArray[np.uint8]


def picture_statistics(image: Pixels) -> NDArray[np.float32]:
    """Return colours by place, the histogram of colours, and edges by place: (CHANNELS,).

    Args:
        image: (H, W, 3), RGB.
    """
    return np.concatenate([_colours(image), _histogram(image), _edges(image)]).astype(np.float32)


def _colours(image: Pixels) -> NDArray[np.float64]:
    """Return the mean colours of the cells of a grid, in [0, 1]."""
    cells = cv2.resize(image, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return cells.ravel().astype(np.float64) / 255


def _histogram(image: Pixels) -> NDArray[np.float64]:
    """Return the roots of the shares of the pixels with each hue and saturation."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1], None, [HUES, SATURATIONS], [0, 180, 0, 256])
    return np.sqrt(counts.ravel().astype(np.float64) / (image.shape[0] * image.shape[1]))


def _edges(image: Pixels) -> NDArray[np.float64]:
    """Return the logarithms of the mean strengths of edges in each cell, by their angle."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    x, y = (cv2.Sobel(grey, cv2.CV_64F, *order) for order in ((1, 0), (0, 1)))
    angle = (np.arctan2(y, x) % np.pi * (ANGLES / np.pi)).astype(np.int64) % ANGLES
    height, width = grey.shape
    row, column = (np.arange(n) * CELLS // n for n in (height, width))
    place = (row[:, None] * CELLS + column) * ANGLES + angle
    sums = np.bincount(place.ravel(), np.hypot(x, y).ravel(), CELLS**2 * ANGLES)
    return np.log1p(sums * CELLS**2 / (height * width))


class PictureStatistics(FrameExtractor[FrameSettings]):
    """Makes the statistics of videos."""

    module = "avlib.extractors.statistics.pictures"

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the statistics of the middle frames of intervals: (intervals, 1, CHANNELS)."""
        path = self._paths[video.video_id, video.split]
        numbering = None
        if is_frame_source(path):
            borders = rows[["start_frame", "stop_frame"]]
            if borders.isna().any(axis=None):
                raise DataError(f"{path}: the frame rate of its images is not known")
            numbers = borders.to_numpy(np.float64).mean(axis=1).astype(np.int64)
        else:
            numbering = frame_numbers(path)
            middle_s = rows[["start_s", "stop_s"]].to_numpy(np.float64).mean(axis=1)
            numbers = np.floor(middle_s * numbering.rate).astype(np.int64)
        reader = ClipReader(
            path, self._settings.frames, picture_statistics, numbers[:, None], numbering
        )
        return FeatureArray(
            (len(rows), views, CHANNELS),
            _rows(reader),
            lambda: int((numbers >= reader.frames).sum()),
        )


def _rows(reader: ClipReader[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    for (found,) in reader:
        yield found[None]


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard, with one view, and their index.

    A video whose frames cannot be decoded is left out; the index says why. See
    `row.Extractor`.
    """
    cv2.setNumThreads(1)
    paths = video_paths(files.sources)
    extractor = PictureStatistics(None, FrameSettings(**settings), paths)
    extract_videos(files, extractor, dict.fromkeys(SPLITS, 1))
