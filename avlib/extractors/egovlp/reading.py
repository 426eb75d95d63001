"""The frames of the clips of a video, each read once, from video files or published images.

Clips are returned as they become complete, which is mostly the order in which they end.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from avlib.errors import DataError
from avlib.extractors.egovlp.frames import seen
from avlib.media.frame_images import FrameImages
from avlib.media.frames import FrameNumbers, read_frames

OPEN_CLIPS = 64  # clips that are read at once; 16 frames of each have 600 MB


class Place(NamedTuple):
    """A frame of a video that lies in one file or several.

    Attributes:
        file: number of the file.
        number: of the frame within it, from 0.
    """

    file: int
    number: int


class FrameFile(Protocol):
    """Where frames are read from."""

    def frames(self, numbers: Sequence[int]) -> Iterator[Tensor | DataError]:
        """Yield what the network sees of frames, (3, size, size), or why one cannot be read.

        The last frame is in the place of those after it.

        Args:
            numbers: of the frames, from 0, ascending and distinct, one or more.

        Raises:
            DataError: if none of those that are left can be read.
        """


@dataclass(frozen=True)
class VideoFile:
    """A video whose frames are decoded in one pass.

    Attributes:
        path: its file.
        numbering: how its frames are numbered.
        size: pixels of an image on either side.
    """

    path: Path
    numbering: FrameNumbers
    size: int

    def frames(self, numbers: Sequence[int]) -> Iterator[Tensor]:
        """Yield frames; see `FrameFile`."""
        wanted, last, count = frozenset(numbers), None, 0
        with closing(read_frames(self.path, "decoded", self.numbering, wanted=wanted)) as frames:
            for number, frame in enumerate(frames):
                last, count = frame, number + 1
                if number in wanted:
                    yield seen(frame(), self.size)
                if number == numbers[-1]:
                    return
        if last is None:
            raise DataError(f"{self.path}: none of its frames can be decoded")
        image = seen(last(), self.size)
        yield from (image for number in numbers if number >= count)


@dataclass(frozen=True)
class ImageFile:
    """A video whose frames are published images.

    Attributes:
        images: of the video.
        size: pixels of an image on either side.
    """

    images: FrameImages
    size: int

    def frames(self, numbers: Sequence[int]) -> Iterator[Tensor | DataError]:
        """Yield frames; see `FrameFile`."""
        for number in numbers:
            try:
                image = self.images.image(self.images.nearest(number + 1))
                yield seen(image, self.size)
            except DataError as error:
                yield error


def read_clips(
    files: Sequence[FrameFile], clips: Sequence[Sequence[Place]]
) -> Iterator[tuple[int, Tensor | DataError]]:
    """Yield the number of each clip, as it becomes complete, and its frames (T, 3, size, size).

    In the place of frames is the reason if one of them cannot be read.

    Args:
        files: of a video, in order.
        clips: frames of each, one or more.
    """
    for members in _passes(clips):
        yield from _read_pass(files, {number: clips[number] for number in members})


def _passes(clips: Sequence[Sequence[Place]]) -> list[list[int]]:
    """Return numbers of clips in groups in which at most OPEN_CLIPS overlap at any place."""
    passes: list[list[int]] = []
    open_ends: list[list[Place]] = []  # of each group, a heap
    for number in sorted(range(len(clips)), key=lambda n: min(clips[n])):
        first, last = min(clips[number]), max(clips[number])
        for ends in open_ends:
            while ends and ends[0] < first:
                heapq.heappop(ends)
        group = next((i for i, e in enumerate(open_ends) if len(e) < OPEN_CLIPS), len(passes))
        if group == len(passes):
            passes.append([])
            open_ends.append([])
        passes[group].append(number)
        heapq.heappush(open_ends[group], last)
    return passes


def _read_pass(
    files: Sequence[FrameFile], clips: Mapping[int, Sequence[Place]]
) -> Iterator[tuple[int, Tensor | DataError]]:
    """Yield clips for which every file is read once; keep frames as long as they are needed."""
    waiting = deque(sorted(clips, key=lambda number: max(clips[number])))
    uses = Counter(place for places in clips.values() for place in set(places))
    kept: dict[Place, Tensor | DataError] = {}
    for place, frame in _in_order(files, sorted(uses)):
        kept[place] = frame
        while waiting and max(clips[waiting[0]]) == place:
            number = waiting.popleft()
            found = [kept[place] for place in clips[number]]
            error = next((f for f in found if isinstance(f, DataError)), None)
            yield number, error or torch.stack([f for f in found if isinstance(f, Tensor)])
            uses.subtract(set(clips[number]))
            kept = {place: frame for place, frame in kept.items() if uses[place]}


def _in_order(
    files: Sequence[FrameFile], places: Sequence[Place]
) -> Iterator[tuple[Place, Tensor | DataError]]:
    for number, file in enumerate(files):
        left = deque(place for place in places if place.file == number)
        if not left:
            continue
        try:
            for frame in file.frames([place.number for place in left]):
                yield left.popleft(), frame
        except DataError as error:
            yield from ((place, error) for place in left)
