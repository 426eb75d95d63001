"""The legs of a video: what YAMNet says of its sound, and EfficientNet-Lite0 of its picture.

Second k of the sound is a patch in the middle of [k, k + 1); that of the picture is the frame
nearest to k + 0.5.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.device import resolve_device
from avlib.errors import DataError
from avlib.extractors.efficientnet_lite.images import classes as imagenet_classes
from avlib.extractors.efficientnet_lite.inference import EfficientNetLite0Model, MiddleFrames
from avlib.extractors.efficientnet_lite.network import EMBEDDING as PICTURE_CHANNELS
from avlib.extractors.efficientnet_lite.weights import load_efficientnet_lite0
from avlib.extractors.extraction import NetworkSettings
from avlib.extractors.intervals import numbered_at, second_intervals
from avlib.extractors.mel_bands import SAMPLE_RATE
from avlib.extractors.yamnet.classes import classes as audioset_classes
from avlib.extractors.yamnet.front_end import Recording
from avlib.extractors.yamnet.inference import YamNetModel
from avlib.extractors.yamnet.network import EMBEDDING as SOUND_CHANNELS
from avlib.extractors.yamnet.weights import load_yamnet
from avlib.io.checkpoints import file_hash
from avlib.io.packs import as_float32
from avlib.media.decode import Start
from avlib.media.frame_sources import is_frame_source
from avlib.media.isolation import lent_worker
from avlib.media.sound_sources import SoundSettings, sound_blocks
from avlib.packages import WEIGHTS
from avlib.tagging.archive import Leg

SOUND = SoundSettings(SAMPLE_RATE, "soxr")
SECONDS_AT_ONCE = 32  # of sound

Signal = NDArray[np.float32]


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
        weights: file of YAMNet.
        settings: how the network runs.
    """

    def __init__(self, weights: Path, settings: NetworkSettings) -> None:
        self._weights, self._settings = weights, settings

    @property
    def kind(self) -> Leg:
        """What its scores are."""
        names = tuple(audioset_classes(WEIGHTS))
        return Leg("yamnet", file_hash(self._weights), names, SOUND_CHANNELS)

    @cached_property
    def _model(self) -> YamNetModel:
        return YamNetModel(load_yamnet(self._weights), *_place(self._settings))

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
        first, n_samples = 0, 0
        for waveform in _parts(path, scratch, is_substitute=is_substitute):
            if waveform is None:
                first, n_samples = 0, 0
                continue
            n_samples += len(waveform)
            last = max(1, (n_samples + SAMPLE_RATE // 2) // SAMPLE_RATE)
            last = last if seconds is None else min(-(-n_samples // SAMPLE_RATE), seconds)
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
        spans = [(float(k), float(k + 1)) for k in range(seconds)]
        for block in self._model.blocks(Recording(waveform, SAMPLE_RATE), spans):
            yield ScoredBlock(first, block.scores, block.embedding)
            first += len(block.scores)


class PictureLeg:
    """Scores of the picture.

    Args:
        weights: file of EfficientNet-Lite0.
        settings: how the network runs.
    """

    def __init__(self, weights: Path, settings: NetworkSettings) -> None:
        self._weights, self._settings = weights, settings

    @property
    def kind(self) -> Leg:
        """What its scores are."""
        names = tuple(imagenet_classes())
        return Leg("efficientnet_lite0", file_hash(self._weights), names, PICTURE_CHANNELS)

    @cached_property
    def _model(self) -> EfficientNetLite0Model:
        network = load_efficientnet_lite0(self._weights)
        return EfficientNetLite0Model(network, *_place(self._settings))

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
        for block in self._model.blocks(MiddleFrames(path, rows, "decoded")):
            yield ScoredBlock(first, block.scores, block.embedding)
            first += len(block.scores)


def _parts(path: Path, scratch: Path, *, is_substitute: bool) -> Iterator[Signal | None]:
    """Yield a file's sound, SECONDS_AT_ONCE and then the rest; None where it begins again."""
    size, held = SECONDS_AT_ONCE * SAMPLE_RATE, np.zeros(0, np.float32)
    with lent_worker() as worker:
        items = worker.items(sound_blocks, path, SOUND, scratch, is_substitute=is_substitute)
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


def _place(settings: NetworkSettings) -> tuple[torch.device, torch.dtype]:
    """Return where a network runs, and its precision."""
    torch.backends.cuda.matmul.allow_tf32 = settings.allow_tf32
    torch.backends.cudnn.allow_tf32 = settings.allow_tf32
    return resolve_device(settings.device), getattr(torch, settings.dtype)
