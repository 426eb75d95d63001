"""Bases of the encoders of the sounds of clips, and of texts: settings, weights, device."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from avlib.device import resolve_device
from avlib.extractors.clip_sounds import ClipStore
from avlib.extractors.embedding import (
    Clip,
    ClipEncoder,
    ClipFiles,
    ClipView,
    FoundClip,
    TextEncoder,
    Vectors,
)
from avlib.extractors.extraction import NetworkSettings
from avlib.io.checkpoints import weights_hash
from avlib.io.embeddings import WHOLE
from avlib.io.packs import BLOCK_SAMPLES, Waveform
from avlib.io.provenance import code_fingerprint
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


class TextNetwork(Protocol):
    """A network with a text tower."""

    def text_embeddings(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Return embeddings (N, embedding) of texts."""


Network = TypeVar("Network", bound=TextNetwork)
Settings = TypeVar("Settings", bound=ClipSettings)


class LoadedNetwork(ABC, Generic[Settings, Network]):
    """The network of a checkpoint, read when it is first needed, and what it decides.

    Args:
        checkpoint: its weights.
        settings: what decides the bytes of embeddings, beside clips or texts.

    Attributes:
        module: of the encoder; its code decides the bytes, too.
    """

    module: ClassVar[str]

    def __init__(self, checkpoint: Path, settings: Settings) -> None:
        self.settings, self.checkpoint = settings, checkpoint
        self.device = resolve_device(settings.device)
        self.dtype = getattr(torch, settings.dtype)
        torch.backends.cuda.matmul.allow_tf32 = settings.allow_tf32
        torch.backends.cudnn.allow_tf32 = settings.allow_tf32

    @cached_property
    def made_by(self) -> str:
        """Everything that decides the bytes of a row, beside the clip or text."""
        # Crops and context are part of a clip's content.
        own = replace(self.settings, seed=0, crop_seeds=(), left_s=0.0, right_s=0.0)
        code = code_fingerprint(self.module)
        return repr((astuple(own), weights_hash(self.checkpoint), code, str(self.device)))

    @cached_property
    def network(self) -> Network:
        """The network, ready to run."""
        return self.load()

    @abstractmethod
    def load(self) -> Network:
        """Return the network of the checkpoint, on the device and in the precision it runs in.

        Raises:
            CheckpointError: if the file cannot be read or does not fit.
        """


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


class TokenEncoder(LoadedNetwork[Settings, Network], TextEncoder):
    """Base of the encoders of texts."""

    @torch.inference_mode()
    def embed(self, token_ids: Tensor) -> Vectors:
        """Return the embeddings of texts, as `TextEncoder.embed`."""
        ids = token_ids.to(self.device)
        vectors = self.network.text_embeddings(ids, torch.ones_like(ids))
        return np.asarray(vectors.float().cpu().numpy())
