"""The sounds of clips, cut out of packs of waveforms on the timeline of the whole recording."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.extractors.embedding import Clip, ClipFiles, FoundClip
from avlib.io.packs import WaveformStore
from avlib.io.tables import read_table
from avlib.media.recordings import Part, parts_of
from avlib.media.tables import MANIFEST

SAMPLE_RATE = 48_000  # Hz of the packs
SHORTEST_CUT_S = 0.001  # that a message is worth


class ClipSound:
    """The samples of a clip, read a slice at a time from one recording or several chunks.

    Args:
        store: packs.
        parts: what the clip is read from: video, first sample, and the one after the last.
    """

    def __init__(self, store: WaveformStore, parts: Sequence[tuple[str, int, int]]) -> None:
        self._store, self._parts = store, parts

    def __len__(self) -> int:
        return sum(last - first for _, first, last in self._parts)

    def __getitem__(self, samples: slice) -> NDArray[np.float32]:
        start, stop, _ = samples.indices(len(self))
        found, offset = [np.empty(0, np.float32)], 0
        for video_id, first, last in self._parts:
            low, high = max(start - offset, 0), min(stop - offset, last - first)
            if low < high:
                found.append(self._store.read(video_id, first + low, first + high))
            offset += last - first
        return found[1] if len(found) == 2 else np.concatenate(found)


class ClipStore:
    """The sounds of clips of a shard.

    Args:
        files: the sources are packs at SAMPLE_RATE.
        left_s: context before a clip.
        right_s: context after a clip.
    """

    def __init__(self, files: ClipFiles, left_s: float, right_s: float) -> None:
        self._store = WaveformStore(files.sources, sample_rate=SAMPLE_RATE)
        self._left_s, self._right_s = left_s, right_s
        rows = pd.concat([read_table(path, MANIFEST) for path in files.manifests])
        # Of several files with one id the first is used.
        self._videos = {row.video_id: row for row in reversed(list(rows.itertuples()))}

    def find(self, clip: Clip) -> tuple[FoundClip, ClipSound | None]:
        """Return what there is of a clip, and its samples if its status is ok."""
        span = (max(clip.start_s, 0.0), max(clip.stop_s, 0.0))
        context = {"left_s": self._left_s, "right_s": self._right_s}
        parts = parts_of(clip.video_id, span, SAMPLE_RATE, known=self._videos, **context)
        for part in parts:
            if left_out := self._left_out(part.video_id):
                return left_out, None
        return self._cut(clip, parts)

    def _left_out(self, video_id: str) -> FoundClip | None:
        video = self._videos.get(video_id)
        if video is None or video.status == "missing":
            return FoundClip("missing_video", f"no video {video_id}; add it, or drop the clip")
        if video.status != "ok":
            status = "no_audio" if video.status == "no_audio" else "unreadable"
            return FoundClip(status, f"{video_id} is left out ({video.status}: {video.message})")
        if video_id not in self._store:
            return FoundClip("no_audio", f"{video_id} has no audio in the packs")
        return None

    def _cut(self, clip: Clip, parts: Sequence[Part]) -> tuple[FoundClip, ClipSound | None]:
        cut, lacking, is_outside = [], 0, False
        for part in parts:
            end = self._store.n_samples(part.video_id)
            last = end if part.count is None else part.first + part.count
            is_outside |= part.first >= end
            lacking += max(last - max(end, part.first), 0)
            cut.append((part.video_id, part.first, min(last, end)))
        sound = ClipSound(self._store, [(v, first, last) for v, first, last in cut if first < last])
        if not len(sound):
            span = f"{clip.start_s:.3f} to {clip.stop_s:.3f} s"
            if is_outside:
                return FoundClip("outside", f"{span} is after the end of the audio"), None
            return FoundClip("empty", f"{span} holds no sample"), None
        lacking_s = lacking / SAMPLE_RATE
        message = f"reaches {lacking_s:.3f} s beyond the end of the audio, and is cut there"
        return FoundClip("ok", message if lacking_s >= SHORTEST_CUT_S else ""), sound
