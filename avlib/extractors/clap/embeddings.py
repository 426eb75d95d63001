"""The audio teacher of LLP: CLAP's feature map of a video, and what its seconds have of a class.

Source: Lai et al., "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser" (VALOR), NeurIPS 2023, and its published code.
"""

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.extractors.clap.laion import LaionClap
from avlib.extractors.clap.log_mel import (
    SAMPLE_RATE,
    Signal,
    four_copies,
    segment_mels,
    stretched_mel,
)
from avlib.extractors.clap.weights import load_clap
from avlib.io.packs import as_float32
from avlib.media.decode import read_channels
from avlib.media.resample import resample_mono

Backend = Literal["transformers", "laion_clap"]


class ClapNetwork(Protocol):
    """A network with both towers: `network.Clap` or `laion.LaionClap`."""

    @property
    def device(self) -> torch.device:
        """Where the methods take and return tensors."""

    @property
    def dtype(self) -> torch.dtype:
        """The precision of these tensors."""

    def listen(self, log_mels: Tensor, is_longer: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings (B, embedding) and feature maps (B, C, 2, T) of sounds."""

    def text_embeddings(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Return embeddings (N, embedding) of texts."""

    def logits(self, sounds: Tensor, texts: Tensor) -> Tensor:
        """Return the scaled cosines (B, N) of embeddings."""


def open_clap(
    checkpoint: Path,
    backend: Backend,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> ClapNetwork:
    """Return the network of a checkpoint.

    Args:
        checkpoint: the published `630k-fusion-best.pt`, or another that the backend reads.
        backend: the package that runs it; `laion_clap` knows the published size alone.
        device: where it runs.
        dtype: in which precision.

    Raises:
        ConfigError: if the package laion-clap is selected and absent.
        CheckpointError: if the file cannot be read or does not fit.
    """
    if backend == "laion_clap":
        return LaionClap(checkpoint, device, dtype)
    return load_clap(checkpoint).to(device, dtype)


def read_waveform(path: Path) -> Signal:
    """Return the audio of a file as the teacher takes it: (n_samples,) at SAMPLE_RATE.

    The first audio stream at its own rate and 16 bits, the mean of its channels, and soxr's quality
    HQ: this is what librosa's `load` gives.

    Raises:
        DataError: if the file cannot be decoded, or has no sound.
    """
    samples, sample_rate = read_channels(path)
    return np.concatenate(list(resample_mono([as_float32(samples)], sample_rate, SAMPLE_RATE)))


@torch.inference_mode()
def text_embeddings(
    network: ClapNetwork, tokens: NDArray[np.int64], mask: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the embeddings (N, embedding) of captions, N rows of tokens."""
    given = (torch.from_numpy(array).to(network.device) for array in (tokens, mask))
    return network.text_embeddings(*given).float().cpu().numpy()


@torch.inference_mode()
def clap_map(network: ClapNetwork, waveform: Signal) -> NDArray[np.float32]:
    """Return the feature map of a video, stretched to 10 s: (64, 768), not normalised.

    A row is at position = frequency * 32 + time.

    Args:
        network: on the device and in the precision that it runs in.
        waveform: (n_samples,) in [-1, 1] at SAMPLE_RATE, about 10 s.
    """
    _, maps = _listen(network, stretched_mel(waveform)[None])
    whole = maps[0].flatten(1).T  # (2 * T, C)
    return np.ascontiguousarray(whole.float().cpu().numpy())


@torch.inference_mode()
def clap_segments(network: ClapNetwork, waveform: Signal) -> NDArray[np.float32]:
    """Return the embeddings of the segments of a video: (SEGMENTS, embedding), of length 1.

    Args:
        network: on the device and in the precision that it runs in.
        waveform: as `clap_map` takes it.

    Raises:
        DataError: if the audio cannot be cut into segments.
    """
    return sound_embeddings(network, segment_mels(waveform))


@torch.inference_mode()
def sound_embeddings(network: ClapNetwork, log_mels: Tensor) -> NDArray[np.float32]:
    """Return the embeddings (B, embedding), of length 1, of log-mels (B, frames, bands)."""
    embeddings, _ = _listen(network, log_mels)
    return embeddings.float().cpu().numpy()


def _listen(network: ClapNetwork, log_mels: Tensor) -> tuple[Tensor, Tensor]:
    inputs = four_copies(log_mels).to(network.device, network.dtype)
    return network.listen(inputs, torch.zeros(len(inputs), dtype=torch.bool, device=network.device))


@torch.inference_mode()
def clap_logits(
    network: ClapNetwork, embeddings: NDArray[np.float32], texts: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the scaled cosines (SEGMENTS, N) of segments' and texts' embeddings."""
    sounds, sentences = (
        torch.from_numpy(a).to(network.device, network.dtype) for a in (embeddings, texts)
    )
    return network.logits(sounds, sentences).float().cpu().numpy()
