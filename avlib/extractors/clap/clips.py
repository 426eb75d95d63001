"""CLAP's embeddings of the sounds of clips, and of texts.

Source: Wu et al., ICASSP 2023 (CLAP); Oncescu et al., "A Sound Approach", ICASSP 2024.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
import torchvision
from numpy.random import Generator
from torch import Tensor

from avlib.extractors.clap.extraction import check_weights
from avlib.extractors.clap.log_mel import CLIP_FRAMES, HOP_SAMPLES, fused_mels
from avlib.extractors.clap.network import Clap
from avlib.extractors.clap.weights import load_clap
from avlib.extractors.embedding import ClipFiles, TextFiles, Vectors
from avlib.extractors.embedding import embed_clips as embed_with
from avlib.extractors.embedding import embed_texts as embed_texts_with
from avlib.extractors.encoder_network import LoadedNetwork, TokenEncoder
from avlib.extractors.htsat_tower import HtsatTower
from avlib.extractors.sound_encoder import ClipSettings, SoundEncoder
from avlib.io.packs import Waveform

__all__ = ["check_weights", "embed_clips", "embed_texts"]

LONGEST_TEXT = 512  # tokens
POSITION_OFFSET = 2  # positions of RoBERTa's table that no token has
ShortClips = Literal["reference", "upstream"]


@dataclass(frozen=True, kw_only=True)
class ClapClipSettings(ClipSettings):
    """Settings of CLAP for clips.

    Attributes:
        short_clips: whether clips of one input are fused, too. The published evaluation, one clip
            at a time, does so (`reference`); the package of CLAP's authors does not (`upstream`).
        int16_round_trip: whether samples become those that 16-bit integers hold.
    """

    short_clips: ShortClips = "reference"
    int16_round_trip: bool = False


class _LoadedClap(LoadedNetwork[ClapClipSettings, Clap]):
    module = "avlib.extractors.clap.clips"
    libraries = (torchvision.__version__,)  # shrinks log-mels

    def load(self) -> Clap:
        """Return the network of the checkpoint."""
        return load_clap(self.checkpoint).to(self.device, self.dtype)


class ClapSounds(_LoadedClap, SoundEncoder[ClapClipSettings, Clap]):
    """Embeds the sounds of clips."""

    @cached_property
    def _tower(self) -> HtsatTower:
        return HtsatTower(self.network.model.audio_model)

    def is_cropped(self, n_samples: int) -> bool:
        """Return whether a clip has more frames than an input."""
        return 1 + n_samples // HOP_SAMPLES > CLIP_FRAMES

    def inputs(self, sound: Waveform, draws: Generator | None) -> tuple[Tensor, ...]:
        """Return the log-mels (4, frames, bands) of a clip, and whether they are fused."""
        mels, is_longer = fused_mels(
            sound[0 : len(sound)],
            lambda starts: int(draws.choice(starts)) if draws else int(starts[0]),
            antialias=False,
            int16_round_trip=self.settings.int16_round_trip,
            device=self.mel_device,
        )
        is_fused = is_longer or self.settings.short_clips == "reference"
        return mels.contiguous(), torch.tensor(is_fused)

    @torch.inference_mode()
    def embed(self, inputs: Sequence[Tensor]) -> Vectors:
        """Return the embeddings of log-mels."""
        log_mels, is_fused = inputs
        pooled = self._tower(log_mels.to(self.device, self.dtype), is_fused.to(self.device))
        vectors = self.network.project_sounds(pooled)
        return np.asarray(vectors.float().cpu().numpy())


class ClapTexts(_LoadedClap, TokenEncoder[ClapClipSettings, Clap]):
    """Embeds texts."""

    encoding = "RoBERTa"

    @property
    def longest(self) -> int:
        """Byte pairs of a text."""
        return min(LONGEST_TEXT, self.network.sizes.positions - POSITION_OFFSET)


def embed_clips(files: ClipFiles, settings: Mapping[str, Any]) -> None:
    """Write the embeddings of the clips of a shard; see `row.Extractor`."""
    embed_with(files, ClapSounds(files, ClapClipSettings(**settings)))


def embed_texts(files: TextFiles, settings: Mapping[str, Any]) -> None:
    """Write the embeddings of texts; see `row.Extractor`."""
    embed_texts_with(files, ClapTexts(files, ClapClipSettings(**settings)))
