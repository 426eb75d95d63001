"""Base of the encoders of the sounds of clips, which come out of packs."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TypeVar

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from avlib.extractors.clip_sounds import ClipStore
from avlib.extractors.embedding import Clip, ClipEncoder, ClipFiles, ClipView, FoundClip
from avlib.extractors.encoder_network import LoadedNetwork, Network
from avlib.extractors.extraction import NetworkSettings
from avlib.io.embeddings import WHOLE
from avlib.io.packs import BLOCK_SAMPLES, Waveform
from avlib.seeds import generator

GPU_BATCH = 32  # clips; a CPU is fastest with one, whose activations fit its caches


@dataclass(frozen=True, kw_only=True)
class ClipSettings(NetworkSettings):
    """Settings of encoders of the sounds of clips, and of texts.

    Attributes:
        crop_seeds: seeds of the crops of clips longer than an input; one row each.
        left_s: context before a clip.
        right_s: context after a clip.
        mel_on_device: whether spectrograms are made where the network runs.
    """

    crop_seeds: Sequence[int] = (0,)
    left_s: float = 0.0
    right_s: float = 0.0
    mel_on_device: bool = False


Settings = TypeVar("Settings", bound=ClipSettings)


class SoundEncoder(LoadedNetwork[Settings, Network], ClipEncoder):
    """Base of the encoders of sounds.

    Args:
        files: the sources are packs of waveforms.
        settings: of the encoder.
    """

    def __init__(self, files: ClipFiles, settings: Settings) -> None:
        super().__init__(files.checkpoint, settings)
        self._store = ClipStore(files, settings.left_s, settings.right_s)
        self.batch_size = GPU_BATCH if self.device.type == "cuda" else 1

    def deciding(self) -> Settings:
        """Return the settings without crops and context, which are part of a clip's content."""
        return replace(super().deciding(), crop_seeds=(), left_s=0.0, right_s=0.0)

    @abstractmethod
    def is_cropped(self, n_samples: int) -> bool:
        """Return whether what the network sees of a clip is drawn at random."""

    @abstractmethod
    def inputs(self, sound: Waveform, draws: Generator | None) -> tuple[Tensor, ...]:
        """Return what the network sees of a clip, without an axis of the batch.

        Args:
            sound: (n_samples,) at 48 kHz, one sample or more.
            draws: of its crop; None unless `is_cropped`.
        """

    def find(self, clip: Clip) -> FoundClip:
        """Return what there is of a clip, as `ClipEncoder.find`."""
        found, sound = self._store.find(clip)
        if sound is None:
            return found
        samples: Waveform = sound if len(sound) > BLOCK_SAMPLES else sound[0 : len(sound)]
        digest, is_silent = sha256(), True
        for block in _blocks(samples):
            digest.update(np.ascontiguousarray(block).data)
            is_silent = is_silent and not block.any()
        views = [ClipView(WHOLE, digest.digest(), partial(self.inputs, samples, None))]
        if self.is_cropped(len(samples)):
            views = [
                ClipView(
                    seed,
                    digest.digest() + repr((seed, clip.event_id)).encode(),
                    partial(self.inputs, samples, generator(seed, "crop", clip.event_id)),
                )
                for seed in self.settings.crop_seeds
            ]
        return replace(found, views=views, is_silent=is_silent)

    @property
    def mel_device(self) -> torch.device:
        """Where spectrograms are made."""
        return self.device if self.settings.mel_on_device else torch.device("cpu")


def _blocks(sound: Waveform) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(sound), BLOCK_SAMPLES):
        yield sound[first : first + BLOCK_SAMPLES]
