"""The audio teacher of LLP: CLAP's feature map of a video, and what its seconds have of a class.

Source: Lai et al., "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser" (VALOR), NeurIPS 2023, and its published code.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.features.clap_mel import (
    SAMPLE_RATE,
    Signal,
    four_copies,
    segment_mels,
    stretched_mel,
)
from avlib.features.clap_network import Clap
from avlib.io.packs import as_float32
from avlib.media.decode import read_channels
from avlib.media.resample import resample_mono


class ClapOutput(NamedTuple):
    """What the network says of one video."""

    features: NDArray[np.float32]  # (64, 768), position = frequency * 32 + time; not normalised
    embeddings: NDArray[np.float32]  # (SEGMENTS, embedding), of length 1


def read_waveform(path: Path) -> Signal:
    """Return the sound of a file as the teacher hears it: (n_samples,) at SAMPLE_RATE.

    The first sound stream in its own rate and 16 bits, the mean of its channels, and soxr's quality
    HQ: this is what librosa's `load` gives.

    Raises:
        DataError: if the file cannot be decoded, or has no sound.
    """
    samples, sample_rate = read_channels(path)
    return np.concatenate(list(resample_mono([as_float32(samples)], sample_rate, SAMPLE_RATE)))


@torch.inference_mode()
def text_embeddings(
    network: Clap, tokens: NDArray[np.int64], mask: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the embeddings (N, embedding) of texts from `text_tokens`."""
    device = next(network.parameters()).device
    given = (torch.from_numpy(array).to(device) for array in (tokens, mask))
    return network.text_embeddings(*given).float().cpu().numpy()


@torch.inference_mode()
def clap_output(network: Clap, waveform: Signal) -> ClapOutput:
    """Return the feature map of a video, and the embeddings of its segments.

    Args:
        network: on the device and in the precision that it runs in.
        waveform: (n_samples,) in [-1, 1] at SAMPLE_RATE, about 10 s.

    Raises:
        DataError: if the sound cannot be cut into segments.
    """
    parameter = next(network.parameters())
    log_mels = torch.cat([segment_mels(waveform), stretched_mel(waveform)[None]])
    inputs = four_copies(log_mels).to(parameter.device, parameter.dtype)
    is_longer = torch.zeros(len(inputs), dtype=torch.bool, device=parameter.device)
    embeddings, maps = network.listen(inputs, is_longer)
    whole = maps[-1].flatten(1).T  # (2 * T, C)
    return ClapOutput(
        features=np.ascontiguousarray(whole.float().cpu().numpy()),
        embeddings=embeddings[:-1].float().cpu().numpy(),
    )


@torch.inference_mode()
def clap_logits(
    network: Clap, embeddings: NDArray[np.float32], texts: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the scaled cosines (SEGMENTS, N) of segments' and texts' embeddings."""
    parameter = next(network.parameters())
    sounds, sentences = (
        torch.from_numpy(a).to(parameter.device, parameter.dtype) for a in (embeddings, texts)
    )
    return network.logits(sounds, sentences).float().cpu().numpy()
