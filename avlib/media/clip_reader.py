"""The groups of a video's frames that clips are made of."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.media.frames import Frame, FrameMode, FrameNumbers, LazyFrame, read_frames

T = TypeVar("T")


class ClipReader(Generic[T]):
    """The frames of successive clips, each read and prepared once.

    Only what a present or later clip needs is in memory.

    Args:
        path: a video.
        mode: how its frames are read.
        prepare: what to keep of a frame.
        numbers: (N, T) frames of each clip, counted from 0. Those before the first frame become
            the first, those after the last one become the last.
        numbering: how the frames are numbered, if it is known already.

    Attributes:
        frames: frames read up to now; the whole video has no more once a number is beyond it.
    """

    def __init__(
        self,
        path: Path,
        mode: FrameMode,
        prepare: Callable[[Frame], T],
        numbers: NDArray[np.int64],
        numbering: FrameNumbers | None = None,
    ) -> None:
        self.frames = 0
        self._path, self._mode, self._prepare = path, mode, prepare
        self._numbering = numbering
        self._numbers = np.maximum(numbers, 0)
        self._kept: dict[int, T] = {}
        self._newest: LazyFrame | None = None
        self._prepared: tuple[LazyFrame, T] | None = None

    def __iter__(self) -> Iterator[list[T]]:
        """Yield the prepared frames of each clip.

        Raises:
            DataError: if the video cannot be read, or none of its frames can.
        """
        if not len(self._numbers):
            return
        needed = frozenset(np.unique(self._numbers).tolist())
        lowest = np.minimum.accumulate(self._numbers.min(axis=1)[::-1])[::-1]  # from here on
        frames = read_frames(self._path, self._mode, self._numbering, wanted=needed)
        with closing(frames):
            for row, first in zip(self._numbers, lowest, strict=True):
                numbers = row.tolist()  # those of all clips at once would take 10 MB in three hours
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
                self._kept[self.frames] = self._prepared_of(frame)
            self.frames += 1
        if self._newest is None:
            raise DataError(f"{self._path}: none of its frames can be decoded")
        if self.frames <= number and self.frames - 1 not in self._kept:
            self._kept[self.frames - 1] = self._prepared_of(self._newest)

    def _prepared_of(self, frame: LazyFrame) -> T:
        """Prepare a frame, but not again where it is repeated."""
        if self._prepared is None or self._prepared[0] is not frame:
            self._prepared = frame, self._prepare(frame())
        return self._prepared[1]
