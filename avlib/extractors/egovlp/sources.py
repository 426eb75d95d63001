"""Where the frames of a clip lie: in a video, in chunks of one, or in published images."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd
from torch import Tensor

from avlib.errors import DataError
from avlib.extractors.egovlp.frames import RATE, frame_indices, timed_frames
from avlib.extractors.egovlp.reading import FrameFile, ImageFile, Place, VideoFile, read_clips
from avlib.extractors.embedding import Clip, ClipFiles
from avlib.io.tables import read_table
from avlib.media.frame_images import FrameImages, open_images
from avlib.media.frame_sources import expected_folder, frame_source
from avlib.media.frames import FrameNumbers, frame_numbers
from avlib.media.recordings import CHUNK_S, chunk_id, recording_of
from avlib.media.scan import video_paths
from avlib.media.tables import MANIFEST

USABLE = ("ok", "no_audio")  # status of a video that may have frames
# Frames that a published number may be off its time; beyond that it is of another encoding.
SLACK, RELATIVE_SLACK = 2, 0.02


Clipped = Tensor | DataError  # the frames of a clip, or why one cannot be read


class Wanted(NamedTuple):
    """The frames of a clip.

    Attributes:
        numbers: on the timeline of the recording, from 0; none if the clip has no frame.
        rate: frames a second that they are counted at.
        are_published: whether they are numbers of the video's own frames, not times.
    """

    numbers: tuple[int, ...]
    rate: float
    are_published: bool


def wanted_frames(clip: Clip, num_frames: int) -> Wanted:
    """Return the frames of a clip: those of its published numbers, or else of its times at RATE."""
    are_published = clip.start_frame is not None and clip.stop_frame is not None
    if clip.start_frame is None or clip.stop_frame is None:
        span, rate = timed_frames(clip.start_s, clip.stop_s), float(RATE)
    else:
        span = int(clip.start_frame), int(clip.stop_frame)
        rate = clip.stop_frame / clip.stop_s if clip.stop_frame > 0 < clip.stop_s else float(RATE)
    # Frame 1 is the first one, which stands for the frame before it, too.
    numbers = tuple(max(index - 1, 0) for index in frame_indices(num_frames, *span))
    return Wanted(numbers, rate, are_published)


def frames_a_number(wanted: Wanted, found: FrameNumbers) -> float:
    """Return how many frames of a file a number of `wanted` counts.

    Published numbers are taken as they are, unless the file has another frame rate than they tell.
    """
    frames, last = found.rate / wanted.rate, max(wanted.numbers)
    off = abs(frames - 1) * last
    is_same = found.is_constant and off <= SLACK + RELATIVE_SLACK * last
    return 1.0 if wanted.are_published and is_same else frames


class Source(Protocol):
    """The frames of a recording."""

    def status(self, clip: Clip, wanted: Wanted) -> tuple[str, str]:
        """Return ok, or why the clip has no embedding, and a message."""

    def content(self, wanted: Wanted) -> bytes:
        """Return a digest of the files in which frames lie."""

    def read(self, clips: Sequence[Wanted], size: int) -> Iterator[tuple[int, Clipped]]:
        """Yield the frames of clips; see `read_clips`.

        Args:
            clips: frames of each, all of status ok.
            size: pixels of an image on either side.
        """


class VideoRow(NamedTuple):
    """A video file, by its manifest."""

    path: Path | None
    status: str
    message: str
    content_hash: str | None
    duration_s: float | None


@dataclass(frozen=True)
class VideoSource:
    """A recording in one video, or in chunks.

    Attributes:
        name: id of the recording.
        videos: the only one as number 0, or those that there are of the chunks, by number.
        is_chunked: which of both.
    """

    name: str
    videos: Mapping[int, VideoRow]
    is_chunked: bool

    def status(self, clip: Clip, wanted: Wanted) -> tuple[str, str]:
        """Return the status of a clip; see `Source`."""
        for number in self._files(wanted):
            row = self.videos.get(number)
            if row is None or row.status == "missing":
                name = chunk_id(self.name, number) if self.is_chunked else self.name
                return "missing_video", f"no file of {name}; download it or drop the clip"
            if row.status not in USABLE or row.path is None:
                return "unreadable", row.message
        last = max(self.videos)
        duration_s = self.videos[last].duration_s
        if duration_s is None:
            return "ok", ""
        return _placed("s", clip.start_s, clip.stop_s, CHUNK_S * last + duration_s)

    def content(self, wanted: Wanted) -> bytes:
        """Return a digest of files; see `Source`."""
        hashes = [(n, self.videos[n].content_hash) for n in self._files(wanted)]
        return repr((self.is_chunked, hashes)).encode()

    def read(self, clips: Sequence[Wanted], size: int) -> Iterator[tuple[int, Clipped]]:
        """Yield the frames of clips; see `Source`."""
        numbers = sorted({number for wanted in clips for number in self._files(wanted)})
        opened = {number: _open(self.videos[number].path, size) for number in numbers}

        def place(wanted: Wanted, number: int) -> Place:
            part, inside = self._split(wanted, number)
            found = opened[part][1]
            frames = 1.0 if found is None else frames_a_number(wanted, found)
            return Place(numbers.index(part), round(inside * frames))

        places = [[place(wanted, number) for number in wanted.numbers] for wanted in clips]
        return read_clips([file for file, _ in opened.values()], places)

    def _files(self, wanted: Wanted) -> list[int]:
        return sorted({self._split(wanted, number)[0] for number in wanted.numbers})

    def _split(self, wanted: Wanted, number: int) -> tuple[int, int]:
        """Return the file of a frame, and its number from the start of the file."""
        if not self.is_chunked:
            return 0, number
        return divmod(number, max(round(CHUNK_S * wanted.rate), 1))


@dataclass(frozen=True)
class ImageSource:
    """A recording as published images.

    Attributes:
        path: the folder or tar of them.
    """

    path: Path

    def status(self, clip: Clip, wanted: Wanted) -> tuple[str, str]:
        """Return the status of a clip; see `Source`."""
        if isinstance(self._images, DataError):
            return "unreadable", str(self._images)
        return _placed("frames", min(wanted.numbers), max(wanted.numbers) + 1, self._images.count)

    def content(self, wanted: Wanted) -> bytes:
        """Return a digest of images; see `Source`."""
        assert not isinstance(self._images, DataError)
        digest = hashlib.sha256()
        for number in wanted.numbers:
            try:
                image = self._images.read(self._images.nearest(number + 1))
                digest.update(hashlib.sha256(image).digest())
            except DataError:
                digest.update(b"unreadable")
        return digest.digest()

    def read(self, clips: Sequence[Wanted], size: int) -> Iterator[tuple[int, Clipped]]:
        """Yield the frames of clips; see `Source`."""
        assert not isinstance(self._images, DataError)
        places = [[Place(0, number) for number in wanted.numbers] for wanted in clips]
        return read_clips([ImageFile(self._images, size)], places)

    @cached_property
    def _images(self) -> FrameImages | DataError:
        """The images, listed once, or why there are none."""
        try:
            return open_images(self.path)
        except DataError as error:
            return error


class VideoSources:
    """The recordings of a shard.

    Args:
        files: the sources are lists of videos.
    """

    def __init__(self, files: ClipFiles) -> None:
        paths = video_paths(files.sources)
        rows = pd.concat([read_table(path, MANIFEST) for path in files.manifests])
        self._videos: dict[str, VideoRow] = {}
        for row in rows.astype(object).where(rows.notna(), None).itertuples():
            path = paths.get((row.video_id, row.split))
            if row.status in USABLE or row.video_id not in self._videos:
                known = (row.status, row.message, row.content_hash, row.duration_s)
                self._videos[row.video_id] = VideoRow(path, *known)
        self._chunks: dict[str, dict[int, VideoRow]] = {}
        for video_id, video in self._videos.items():
            recording = recording_of(video_id)
            if recording != video_id:
                number = int(video_id.removeprefix(chunk_id(recording, "")))
                self._chunks.setdefault(recording, {})[number] = video

    def find(self, recording: str) -> VideoSource | None:
        """Return a recording; None without a file of it, or a chunk."""
        if recording in self._videos:
            return VideoSource(recording, {0: self._videos[recording]}, is_chunked=False)
        chunks = self._chunks.get(recording)
        return VideoSource(recording, chunks, is_chunked=True) if chunks else None

    def lacking(self, recording: str) -> str:
        """Return what is missing of a recording that is not found."""
        return f"no video of {recording}; download it or drop the clip"


@dataclass(frozen=True)
class ImageSources:
    """The published images of videos.

    Attributes:
        folder: of all of them.
    """

    folder: Path

    def find(self, recording: str) -> ImageSource | None:
        """Return the images of a video; None without."""
        found = frame_source(self.folder, recording)
        return ImageSource(found) if found else None

    def lacking(self, recording: str) -> str:
        """Return what is missing of a video that is not found."""
        wanted = expected_folder(self.folder, recording)
        return f"no folder {wanted}; extract the frames of the video or drop the clip"


@dataclass(frozen=True)
class _Unreadable:
    """A file of which nothing can be read."""

    error: DataError

    def frames(self, numbers: Sequence[int]) -> Iterator[Tensor]:
        """Raise the reason."""
        raise self.error


def _open(path: Path | None, size: int) -> tuple[FrameFile, FrameNumbers | None]:
    assert path is not None
    try:
        found = frame_numbers(path)
        return VideoFile(path, found, size), found
    except DataError as error:
        return _Unreadable(error), None


def _placed(unit: str, start: float, stop: float, end: float) -> tuple[str, str]:
    """Return the status of a clip from where it lies and where its video ends."""
    if start >= end:
        return "outside", f"begins {start - end:.4g} {unit} after the end of its video"
    if stop > end:
        beyond = f"reaches {stop - end:.4g} {unit} beyond the end of its video"
        return "ok", f"{beyond}; the last frame is repeated"
    return "ok", ""
