import numpy as np
import pytest
import torch
import torchaudio.functional as audio

from avlib.errors import DataError
from avlib.extractors.clap.log_mel import (
    CLAP_SAMPLES,
    chunk_ranges,
    four_copies,
    fused_mels,
    log_mel,
    quantise,
    repeat_pad,
    segment_bounds,
    segment_mels,
    stretch_indices,
    stretched_mel,
)


def tone(n_samples, frequency_hz=1000.0):
    t = np.arange(n_samples) / 48_000
    return (0.5 * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)


def first(r):
    return int(r[0])


def test_samples_are_clipped_and_cut_towards_zero():
    given = np.array([-2, -1, -1.9 / 32767, 0.9 / 32767, 1.9 / 32767, 1, 3], np.float32)
    expected = np.array([-32767, -32767, -1, 0, 1, 32767, 32767]) / 32767
    np.testing.assert_allclose(quantise(given), expected, rtol=1e-7)


def test_a_short_sound_is_repeated_whole_and_then_silent():
    padded = repeat_pad(np.arange(1, 70_001, dtype=np.float32))
    assert len(padded) == 480_000
    assert np.array_equal(padded[:420_000].reshape(6, 70_000)[5], np.arange(1, 70_001))
    assert not padded[420_000:].any()
    for n in (0, 480_001):
        with pytest.raises(ValueError, match=f"got {n}"):
            repeat_pad(np.zeros(n, np.float32))


def test_a_tone_is_loudest_in_its_band():
    """The bands are evenly spaced in mel from 50 to 14000 Hz; the centre of number 18 is 1081."""
    bands = log_mel(tone(48_000, 1081.0))
    assert bands.shape == (101, 64)
    assert (bands[5:-5].argmax(dim=1) == 18).all()
    assert log_mel(np.zeros(4800, np.float32)).unique().tolist() == [-100.0]


def test_log_mels_are_those_of_all_bins():
    sound = np.random.default_rng(0).standard_normal(100_000, dtype=np.float32)
    window = torch.hann_window(1024)
    power = audio.spectrogram(
        torch.from_numpy(sound), 0, window, 1024, 480, 1024, 2.0, normalized=False
    )
    filters = audio.melscale_fbanks(513, 50.0, 14_000.0, 64, 48_000, None, "htk")
    assert torch.equal(log_mel(sound), audio.amplitude_to_DB(power.T @ filters, 10.0, 1e-10, 0.0))


def test_a_video_has_ten_log_mels_and_a_stretched_one():
    waveform = tone(470_000)
    mels = segment_mels(waveform)
    assert mels.shape == (10, 1001, 64)
    third = quantise(waveform[94_000:141_000])
    torch.testing.assert_close(mels[2], log_mel(repeat_pad(third)), rtol=0, atol=0)
    assert stretched_mel(waveform).shape == (1001, 64)
    whole = tone(480_000)
    torch.testing.assert_close(stretched_mel(whole), log_mel(quantise(whole)), rtol=0, atol=0)


@pytest.mark.parametrize("n", [0, 9, 4_800_010])
def test_what_cannot_be_cut_is_refused(n):
    with pytest.raises(DataError, match=f"{n} samples at 48000 Hz"):
        segment_mels(np.zeros(n, np.float32))


def test_a_sound_of_up_to_ten_seconds_is_shown_four_times():
    mels, is_longer = fused_mels(tone(100_000), first, antialias=True)
    assert not is_longer and mels.shape == (4, 1001, 64)
    expected = four_copies(log_mel(repeat_pad(quantise(tone(100_000))))[None])[0]
    assert torch.equal(mels, expected)


def test_a_few_samples_more_make_no_longer_sound():
    mels, is_longer = fused_mels(tone(480_300), first, antialias=True)
    assert not is_longer and mels.shape == (4, 1001, 64)


def test_chunks_of_a_longer_sound_begin_where_they_are_drawn():
    waveform = tone(600_000, 300.0) * np.linspace(0, 1, 600_000, dtype=np.float32)
    asked = []

    def last(r):
        asked.append((int(r[0]), int(r[-1])))
        return int(r[-1])

    mels, is_longer = fused_mels(waveform, last, antialias=False)
    assert is_longer and asked == [(0, 83), (84, 167), (168, 250)]
    bands = log_mel(quantise(waveform))
    for chunk, start in zip(mels[1:], (83, 167, 250), strict=True):
        assert torch.equal(chunk, bands[start : start + 1001])
    assert mels[0, 0, 0] == pytest.approx(bands[0, 0], abs=5)
    assert mels[0, -1, 30] == pytest.approx(bands[-1, 30], abs=5)


def test_a_range_of_starts_is_never_empty():
    assert [r.tolist() for r in chunk_ranges(1002)] == [[0], [1], [0]]


@pytest.mark.parametrize("n_samples", [10, 95_999, 96_005, 480_256])
def test_segments_have_one_length_and_leave_out_single_samples(n_samples):
    bounds = segment_bounds(n_samples)
    assert (np.diff(bounds, axis=1) == n_samples // 10).all()
    assert bounds[0, 0] == 0 and n_samples - 1 <= bounds[-1, 1] <= n_samples
    assert set((bounds[1:, 0] - bounds[:-1, 1]).tolist()) <= {0, 1}


def test_halves_are_rounded_to_the_even_number():
    assert segment_bounds(15)[:, 0].tolist() == [0, 2, 3, 4, 6, 8, 9, 10, 12, 14]


@pytest.mark.parametrize("n_samples", [1, 7, CLAP_SAMPLES, CLAP_SAMPLES + 1])
def test_a_stretched_clip_has_all_of_its_length(n_samples):
    places = stretch_indices(n_samples)
    assert places.shape == (CLAP_SAMPLES,)
    assert places[0] == 0 and places[-1] == n_samples - 1
    assert (np.diff(places) >= 0).all()


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="9 samples"):
        segment_bounds(9)
    with pytest.raises(ValueError, match="got 0"):
        stretch_indices(0)
