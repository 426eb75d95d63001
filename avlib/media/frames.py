"""The frames of a video in order, and the groups of them that clips are made of.

There are two modes. `decoded` takes the frames as the file holds them, in process; frame n is the
nth one, whatever its timestamp. `jpeg` takes the files that the published command writes: at a
constant rate, so that frames are repeated or dropped where their distances vary, and strongly
compressed. Both are RGB of 8 bits in the file's own size, upright.
"""

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, Literal, TypeVar, cast

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideData
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.media import ffmpeg
from avlib.media.files import check_regular, open_media
from avlib.media.probe import video_streams

logger = logging.getLogger(__name__)

FrameMode = Literal["decoded", "jpeg"]
Frame = NDArray[np.uint8]  # (H, W, 3), RGB
LazyFrame = Callable[[], Frame]  # decodes or converts the frame when it is called

T = TypeVar("T")


def read_frames(path: Path, mode: FrameMode) -> Generator[LazyFrame, None, None]:
    """Yield every frame of a video in order; conversion to RGB is left to those who need it.

    What cannot be decoded in the middle of a file is skipped; where a file breaks off, the frames
    end.

    Raises:
        DataError: if the file cannot be read or has no video stream.
    """
    return _jpeg_frames(path) if mode == "jpeg" else _decoded_frames(path)


def _decoded_frames(path: Path) -> Generator[LazyFrame, None, None]:
    try:
        with open_media(path) as container:
            streams = video_streams(container)
            if not streams:
                raise DataError(f"{path}: no video stream in the file")
            for frame in _decode(container, streams[0]):
                yield partial(_to_rgb, frame, path)
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"{path}: the video stream cannot be read ({error})") from error


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (av.FFmpegError, StopIteration):  # the end, or what follows cannot be found
            return
        try:
            yield from packet.decode()
        except av.FFmpegError as error:
            logger.debug("%s: part of the video stream is skipped (%s)", container.name, error)


def _to_rgb(frame: av.VideoFrame, path: Path) -> Frame:
    try:
        image = cast(Frame, frame.to_ndarray(format="rgb24"))
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: the frame has no RGB form ({error})") from error
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)  # type: ignore[call-overload]
    if matrix is None:
        return image
    return _upright(image, np.frombuffer(bytes(matrix), np.int32))


def _upright(image: Frame, matrix: NDArray[np.int32]) -> Frame:
    """Turn a frame by quarters, and mirror it, as players do.

    Args:
        image: (H, W, 3).
        matrix: nine numbers; a column x and a row y go to m0 x + m3 y and m1 x + m4 y.
    """
    to_column, to_row = matrix[0], matrix[4]
    if abs(int(matrix[1])) > abs(int(matrix[0])):
        image = image.transpose(1, 0, 2)
        to_column, to_row = matrix[3], matrix[1]
    turned = image[:: -1 if to_row < 0 else 1, :: -1 if to_column < 0 else 1]
    return np.ascontiguousarray(turned)


def _jpeg_frames(path: Path) -> Generator[LazyFrame, None, None]:
    check_regular(path)
    with TemporaryDirectory(prefix="frames-") as name:
        folder = Path(name)
        ffmpeg.write_jpeg_frames(path, folder)
        for file in sorted(folder.iterdir()):
            yield partial(_read_jpeg, file)


def _read_jpeg(path: Path) -> Frame:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path}: not a readable JPEG file; the disk may be full")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


class ClipReader(Generic[T]):
    """The frames of successive clips, each read and prepared once.

    Only what a present or later clip needs is in memory.

    Args:
        path: a video.
        mode: how its frames are read.
        prepare: what to keep of a frame.
        numbers: (N, T) frames of each clip, counted from 0. Those before the first frame become
            the first, those after the last one become the last.

    Attributes:
        frames: frames read up to now; the whole video has no more once a number is beyond it.
    """

    def __init__(
        self,
        path: Path,
        mode: FrameMode,
        prepare: Callable[[Frame], T],
        numbers: NDArray[np.int64],
    ) -> None:
        self.frames = 0
        self._path, self._mode, self._prepare = path, mode, prepare
        self._numbers = np.maximum(numbers, 0)
        self._kept: dict[int, T] = {}
        self._newest: LazyFrame | None = None

    def __iter__(self) -> Iterator[list[T]]:
        """Yield the prepared frames of each clip.

        Raises:
            DataError: if the video cannot be read, or none of its frames can.
        """
        if not len(self._numbers):
            return
        needed = frozenset(np.unique(self._numbers).tolist())
        lowest = np.minimum.accumulate(self._numbers.min(axis=1)[::-1])[::-1]  # from here on
        with closing(read_frames(self._path, self._mode)) as frames:
            for numbers, first in zip(self._numbers.tolist(), lowest.tolist(), strict=True):
                self._read_until(max(numbers), frames, needed)
                last = self.frames - 1
                self._kept = {n: kept for n, kept in self._kept.items() if n >= min(first, last)}
                yield [self._kept[min(number, last)] for number in numbers]

    def _read_until(self, number: int, frames: Iterator[LazyFrame], needed: frozenset[int]) -> None:
        """Read on until a frame, or to the end, and then keep the last frame in any case."""
        while self.frames <= number:
            frame = next(frames, None)
            if frame is None:
                break
            self._newest = frame
            if self.frames in needed:
                self._kept[self.frames] = self._prepare(frame())
            self.frames += 1
        if self._newest is None:
            raise DataError(f"{self._path}: none of its frames can be decoded")
        if self.frames <= number and self.frames - 1 not in self._kept:
            self._kept[self.frames - 1] = self._prepare(self._newest())
