from concurrent.futures import ThreadPoolExecutor

import librosa
import numpy as np
import pytest
import torch

from avlib.errors import DataError
from avlib.soundtracks import images as module
from avlib.soundtracks.images import (
    audio_images,
    clip_borders,
    frame_samples,
    full_scale,
    mel_filters,
    mono,
)

RATE = 44_100
CLIP = 42_336
VARIANTS = ["librosa_0_8", "librosa_0_9"]


def noise(*shape, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) / 10).astype(np.float32)


def images(waveform, sample_rate=RATE, **settings):
    parts = list(audio_images(waveform, sample_rate=sample_rate, **settings))
    return np.concatenate([np.empty((0, 64, 96), np.float32), *parts])


def plain_images(waveform, sample_rate, variant):
    """All of it in float64, clip by clip."""
    n_fft, hop = int(sample_rate * 0.025) + 1, int(sample_rate * 0.01) + 1
    clip = sample_rate * 0.96
    found = []
    for i in range(int(len(waveform) // clip)):
        part = waveform[int(i * clip) : int((i + 1) * clip)].astype(np.float64)
        mode = "reflect" if variant == "librosa_0_8" else "constant"
        padded = np.pad(part, n_fft // 2, mode=mode)
        starts = np.arange(1 + len(part) // hop) * hop
        frames = padded[starts[:, None] + np.arange(n_fft)] * np.hanning(n_fft + 1)[:-1]
        mel = mel_filters(sample_rate, variant).double().numpy() @ np.abs(np.fft.rfft(frames)).T
        level = 10 * np.log10(np.maximum(1e-10, mel**2))
        found.append(np.maximum(level - level.max(), -80))
    return np.array(found)


@pytest.mark.parametrize("rate", [44_100, 48_000, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025])
@pytest.mark.parametrize("variant", VARIANTS)
def test_images_are_those_of_the_plain_way(rate, variant):
    waveform = noise(int(2.1 * rate)) * np.linspace(0, 1, int(2.1 * rate), dtype=np.float32)
    waveform += np.sin(np.arange(len(waveform)) * 0.3, dtype=np.float32)
    found = images(waveform, rate, variant=variant)
    assert found.shape == (2, 64, 96)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain_images(waveform, rate, variant), atol=1e-4)


def test_the_later_variant_is_that_of_librosa():
    waveform = noise(CLIP)
    n_fft, hop = frame_samples(RATE)
    options = {"n_fft": n_fft, "hop_length": hop, "n_mels": 64, "power": 1.0}
    mel = librosa.feature.melspectrogram(y=waveform, sr=RATE, **options)
    expected = librosa.amplitude_to_db(mel, ref=np.max)
    np.testing.assert_allclose(images(waveform, variant="librosa_0_9")[0], expected, atol=1e-4)


@pytest.mark.parametrize("rate", [44_100, 22_050, 16_000, 8_000])
def test_filters_are_those_of_librosa(rate):
    n_fft, _ = frame_samples(rate)
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=64)
    np.testing.assert_allclose(mel_filters(rate, "librosa_0_9"), expected, atol=1e-8)
    moved = not torch.equal(mel_filters(rate, "librosa_0_8"), mel_filters(rate, "librosa_0_9"))
    assert moved == bool(n_fft % 2)


@pytest.mark.parametrize(
    ("n_samples", "count"), [(0, 0), (CLIP - 1, 0), (CLIP, 1), (2 * CLIP - 1, 1), (10 * RATE, 10)]
)
def test_only_whole_clips_give_images(n_samples, count):
    assert len(images(noise(n_samples))) == count


def test_clips_do_not_hear_each_other():
    waveform = noise(3 * CLIP)
    whole = images(waveform)
    np.testing.assert_array_equal(images(waveform[CLIP : 2 * CLIP])[0], whole[1])


def test_memory_is_bounded_and_parts_do_not_matter(monkeypatch):
    waveform = noise(5 * CLIP)
    whole = images(waveform)
    longest = []

    class Recording:
        def __len__(self):
            return len(waveform)

        def __getitem__(self, samples):
            longest.append(samples.stop - samples.start)
            return waveform[samples]

    monkeypatch.setattr(module, "CLIPS_AT_ONCE", 2)
    np.testing.assert_array_equal(images(Recording()), whole)
    assert max(longest) == 2 * CLIP


def test_recordings_do_not_hear_each_other(monkeypatch):
    monkeypatch.setattr(module, "CLIPS_AT_ONCE", 1)
    recordings = [noise(6 * CLIP, seed=seed) for seed in range(4)]
    alone = [images(recording) for recording in recordings]
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(images, recordings)), alone)
    parts = [audio_images(r, sample_rate=RATE) for r in recordings]
    in_turns = list(zip(*parts, strict=True))
    np.testing.assert_array_equal(np.concatenate(in_turns, axis=1), alone)


@pytest.mark.parametrize("rate", [8_000, 4_000])
def test_a_rate_with_other_frames_is_refused_and_named(rate):
    with pytest.raises(DataError, match=rf"clips at {rate} Hz have \d+ frames, expected 96"):
        images(noise(rate), rate)


def test_clips_of_a_rate_with_fractions_follow_each_other():
    borders = clip_borders(5 * 44_056, 44_056)
    assert borders.tolist() == [int(i * 44_056 * 0.96) for i in range(6)]
    assert len(set(np.diff(borders))) == 2
    assert images(noise(5 * 44_056), 44_056).shape == (5, 64, 96)


def test_silence_is_the_loudest_value_as_published():
    assert not images(np.zeros(CLIP, np.float32)).any()


@pytest.mark.parametrize("reference", ["soundtrack", "fixed"])
def test_silence_is_the_quietest_value_with_another_reference(reference):
    waveform = np.concatenate([noise(CLIP), np.zeros(CLIP, np.float32)])
    loud, silent = images(waveform, reference=reference)
    assert (silent == -80).all()
    assert loud.max() > -80


def test_loudness_is_kept_with_another_reference():
    waveform = np.concatenate([noise(CLIP), 0.1 * noise(CLIP)])
    for reference, apart in (("clip", 0), ("soundtrack", 20), ("fixed", 20)):
        first, second = images(waveform, reference=reference)
        assert first.max() - second.max() == pytest.approx(apart, abs=1e-3)


def test_a_sine_of_full_scale_is_0_db():
    hz = 60 * RATE / 1103
    sine = np.sin(2 * np.pi * hz * np.arange(CLIP) / RATE).astype(np.float32)
    assert images(sine, reference="fixed").max() <= 0
    loudest = images(sine * 2, reference="fixed", variant="librosa_0_9").max()
    assert loudest == 0
    assert full_scale(RATE, "librosa_0_9") > 0


def test_the_mean_of_the_channels_is_exact():
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, (1000, 2)).astype(np.int16)
    expected = (samples[:, 0].astype(np.float64) + samples[:, 1]) / 65_536
    np.testing.assert_array_equal(mono(samples), expected)
    np.testing.assert_array_equal(mono(samples[:, 0]), samples[:, 0] / 32_768)
    floats = noise(1000, 3)
    np.testing.assert_allclose(mono(floats), floats.mean(axis=1), atol=1e-7)


def test_16_bit_channels_and_their_mean_give_the_same_images():
    samples = np.round(noise(CLIP, 2) * 20_000).astype(np.int16)
    mean = (samples.astype(np.float32) / 32_768).mean(axis=1)
    np.testing.assert_array_equal(images(samples), images(mean))
