import librosa
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from avlib.extractors.wavcaps.encoder import clean_caption
from avlib.extractors.wavcaps.log_mel import (
    CLIP_FRAMES,
    CLIP_SAMPLES,
    clip_at_rate,
    resampled_length,
    sound_mel,
)


def noise(n_samples, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, n_samples).astype(np.float32)


def plain(sound):
    """The transform as a convolution with 1024 taps, of all ten seconds, as published."""
    padded = np.pad(sound, (0, CLIP_SAMPLES - len(sound)))
    mirrored = np.pad(padded.astype(float), 512, mode="reflect")
    angle = 2 * np.pi * np.outer(np.arange(513), np.arange(1024)) / 1024
    window = np.hanning(1025)[:-1]
    kernels = torch.from_numpy(np.stack([np.cos(angle) * window, -np.sin(angle) * window], 1))
    parts = F.conv1d(
        torch.from_numpy(mirrored)[None, None], kernels.flatten(0, 1)[:, None], stride=320
    )
    power = parts[0].unflatten(0, (513, 2)).square().sum(1).numpy()
    filters = librosa.filters.mel(sr=32_000, n_fft=1024, n_mels=64, fmin=50, fmax=14_000)
    return 10 * np.log10(np.maximum(filters @ power, 1e-10)).T


@pytest.mark.parametrize("n_samples", [1, 511, 512, 513, 48_000, 318_900, 319_999, 320_000])
def test_a_sound_gives_the_published_decibels(n_samples):
    sound = noise(n_samples)
    found = sound_mel(torch.from_numpy(sound)).numpy()
    assert found.shape == (CLIP_FRAMES, 64)
    expected = plain(sound)
    heard = expected > -70  # below, rounding errors are as loud as the sound
    np.testing.assert_allclose(found[heard], expected[heard], atol=2e-3)
    np.testing.assert_allclose(found, expected, atol=0.5)
    assert (found[(expected == -100).all(axis=1)] == -100).all()


def test_silence_is_the_floor():
    assert (sound_mel(torch.zeros(5_000)) == -100).all()


@pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 48_001, 479_999])
@pytest.mark.parametrize("resampler", ["kaiser_best", "soxr_hq"])
def test_a_shorter_clip_becomes_two_thirds_of_its_samples(resampler, n_samples):
    clip = noise(n_samples)
    found = clip_at_rate(clip, resampler, lambda last: pytest.fail("nothing is drawn"))
    assert len(found) == resampled_length(n_samples) == int(np.ceil(n_samples * 2 / 3))
    if resampler == "soxr_hq" and n_samples > 4:
        expected = librosa.resample(clip, orig_sr=48_000, target_sr=32_000, res_type="soxr_hq")
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("resampler", ["kaiser_best", "soxr_hq"])
def test_a_longer_clip_is_cropped_after_it_is_resampled(resampler):
    clip, limits = noise(520_001), []
    found = clip_at_rate(clip, resampler, lambda last: limits.append(last) or 10_001)
    last = resampled_length(520_001) - CLIP_SAMPLES
    assert limits == [last] and len(found) == CLIP_SAMPLES
    first, end = (clip_at_rate(clip, resampler, lambda _, s=s: s) for s in (0, last))
    whole = np.concatenate([first, end[CLIP_SAMPLES - last :]])
    np.testing.assert_array_equal(found, whole[10_001 : 10_001 + CLIP_SAMPLES])


def test_the_resamplers_differ_by_hundredths_of_a_decibel():
    clip = noise(480_000, 3)
    one, two = (
        sound_mel(torch.from_numpy(clip_at_rate(clip, name, lambda last: 0)))
        for name in ("kaiser_best", "soxr_hq")
    )
    difference = (one - two)[5:-5].abs()
    assert 1e-6 < difference.max() < 0.03 and difference.mean() < 1e-3


def test_a_caption_loses_case_and_marks_and_pairs_of_spaces():
    assert clean_caption('Door , "slammed" (twice)!') == "door  slammed  twice "
    assert clean_caption("plain text") == "plain text"
