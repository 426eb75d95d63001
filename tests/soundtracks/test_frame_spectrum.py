import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avlib.soundtracks.frame_spectrum import SHORTEST, HannMagnitudes


def plain(frames):
    """The direct transform, all in float64."""
    window = np.hanning(frames.shape[1] + 1)[:-1]
    return np.abs(np.fft.rfft(frames * window)).T


def decibels_apart(found, expected, floor):
    heard = expected > floor * expected.max()
    return np.abs(20 * np.log10(found[heard] / expected[heard])).max()


@settings(max_examples=25)
@given(n_fft=st.integers(SHORTEST, 2300), n_frames=st.integers(1, 7), seed=st.integers(0, 99))
def test_magnitudes_are_those_of_the_direct_transform(n_fft, n_frames, seed):
    frames = np.random.default_rng(seed).standard_normal((n_frames, n_fft))
    found = HannMagnitudes(n_fft, n_frames)(torch.from_numpy(frames)).numpy()
    assert found.shape == (n_fft // 2 + 1, n_frames)
    assert found.dtype == np.float32
    expected = plain(frames)
    assert np.abs(found - expected).max() < 1e-6 * expected.max()
    assert decibels_apart(found, expected, 1e-3) < 1e-3


@pytest.mark.parametrize("n_fft", [1103, 1201, 401, 552, 801])
def test_loud_bins_do_not_drown_quiet_ones(n_fft):
    """A transform in float32 is off by several times as much here."""
    t = np.arange(n_fft)
    noise = 1e-5 * np.random.default_rng(0).standard_normal(n_fft)
    frames = (np.sin(2 * np.pi * 0.0312 * t) + noise)[None]
    found = HannMagnitudes(n_fft, 1)(torch.from_numpy(frames)).numpy()
    assert decibels_apart(found, plain(frames), 1e-6) < 1e-4


def test_a_workspace_serves_many_calls():
    frames = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 3, 401)))
    magnitudes = HannMagnitudes(401, 3)
    first = magnitudes(frames[0]).clone()
    magnitudes(frames[1])
    assert torch.equal(magnitudes(frames[0]), first)


def test_silence_is_exactly_zero():
    assert not HannMagnitudes(1103, 2)(torch.zeros(2, 1103, dtype=torch.float64)).any()


def test_short_frames_are_refused():
    with pytest.raises(ValueError, match="frames of 63 samples"):
        HannMagnitudes(63, 1)
