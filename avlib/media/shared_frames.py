"""The decoded frames of a video for several readers, which take them in step, decoded once.

The readers are threads of one stage. The file is decoded when all of them have asked for it, so
that what any of them wants is known, and as fast as the slowest of them reads.
"""

import threading
from collections.abc import Callable, Generator, Hashable
from contextlib import closing
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")

HELD = 32  # frames by which a reader may be ahead of another
POLL_S = 0.1

Open = Callable[[frozenset[int] | None], Generator[T, None, None]]


class SharedFrames(Generic[T]):
    """One pass over a video.

    Args:
        readers: how many will ask for it, or leave without.
    """

    def __init__(self, readers: int) -> None:
        self._missing = readers
        self._changed = threading.Condition()
        self._readers: list[_Reader[T]] = []
        self._key: Hashable = None
        self._is_begun = False

    def join(
        self, key: Hashable, wanted: frozenset[int] | None, open_frames: Open[T]
    ) -> Generator[T, None, None] | None:
        """Return the frames for one more reader; None if it comes late, or for another video.

        Args:
            key: of what is decoded, and how.
            wanted: numbers of the frames that the reader needs; None for all.
            open_frames: decodes the video, given the numbers that any reader needs.
        """
        with self._changed:
            if self._is_begun or self._key not in (None, key):
                return None
            self._key = key
            reader: _Reader[T] = _Reader(wanted)
            self._readers.append(reader)
        self.leave()
        return self._read(reader, open_frames)

    def leave(self) -> None:
        """Wait for one reader less."""
        with self._changed:
            self._missing -= 1
            self._changed.notify_all()

    def stop(self, error: Exception) -> None:
        """Let all readers end with an error, as one of them does not read on."""
        with self._changed:
            for reader in self._readers:
                reader.stop(error)
            self._missing, self._is_begun = 0, True
            self._changed.notify_all()

    def _read(self, reader: "_Reader[T]", open_frames: Open[T]) -> Generator[T, None, None]:
        with self._changed:
            self._changed.wait_for(lambda: self._missing <= 0)
            if not self._is_begun:
                self._is_begun = True
                threading.Thread(target=self._send, args=(open_frames,), daemon=True).start()
        try:
            yield from reader.items()
        finally:
            reader.is_closed = True

    def _send(self, open_frames: Open[T]) -> None:
        """Decode the video and hand every frame to every reader."""
        needs = [reader.wanted for reader in self._readers]
        known = [wanted for wanted in needs if wanted is not None]
        end: Exception | None = None
        try:
            wanted = frozenset().union(*known) if len(known) == len(needs) else None
            with closing(open_frames(wanted)) as frames:
                for frame in frames:
                    for reader in self._readers:
                        reader.put((frame, None))
                    if all(reader.is_closed for reader in self._readers):
                        break
        except Exception as error:  # every reader raises it
            end = error
        for reader in self._readers:
            reader.put((None, end or StopIteration()))


class _Reader(Generic[T]):
    def __init__(self, wanted: frozenset[int] | None) -> None:
        self.wanted, self.is_closed = wanted, False
        self._error: Exception | None = None
        self._queue: Queue[tuple[T | None, Exception | None]] = Queue(HELD)

    def stop(self, error: Exception) -> None:
        """End with an error when there are no more frames."""
        self._error, self.is_closed = error, True

    def put(self, item: tuple[T | None, Exception | None]) -> None:
        """Wait until there is room for an item, unless nobody reads any more."""
        while not self.is_closed:
            try:
                self._queue.put(item, timeout=POLL_S)
            except Full:
                continue
            return

    def items(self) -> Generator[T, None, None]:
        """Yield the frames; raise what decoding raised."""
        while True:
            try:
                frame, end = self._queue.get(timeout=POLL_S)
            except Empty:
                if self._error is not None:
                    raise self._error from None
                continue
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield frame  # type: ignore[misc]
