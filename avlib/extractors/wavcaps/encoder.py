"""ASE's embeddings of the sounds of clips, and of texts.

Source: Mei et al., "WavCaps", 2023; Oncescu et al., "A Sound Approach", ICASSP 2024.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.random import Generator
from torch import Tensor

from avlib.extractors.embedding import ClipFiles, TextFiles, Vectors
from avlib.extractors.embedding import embed_clips as embed_with
from avlib.extractors.embedding import embed_texts as embed_texts_with
from avlib.extractors.encoder_network import LoadedNetwork, TokenEncoder
from avlib.extractors.htsat_tower import HtsatTower
from avlib.extractors.sound_encoder import ClipSettings, SoundEncoder
from avlib.extractors.wavcaps.log_mel import (
    CLIP_SAMPLES,
    Resampler,
    clip_at_rate,
    resampled_length,
    sound_mel,
)
from avlib.extractors.wavcaps.network import Ase
from avlib.extractors.wavcaps.weights import load_ase
from avlib.extractors.weights import write_report
from avlib.io.packs import Waveform

LONGEST_TEXT = 30  # tokens, [CLS] and [SEP] included
_SPACE_BEFORE_MARK = re.compile(r'\s([,.!?;:"](?:\s|$))')
_MARKS = re.compile(r'[(),.!?;:|*"]')


@dataclass(frozen=True, kw_only=True)
class AseSettings(ClipSettings):
    """Settings of ASE.

    Attributes:
        resampler: from 48 to 32 kHz; `kaiser_best` as published.
        clean_captions: whether texts lose their punctuation, as those that it was trained on.
    """

    resampler: Resampler = "kaiser_best"
    clean_captions: bool = False


def clean_caption(text: str) -> str:
    """Return a text as those of the training are: in lower case, and without punctuation."""
    text = _SPACE_BEFORE_MARK.sub(r"\1", text.lower()).replace("  ", " ")
    return _MARKS.sub(" ", text).replace("  ", " ")


class _LoadedAse(LoadedNetwork[AseSettings, Ase]):
    module = "avlib.extractors.wavcaps.encoder"
    libraries = (soxr.__version__,)

    def load(self) -> Ase:
        """Return the network of the checkpoint."""
        return load_ase(self.checkpoint).to(self.device, self.dtype)


class AseSounds(_LoadedAse, SoundEncoder[AseSettings, Ase]):
    """Embeds the sounds of clips."""

    @cached_property
    def _tower(self) -> HtsatTower:
        return HtsatTower(self.network.audio)

    def is_cropped(self, n_samples: int) -> bool:
        """Return whether a clip is longer than ten seconds."""
        return resampled_length(n_samples) > CLIP_SAMPLES

    def inputs(self, sound: Waveform, draws: Generator | None) -> tuple[Tensor, ...]:
        """Return the log-mel (1, frames, bands) of a clip."""

        def choose(last: int) -> int:
            assert draws is not None
            return int(draws.integers(last, endpoint=True))

        samples = clip_at_rate(sound, self.settings.resampler, choose)
        return (sound_mel(torch.from_numpy(samples).to(self.mel_device))[None],)

    @torch.inference_mode()
    def embed(self, inputs: Sequence[Tensor]) -> Vectors:
        """Return the embeddings of log-mels."""
        (log_mels,) = inputs
        vectors = self.network.project_sounds(self._tower(log_mels.to(self.device, self.dtype)))
        return np.asarray(vectors.float().cpu().numpy())


class AseTexts(_LoadedAse, TokenEncoder[AseSettings, Ase]):
    """Embeds texts."""

    encoding = "BERT"

    @property
    def longest(self) -> int:
        """Word pieces of a text."""
        return min(LONGEST_TEXT, self.network.sizes.positions)

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the word pieces of texts, without punctuation where that is set."""
        cleans = self.settings.clean_captions
        return super().tokenise(list(map(clean_caption, texts)) if cleans else texts)


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it fits the network.

    Raises:
        CheckpointError: if it does not.
    """
    write_report(target, checkpoint, {"structure": asdict(load_ase(checkpoint).sizes)})


def embed_clips(files: ClipFiles, settings: Mapping[str, Any]) -> None:
    """Write the embeddings of the clips of a shard; see `row.Extractor`."""
    embed_with(files, AseSounds(files, AseSettings(**settings)))


def embed_texts(files: TextFiles, settings: Mapping[str, Any]) -> None:
    """Write the embeddings of texts; see `row.Extractor`."""
    embed_texts_with(files, AseTexts(files, AseSettings(**settings)))
