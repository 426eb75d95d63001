"""VGGish features: log-mel patches of 0.96 s, the network's embeddings, and their 8-bit form.

Source: Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017, and
the AVE features of Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV
2018, which cut every second on its own and resample it with resampy.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.intervals import interval_samples
from avlib.extractors.kaiser_resample import resample_kaiser_best
from avlib.extractors.mel_bands import (
    FRAME_SAMPLES,
    HOP_SAMPLES,
    N_MELS,
    SAMPLE_RATE,
    log_mel_bands,
)
from avlib.extractors.vggish.network import EMBEDDING, PATCH_FRAMES, VGGish
from avlib.io.arrays import read_arrays
from avlib.io.packs import Waveform, as_float32

FloatArray = NDArray[np.float64]

LOG_OFFSET = 0.01
PATCH_SAMPLES = FRAME_SAMPLES + (PATCH_FRAMES - 1) * HOP_SAMPLES  # 0.975 s; shorter gives no patch
QUANTISED_RANGE = 2.0  # the 8-bit form holds -2 to 2


def patches(waveform: FloatArray, sample_rate: int) -> NDArray[np.float32]:
    """Return the successive patches of a signal (n_samples,) in [-1, 1], the rest dropped.

    Returns:
        (P, PATCH_FRAMES, N_MELS) float32; P is 0 below PATCH_SAMPLES at SAMPLE_RATE.
    """
    resampled = resample_kaiser_best(waveform, sample_rate, SAMPLE_RATE)
    bands = log_mel_bands(resampled, LOG_OFFSET)
    n_patches = len(bands) // PATCH_FRAMES
    cut = bands[: n_patches * PATCH_FRAMES].astype(np.float32)
    return cut.reshape(n_patches, PATCH_FRAMES, N_MELS)


def interval_patch(
    waveform: Waveform, start_s: float, stop_s: float, sample_rate: int
) -> NDArray[np.float32]:
    """Return the first patch of an interval, which is cut out before it is resampled.

    Args:
        waveform: a recording; beyond its end the interval is zero-padded.
        start_s: start of the interval in seconds.
        stop_s: end of the interval in seconds.
        sample_rate: samples per second of `waveform`, in Hz.

    Returns:
        (PATCH_FRAMES, N_MELS) float32.

    Raises:
        DataError: if the interval is shorter than a patch.
    """
    first, last = interval_samples(start_s, stop_s, sample_rate=sample_rate)
    sound = as_float32(np.asarray(waveform[first:last])).astype(np.float64)
    found = patches(np.pad(sound, (0, last - first - len(sound))), sample_rate)
    if not len(found):
        raise DataError(
            f"an interval from {start_s} s to {stop_s} s is shorter than a patch of VGGish, "
            f"{PATCH_SAMPLES / SAMPLE_RATE} s"
        )
    return np.asarray(found[0])


def second_patches(waveform: Waveform, sample_rate: int) -> NDArray[np.float32]:
    """Return one patch for every whole second of a recording: (seconds, PATCH_FRAMES, N_MELS)."""
    seconds = len(waveform) // sample_rate
    found = [interval_patch(waveform, s, s + 1, sample_rate) for s in range(seconds)]
    return np.stack(found) if found else np.empty((0, PATCH_FRAMES, N_MELS), np.float32)


class Pca(NamedTuple):
    """The published parameters of the 8-bit form."""

    eigenvectors: FloatArray  # (EMBEDDING, EMBEDDING), a component in each row
    means: FloatArray  # (EMBEDDING,)


def read_pca(path: Path) -> Pca:
    """Return the parameters in `vggish_pca_params.npz`.

    Raises:
        DataError: if the file cannot be read or holds other arrays.
    """
    arrays = read_arrays(path)
    shapes = {"pca_eigen_vectors": (EMBEDDING, EMBEDDING), "pca_means": (EMBEDDING,)}
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].size != np.prod(shape):
            raise DataError(f"{path}: no array {name} {shape}")
    return Pca(*(arrays[name].astype(np.float64).reshape(s) for name, s in shapes.items()))


def quantise(embeddings: NDArray[np.floating], pca: Pca) -> NDArray[np.uint8]:
    """Return the 8-bit form (N, EMBEDDING) of embeddings, cut to integers as TensorFlow has it."""
    components = (embeddings - pca.means) @ pca.eigenvectors.T
    clipped = np.clip(components, -QUANTISED_RANGE, QUANTISED_RANGE)
    return ((clipped + QUANTISED_RANGE) * (255.0 / (2 * QUANTISED_RANGE))).astype(np.uint8)


@torch.inference_mode()
def embed(
    network: VGGish, spectrograms: NDArray[np.float32], batch_size: int
) -> Iterator[NDArray[np.float32]]:
    """Yield embeddings of patches (N, PATCH_FRAMES, N_MELS) in batches: (at most B, EMBEDDING)."""
    parameter = next(network.parameters())
    for first in range(0, len(spectrograms), batch_size):
        x = torch.from_numpy(spectrograms[first : first + batch_size])
        yield network(x.to(parameter.device, parameter.dtype)).float().cpu().numpy()
