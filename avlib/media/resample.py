"""Resampling with soxr, as the published Perception Test features have it."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from numpy.typing import NDArray


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
