"""Networks of legs that score the classes they were trained on: YAMNet and EfficientNet-Lite0."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.device import resolve_device
from avlib.extractors.efficientnet_lite.images import classes as imagenet_classes
from avlib.extractors.efficientnet_lite.inference import EfficientNetLite0Model, MiddleFrames
from avlib.extractors.efficientnet_lite.network import EMBEDDING as PICTURE_CHANNELS
from avlib.extractors.efficientnet_lite.weights import load_efficientnet_lite0
from avlib.extractors.extraction import NetworkSettings
from avlib.extractors.mel_bands import SAMPLE_RATE
from avlib.extractors.scored import Scored
from avlib.extractors.weights import allow_tf32
from avlib.extractors.yamnet.classes import classes as audioset_classes
from avlib.extractors.yamnet.front_end import Recording
from avlib.extractors.yamnet.inference import YamNetModel
from avlib.extractors.yamnet.network import EMBEDDING as SOUND_CHANNELS
from avlib.extractors.yamnet.weights import load_yamnet
from avlib.io.hashes import file_hash
from avlib.packages import WEIGHTS
from avlib.tagging.archive import Leg


class ClassSeconds(ABC):
    """What both networks share.

    Args:
        weights: file of the network.
        settings: how it runs.
    """

    def __init__(self, weights: Path, settings: NetworkSettings) -> None:
        self._weights, self._settings = weights, settings

    @cached_property
    @abstractmethod
    def kind(self) -> Leg:
        """What its scores are."""

    @property
    def made_by(self) -> str:
        """Everything that decides the bytes, beside the settings and the video."""
        return self.kind.weights


class YamNetSeconds(ClassSeconds):
    """YAMNet: a patch in the middle of each second.

    Attributes:
        sample_rate: of the sound that it takes, in Hz.
    """

    sample_rate = SAMPLE_RATE

    @cached_property
    def kind(self) -> Leg:
        """What its scores are."""
        names = tuple(audioset_classes(WEIGHTS))
        return Leg("yamnet", file_hash(self._weights), names, SOUND_CHANNELS)

    @cached_property
    def _model(self) -> YamNetModel:
        return YamNetModel(load_yamnet(self._weights), *place(self._settings))

    def score(self, waveform: NDArray[np.float32], seconds: int) -> Iterator[Scored]:
        """Yield the seconds of a sound, beyond which there is silence."""
        spans = [(float(k), float(k + 1)) for k in range(seconds)]
        yield from self._model.blocks(Recording(waveform, SAMPLE_RATE), spans)


class EfficientNetSeconds(ClassSeconds):
    """EfficientNet-Lite0: the frame in the middle of each second."""

    @cached_property
    def kind(self) -> Leg:
        """What its scores are."""
        names = tuple(imagenet_classes())
        return Leg("efficientnet_lite0", file_hash(self._weights), names, PICTURE_CHANNELS)

    @cached_property
    def _model(self) -> EfficientNetLite0Model:
        network = load_efficientnet_lite0(self._weights)
        return EfficientNetLite0Model(network, *place(self._settings))

    def score(self, path: Path, rows: pd.DataFrame) -> Iterator[Scored]:
        """Yield the intervals of a video, rows of the interval table."""
        yield from self._model.blocks(MiddleFrames(path, rows, "decoded"))


def place(settings: NetworkSettings) -> tuple[torch.device, torch.dtype]:
    """Return where a network runs, and its precision."""
    allow_tf32(settings.allow_tf32)
    return resolve_device(settings.device), getattr(torch, settings.dtype)
