import math

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from avlib.media.resample import resample_mono


@given(
    n_samples=st.integers(1, 20_000),
    block=st.integers(100, 7_000),
    rates=st.sampled_from([(48_000, 24_000), (44_100, 16_000), (8_000, 24_000), (16_000, 16_000)]),
)
def test_blocks_give_what_the_whole_recording_gives(n_samples, block, rates):
    recording = np.random.default_rng(n_samples).standard_normal((n_samples, 2), np.float32) / 10
    blocks = [recording[i : i + block] for i in range(0, n_samples, block)]
    whole = soxr.resample(recording.mean(axis=1), *rates, quality="HQ")
    result = np.concatenate(list(resample_mono(blocks, *rates)))
    assert len(result) == math.ceil(n_samples * rates[1] / rates[0])
    shared = min(len(result), len(whole))
    np.testing.assert_array_equal(result[:shared], whole[:shared])
    assert not result[shared:].any()


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_are_averaged(channels):
    recording = np.arange(12 * channels, dtype=np.float32).reshape(12, channels)
    (result,) = resample_mono([recording], 16_000, 16_000)
    np.testing.assert_array_equal(result, recording.mean(axis=1))
