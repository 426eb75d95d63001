"""The legs of a video: what a network says of its sound, and another of its picture.

Second k of the sound is what is heard in [k, k + 1); that of the picture is the frame nearest to
k + 0.5.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.extraction import NetworkSettings
from avlib.extractors.intervals import numbered_at, second_intervals
from avlib.extractors.scored import Scored
from avlib.io.packs import as_float32
from avlib.media.decode import Start
from avlib.media.frame_sources import is_frame_source
from avlib.media.isolation import lent_worker
from avlib.media.sound_sources import SoundSettings, sound_blocks
from avlib.tagging.archive import Leg
from avlib.tagging.class_networks import EfficientNetSeconds, YamNetSeconds
from avlib.tagging.joint_networks import ClapSeconds, ClipSeconds
from avlib.tagging.leg_files import LegFiles

SECONDS_AT_ONCE = 32  # of sound

Signal = NDArray[np.float32]


class SoundNetwork(Protocol):
    """A network that scores the seconds of sound."""

    @property
    def sample_rate(self) -> int:
        """Hz of the sound that it takes."""

    @property
    def kind(self) -> Leg:
        """What its scores are."""

    @property
    def made_by(self) -> str:
        """Everything that decides the bytes, beside the settings and the video."""

    def score(self, waveform: Signal, seconds: int) -> Iterator[Scored]:
        """Yield the seconds of a sound, beyond which there is silence."""


class PictureNetwork(Protocol):
    """A network that scores frames."""

    @property
    def kind(self) -> Leg:
        """What its scores are."""

    @property
    def made_by(self) -> str:
        """Everything that decides the bytes, beside the settings and the video."""

    def score(self, path: Path, rows: pd.DataFrame) -> Iterator[Scored]:
        """Yield the intervals of a video, rows of the interval table."""


class ScoredBlock(NamedTuple):
    """Successive seconds of a leg.

    Attributes:
        first: number of the first second.
        probabilities: (n, K).
        embeddings: (n, D).
    """

    first: int
    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]


class SoundLeg:
    """Scores of sound.

    Args:
        network: which scores it.
    """

    def __init__(self, network: SoundNetwork) -> None:
        self.network = network

    def blocks(
        self, path: Path, seconds: int | None, scratch: Path, *, is_substitute: bool
    ) -> Iterator[ScoredBlock]:
        """Yield the seconds of a file's sound, which may begin again from second 0.

        Args:
            path: a media file.
            seconds: how many there are, of which the sound may lack some; None: those of the sound,
                the last one if half of it is there.
            scratch: folder for temporary files.
            is_substitute: whether the file is used in place of a video's own audio.

        Raises:
            DataError: if it cannot be decoded, or has no samples.
        """
        first, n_samples, rate = 0, 0, self.network.sample_rate
        for waveform in _parts(path, rate, scratch, is_substitute=is_substitute):
            if waveform is None:
                first, n_samples = 0, 0
                continue
            n_samples += len(waveform)
            last = max(1, (n_samples + rate // 2) // rate)
            last = last if seconds is None else min(-(-n_samples // rate), seconds)
            yield from self._scored(first, waveform, last - first)
            first = max(first, last)
        if not n_samples:
            raise DataError(f"{path}: the audio stream holds no samples")
        while seconds is not None and first < seconds:
            n_silent = min(seconds - first, SECONDS_AT_ONCE)
            yield from self._scored(first, np.zeros(1, np.float32), n_silent)
            first += n_silent

    def _scored(self, first: int, waveform: Signal, seconds: int) -> Iterator[ScoredBlock]:
        """Yield the seconds of a part of the sound; outside of it there is silence."""
        if seconds <= 0:
            return
        for block in self.network.score(waveform, seconds):
            yield ScoredBlock(first, block.scores, block.embedding)
            first += len(block.scores)


class PictureLeg:
    """Scores of the picture.

    Args:
        network: which scores it.
    """

    def __init__(self, network: PictureNetwork) -> None:
        self.network = network

    def blocks(self, path: Path, seconds: int, fps: float) -> Iterator[ScoredBlock]:
        """Yield the seconds of a video's picture.

        Args:
            path: a video, or a folder or tar of its frames.
            seconds: how many there are.
            fps: frames a second, of a folder or tar of frames.

        Raises:
            DataError: if no frame can be decoded.
        """
        rows = second_intervals([""], seconds)
        if is_frame_source(path):
            rows = numbered_at(rows, fps)
        first = 0
        for block in self.network.score(path, rows):
            yield ScoredBlock(first, block.scores, block.embedding)
            first += len(block.scores)


def _parts(
    path: Path, sample_rate: int, scratch: Path, *, is_substitute: bool
) -> Iterator[Signal | None]:
    """Yield a file's sound, SECONDS_AT_ONCE and then the rest; None where it begins again."""
    size, held = SECONDS_AT_ONCE * sample_rate, np.zeros(0, np.float32)
    sound = SoundSettings(sample_rate, "soxr")
    with lent_worker() as worker:
        items = worker.items(sound_blocks, path, sound, scratch, is_substitute=is_substitute)
        with closing(items) as blocks:
            for block in blocks:
                if isinstance(block, Start):
                    held = held[:0]
                    yield None
                    continue
                held = np.concatenate([held, as_float32(block)])
                while len(held) >= size:
                    yield held[:size]
                    held = held[size:]
    if len(held):
        yield held


def open_sound(files: LegFiles, settings: NetworkSettings, cache: Path) -> SoundLeg:
    """Return the leg of sound of a network.

    Args:
        files: of YAMNet or CLAP.
        settings: how the network runs.
        cache: folder for what is made once and kept.
    """
    if files.network == "clap":
        return SoundLeg(ClapSeconds(files, settings, cache))
    assert files.checkpoint is not None
    return SoundLeg(YamNetSeconds(files.checkpoint, settings))


def open_picture(files: LegFiles, settings: NetworkSettings, cache: Path) -> PictureLeg:
    """Return the leg of the picture of a network, EfficientNet-Lite0 or CLIP; see `open_sound`."""
    if files.network == "clip":
        return PictureLeg(ClipSeconds(files, settings, cache))
    assert files.checkpoint is not None
    return PictureLeg(EfficientNetSeconds(files.checkpoint, settings))
