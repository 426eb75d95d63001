import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from avlib.extractors.mel_bands import mel_filters
from avlib.extractors.yamnet.front_end import (
    PATCH_SAMPLES,
    Recording,
    all_patches,
    interval_frames,
    interval_patches,
    log_mel,
    padded,
)

RATE = 16_000


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32) / 10


def plain_log_mel(waveform):
    """Return log-mel bands, a frame at a time."""
    bands = []
    for first in range(0, len(waveform) - 399, 160):
        n = np.arange(400)
        frame = waveform[first : first + 400] * (0.5 - 0.5 * np.cos(2 * np.pi * n / 400))
        amplitude = np.abs(np.fft.fft(np.append(frame, np.zeros(112))))[:257]
        bands.append(np.log(amplitude @ mel_filters() + 0.001))
    return np.array(bands)


def plain_patches(waveform, start_s, stop_s):
    """Return first frames and patches of an interval, a patch at a time."""
    a, b = round(100 * start_s), round(100 * stop_s)
    n = b - a
    k = max(1, (n - 96) // 48 + 1)
    starts = [a + (n - 96 - 48 * (k - 1)) // 2 + 48 * j for j in range(k)]
    around = np.pad(waveform, 10 * RATE)
    cut = [around[10 * RATE + 160 * s :][:15_600] for s in starts]
    return starts, [plain_log_mel(sound.astype(np.float64)) for sound in cut]


def test_log_mel_is_that_of_one_frame_after_the_other():
    sound = noise(5_000).astype(np.float64)
    np.testing.assert_allclose(log_mel(sound), plain_log_mel(sound), atol=1e-9)


def test_silence_is_the_logarithm_of_the_offset():
    np.testing.assert_allclose(log_mel(np.zeros(400)), np.log(0.001))


@pytest.mark.parametrize(
    ("n_samples", "length", "count"),
    [(0, 15_600, 1), (4_800, 15_600, 1), (15_600, 15_600, 1), (15_601, 23_280, 2)],
)
def test_a_signal_is_padded_to_a_patch_and_then_to_whole_hops(n_samples, length, count):
    sound = noise(n_samples)
    assert len(padded(sound)) == length
    assert all_patches(sound).shape == (count, 96, 64)


@given(
    start_s=st.integers(-200, 400).map(lambda n: n / 100),
    length_s=st.integers(1, 300).map(lambda n: n / 100),
)
def test_patches_are_centred_in_their_interval(start_s, length_s):
    (first, interval) = interval_frames([(start_s, start_s + length_s)])
    assert not interval.any()
    length = round(100 * (start_s + length_s)) - round(100 * start_s)
    before = first[0] - round(100 * start_s)
    after = length - before - (first[-1] - first[0]) - 96
    assert after - before in (0, 1)
    if length >= 96:
        assert before >= 0 and length - (first[-1] - first[0]) - 96 < 48
    assert (np.diff(first) == 48).all()


def test_patches_of_intervals_are_those_of_the_plain_way_also_beyond_the_ends():
    sound = noise(3 * RATE)
    intervals = [(0.0, 1.0), (0.2, 0.5), (1.0, 2.0), (1.9, 3.0), (0.5, 3.9), (7.0, 8.0), (-1.0, 0)]
    starts, patches = interval_patches(sound, intervals)
    expected = [plain_patches(sound, *interval) for interval in intervals]
    assert starts == [frames for frames, _ in expected]
    plain = np.stack([patch for _, found in expected for patch in found])
    assert patches.dtype == np.float32
    np.testing.assert_allclose(patches, plain, atol=1e-5)


def test_16_bit_samples_are_those_of_their_float_form():
    stored = (noise(RATE) * 32768).astype(np.int16)
    _, whole = interval_patches(stored, [(0, 1)])
    _, floats = interval_patches(stored / np.float32(32768), [(0, 1)])
    np.testing.assert_array_equal(whole, floats)


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100, 48_000])
def test_a_part_is_resampled_as_the_whole_recording_is(rate):
    sound = noise(3 * rate + 77)
    whole = soxr.resample(sound, rate, RATE, quality="HQ")
    for first, last in ((100, 16_000), (12_345, 30_000), (47_000, 48_000)):
        part = Recording(sound, rate).samples(first, last)
        np.testing.assert_allclose(part, whole[first:last], atol=1e-6)


def test_a_tone_has_the_same_patches_at_any_rate():
    def tone(rate):
        return np.sin(2 * np.pi * 440 * np.arange(3 * rate) / rate).astype(np.float32)

    _, expected = interval_patches(tone(RATE), [(1, 2)])
    for rate in (24_000, 44_100):
        _, patches = interval_patches(tone(rate), [(1, 2)], rate)
        np.testing.assert_allclose(patches, expected, atol=0.02)


def test_only_the_samples_of_the_intervals_are_read():
    class Counted:
        read = 0

        def __len__(self):
            return 10_000 * RATE

        def __getitem__(self, part):
            self.read += part.stop - part.start
            return np.zeros(part.stop - part.start, np.int16)

    sound = Counted()
    interval_patches(sound, [(5.0, 6.0), (9_000.0, 9_001.0)])
    assert sound.read == 2 * PATCH_SAMPLES
