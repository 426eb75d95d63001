"""Resampling with soxr, as the published Perception Test features have it."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from numpy.typing import NDArray

from avlib.errors import DataError

LARGEST_BLOCK = 1 << 20  # samples
LOWEST_RATE_HZ = 100


def check_rate(sample_rate: int) -> None:
    """Check that a sample rate is one of audio.

    Raises:
        DataError: if it is so low that a small file becomes gigabytes when it is resampled.
    """
    if sample_rate < LOWEST_RATE_HZ:
        raise DataError(f"a sample rate of {sample_rate} Hz is no rate of audio")


def block_size(from_rate: int, to_rate: int) -> int:
    """Return how many samples to resample at once, so that memory is bounded at any ratio."""
    return min(LARGEST_BLOCK, LARGEST_BLOCK * 16 * from_rate // to_rate)


def resample_mono(
    blocks: Iterable[NDArray[np.float32]], from_rate: int, to_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the mean of the channels at another rate, with soxr's quality HQ.

    The result has ceil(n * to_rate / from_rate) samples and equals librosa's `load`, which
    resamples the whole waveform at once (TIM's loader of wav folders).

    Args:
        blocks: successive parts of one waveform, (n_samples, channels).
        from_rate: Hz of the blocks.
        to_rate: Hz of the result.
    """
    if from_rate == to_rate:
        yield from (block.mean(axis=1) for block in blocks)
        return
    stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    n_in = n_out = 0
    for block in blocks:
        n_in += len(block)
        resampled = stream.resample_chunk(block.mean(axis=1))
        n_out += len(resampled)
        yield resampled
    missing = math.ceil(n_in * to_rate / from_rate) - n_out
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)[:missing]
    yield np.pad(rest, (0, missing - len(rest)))
