"""The frames of a video in order.

Frames are found by their time: frame n is the one that is shown at n / rate seconds. Of a video of
constant rate it is the nth one. Where frames come at varying distances, they are repeated or
dropped, as the ffmpeg command does it.

There are two modes. `decoded` takes the frames as the file holds them. `jpeg` takes the
files that the published command writes, which are strongly compressed. Both are RGB of 8 bits in
the file's own size, upright.
"""

import itertools
import logging
from collections.abc import Callable, Container, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, cast

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avlib.errors import DataError, NoFramesError
from avlib.media import ffmpeg
from avlib.media.disposable import PassedFrames
from avlib.media.files import check_regular, open_media, packets
from avlib.media.frame_images import image_frames
from avlib.media.frame_sources import is_frame_source
from avlib.media.isolation import lent_worker
from avlib.media.shared_frames import SharedFrames
from avlib.media.stamps import read_content
from avlib.media.timeline import VideoTimes
from avlib.media.truncation import extent

logger = logging.getLogger(__name__)

MOST_PASSED = 64  # frames that are not wanted, before the other process hears of them

FrameMode = Literal["decoded", "jpeg"]
Frame = NDArray[np.uint8]  # (H, W, 3), RGB
LazyFrame = Callable[[], Frame]  # decodes or converts the frame when it is called


@dataclass(frozen=True)
class FrameNumbers:
    """How the frames of a video are numbered.

    Attributes:
        rate: frame n is the one that is shown at n / rate seconds.
        is_constant: whether that is the nth frame of the file.
        stream: index of the video stream.
        is_only: whether the file has no other video stream.
        command_rate: frames a second that the ffmpeg command writes by itself.
        times: of the stream.
    """

    rate: float
    is_constant: bool
    stream: int
    is_only: bool
    command_rate: float
    times: VideoTimes

    @property
    def joined_rate(self) -> float | None:
        """The rate where the clock of the video starts again or jumps, else None."""
        return self.rate if self.times.joins else None


def frame_numbers(path: Path) -> FrameNumbers:
    """Return how the frames of a video are numbered; read the file once if it has no index.

    Raises:
        DataError: if the file cannot be read or has no video stream of a known frame rate.
    """
    with lent_worker() as worker:
        return worker.call(_frame_numbers, path)


def _frame_numbers(path: Path) -> FrameNumbers:
    check_regular(path)
    try:
        is_whole_index = not extent(path).has_fragments
        with open_media(path) as container:
            content = read_content(container, None, is_whole_index=is_whole_index)
            video, times = content.video, content.times
            if video is None:
                what = "only a still picture" if content.stills else "no video stream"
                raise NoFramesError(f"{path}: {what} in the file")
            if not times.rate:
                raise DataError(f"{path}: no frame rate is known")
            return FrameNumbers(
                times.rate,
                times.is_constant,
                video.index,
                len(container.streams.video) == 1,
                float(video.guessed_rate or times.rate),
                times,
            )
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"{path}: the video stream cannot be read ({error})") from error


def read_frames(
    path: Path,
    mode: FrameMode,
    numbers: FrameNumbers | None = None,
    *,
    wanted: Container[int] | None = None,
) -> Generator[LazyFrame, None, None]:
    """Yield every frame of a video by its number, those that are wanted as images.

    Decoded ones come from another process, which a broken file may end. Of what cannot be decoded
    in the middle of a file, the frame before is repeated; where a file breaks off, the frames end.

    Args:
        path: a video, or a folder or tar of its frames, which are read as they are.
        mode: how a video is read.
        numbers: how its frames are numbered, if it is known already.
        wanted: numbers of the frames that may be called; the last frame of all may be, too.

    Raises:
        DataError: if the file cannot be read or has no video stream.
    """
    if is_frame_source(path):
        return image_frames(path)
    numbers = numbers or frame_numbers(path)
    if mode == "jpeg":
        return _jpeg_frames(path, numbers)
    if _shared is not None:
        own = wanted if isinstance(wanted, frozenset) else None
        found = _shared.join(path, own, partial(_received_frames, path, numbers))
        if found is not None:
            return found
    return _received_frames(path, numbers, wanted)


def share_frames(readers: int) -> "SharedFrames[LazyFrame] | None":
    """Let the next readers of a video share its decoded frames, and return what they share.

    Args:
        readers: threads that read the frames of one video; with less than two nothing is shared.
    """
    global _shared
    _shared = SharedFrames(readers) if readers > 1 else None
    return _shared


_shared: "SharedFrames[LazyFrame] | None" = None


def _received_frames(
    path: Path, numbers: FrameNumbers, wanted: Container[int] | None
) -> Generator[LazyFrame, None, None]:
    frame: LazyFrame = _unwanted
    with (
        lent_worker() as worker,
        closing(worker.items(_sent_frames, path, numbers, wanted)) as items,
    ):
        for item in items:
            if isinstance(item, int):
                yield from itertools.repeat(_unwanted, item)
                continue
            if item is not None:
                frame = partial(np.asarray, item)
            yield frame


def _unwanted() -> Frame:
    raise AssertionError("a frame that was not wanted")


def _sent_frames(
    path: Path, numbers: FrameNumbers, wanted: Container[int] | None
) -> Generator[Frame | int | None, None, None]:
    """Yield images of the frames that are wanted and of the last one.

    In place of others their number is yielded; None stands for the image before, once more.
    """
    n_sent = 0
    if isinstance(wanted, frozenset):
        try:
            for item in _items(path, numbers, wanted, passes=True):
                yield item
                n_sent += item if isinstance(item, int) else 1
            return
        except _PassedError:
            logger.debug("%s: frames are missing; none is passed over", path)
    for item in _items(path, numbers, wanted, passes=False):
        if isinstance(item, int):
            n_skipped = min(item, n_sent)
            if item > n_skipped:
                yield item - n_skipped
        else:
            n_skipped = min(1, n_sent)
            if not n_skipped:
                yield item
        n_sent -= n_skipped


class _PassedError(Exception):
    """A frame is needed that was passed over: others are missing, so that it stands for them."""


def _passed() -> Frame:
    raise _PassedError


def _items(
    path: Path, numbers: FrameNumbers, wanted: Container[int] | None, *, passes: bool
) -> Generator[Frame | int | None, None, None]:
    """Yield what `_sent_frames` does; `passes`: whether frames may be passed over undecoded."""
    passed_over = wanted if passes else None
    held, sent = None, None  # a frame is held back until it is known whether it is the last one
    n_passed = 0
    decoded = _decoded_frames(path, numbers, passed_over)
    with closing(_by_number(decoded, numbers)) as frames:
        for number, frame in enumerate(frames):
            if held is None:
                pass
            elif wanted is not None and number - 1 not in wanted:
                n_passed += 1
            else:
                if n_passed:
                    yield n_passed
                yield None if held is sent else held()
                sent, n_passed = held, 0
            if n_passed == MOST_PASSED:
                yield n_passed
                n_passed = 0
            held = frame
    if n_passed:
        yield n_passed
    if held is not None:
        yield None if held is sent else held()


def _by_number(
    frames: Generator[tuple[float | None, LazyFrame], None, None], numbers: FrameNumbers
) -> Generator[LazyFrame, None, None]:
    """Repeat and drop frames so that each is at the number of its time."""
    total = round((numbers.times.duration_s or 0.0) * numbers.rate)
    # Time stamps may be rounded, or in the wrong order; the nth frame of a constant rate is the nth
    # unless several are missing before it.
    slack = 1 if numbers.is_constant else 0
    start_s, last, shown = None, -1, None
    with closing(frames):
        for seconds, frame in frames:
            start_s = seconds if start_s is None else start_s
            number = last + 1
            if seconds is not None and start_s is not None:
                place = min(round((seconds - start_s) * numbers.rate), max(total - 1, number))
                number = number if abs(place - number) <= slack else place
            if shown is not None:
                yield from itertools.repeat(shown, number - last)
            last, shown = max(last, number), frame
        if shown is not None:
            n_left = 1 if numbers.is_constant else max(total - last, 1)
            yield from itertools.repeat(shown, n_left)


def _decoded_frames(
    path: Path, numbers: FrameNumbers, wanted: Container[int] | None = None
) -> Generator[tuple[float | None, LazyFrame], None, None]:
    """Yield the frames with their times on a clock whose jumps are undone.

    Args:
        path: the file.
        numbers: how its frames are numbered.
        wanted: numbers of frames; others may be passed over. None: all are decoded.
    """
    try:
        with open_media(path) as container:
            stream = cast(VideoStream, container.streams[numbers.stream])
            # Without it, what is cut off at the left is rounded to what suits the processor.
            stream.codec_context.flags |= Flags.unaligned
            to_rgb = VideoReformatter()  # one of each frame's own would start threads of its own
            passing = None
            if wanted is not None and numbers.is_constant and not numbers.times.joins:
                passing = PassedFrames(stream, numbers.rate, numbers.times.frames, wanted)
            for frame in _decode(container, stream, dict(numbers.times.joins), passing):
                if passing is not None:
                    yield from ((time, _passed) for time in passing.times_before(frame))
                yield frame.time, partial(_image, frame, to_rgb, path)
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"{path}: the video stream cannot be read ({error})") from error


def _decode(
    container: InputContainer,
    stream: VideoStream,
    jumps: Mapping[int, int],
    passing: PassedFrames | None,
) -> Iterator[av.VideoFrame]:
    following, n_packets, offset = packets(container, stream), 0, 0
    while True:
        try:
            packet = next(following)
        except (av.FFmpegError, StopIteration):  # the end, or what follows cannot be found
            return
        if packet.size and not packet.is_discard:
            offset -= jumps.get(n_packets, 0)
            n_packets += 1
        if offset:
            packet.pts = None if packet.pts is None else packet.pts + offset
            packet.dts = None if packet.dts is None else packet.dts + offset
        if passing is not None and packet.size and passing.passes(packet):
            continue
        try:
            yield from packet.decode()
        except av.FFmpegError as error:
            logger.debug("%s: part of the video stream is skipped (%s)", container.name, error)


def _image(frame: av.VideoFrame, to_rgb: VideoReformatter, path: Path) -> Frame:
    try:
        rgb = to_rgb.reformat(frame, format="rgb24", threads=1)
        image = cast(Frame, rgb.to_ndarray())
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: the frame has no RGB form ({error})") from error
    # A frame would keep its `side_data`, and they the frame, until such cycles are collected.
    side_data = SideDataContainer(frame)  # type: ignore[call-arg]
    matrix = side_data.get(SideData.DISPLAYMATRIX)
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


def _jpeg_frames(path: Path, numbers: FrameNumbers) -> Generator[LazyFrame, None, None]:
    off = abs(numbers.command_rate / numbers.rate - 1) * numbers.times.frames
    rate = None if off < 0.5 else numbers.rate  # frames by which the command's would be late
    with TemporaryDirectory(prefix="frames-") as name:
        folder = Path(name)
        stream = None if numbers.is_only else numbers.stream
        joined_rate = numbers.joined_rate
        ffmpeg.write_jpeg_frames(path, folder, rate=rate, stream=stream, joined_rate=joined_rate)
        for file in sorted(folder.iterdir()):
            yield partial(_read_jpeg, file)


def _read_jpeg(path: Path) -> Frame:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path}: not a readable JPEG file; the disk may be full")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
