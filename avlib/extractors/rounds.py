"""Several extractors of one job, which go through the videos of a shard together.

Each runs in a thread. At every video they wait for each other, so that those that have to read its
frames share them.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from avlib.media.frames import share_frames


class Rounds:
    """The videos of a shard, one after the other.

    Args:
        extractors: how many go through them.
    """

    def __init__(self, extractors: int) -> None:
        self._needing, self._lock = 0, threading.Lock()
        self._barrier = threading.Barrier(extractors, action=self._begin)
        self._shared = share_frames(0)

    @contextmanager
    def video(self, *, needs_frames: bool) -> Iterator[None]:
        """Go to the next video together with the other extractors.

        Args:
            needs_frames: whether this one may read the frames of the video.
        """
        with self._lock:
            self._needing += needs_frames
        self._barrier.wait()
        shared = self._shared
        try:
            yield
        finally:
            if needs_frames and shared is not None:
                shared.leave()  # it may have failed before it read any

    def _begin(self) -> None:
        self._shared, self._needing = share_frames(self._needing), 0

    def abort(self) -> None:
        """Wait for nobody any more, as one extractor failed."""
        self._barrier.abort()
        if self._shared is not None:
            self._shared.stop(threading.BrokenBarrierError())
        share_frames(0)


def run_rounds(extractions: Sequence[Callable[[Rounds], None]]) -> None:
    """Run extractions of the same videos together, each in a thread.

    Raises:
        Exception: the first that one of them raises.
    """
    rounds, errors = Rounds(len(extractions)), list[BaseException]()

    def run(extraction: Callable[[Rounds], None]) -> None:
        try:
            extraction(rounds)
        except BaseException as error:
            errors.append(error)
            rounds.abort()

    threads = [threading.Thread(target=run, args=(e,), daemon=True) for e in extractions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    share_frames(0)
    causes = [e for e in errors if not isinstance(e, threading.BrokenBarrierError)]
    if causes:
        raise causes[0]
