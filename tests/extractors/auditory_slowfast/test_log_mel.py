import h5py
import librosa
import numpy as np
import pytest
import torch
from golden.fill import rule_input
from hypothesis import given, settings
from hypothesis import strategies as st

from avlib.extractors.auditory_slowfast.log_mel import (
    N_FRAMES,
    distinct_frames,
    frame_samples,
    interval_log_mels,
    log_mel,
    mel_filters,
    pad_frames,
)
from avlib.extractors.auditory_slowfast.views import view_slices

SILENCE = np.log(np.float32(1e-6))
SECOND = rule_input("log-mel", (24_000,), 0, 0.1)


def by_torch_stft(waveform, sample_rate):
    """The textbook way: zero padding by half an FFT, `torch.stft` in float64."""
    length, hop = frame_samples(sample_rate)
    padded = torch.nn.functional.pad(torch.from_numpy(waveform).double(), (1024, 1024))
    spectrum = torch.stft(
        padded,
        n_fft=2048,
        hop_length=hop,
        win_length=length,
        window=torch.hann_window(length, dtype=torch.float64),
        center=False,
        return_complex=True,
    )
    return torch.log(spectrum.abs().float().T @ mel_filters(sample_rate).T + 1e-6)


def one_by_one(waveform, slices, sample_rate):
    signal = torch.from_numpy(waveform)
    return torch.stack(
        [pad_frames(log_mel(signal[a:b], sample_rate=sample_rate)) for a, b in slices]
    )


@pytest.mark.parametrize("sample_rate", [16_000, 24_000, 48_000])
def test_filters_are_those_of_librosa_bit_for_bit(sample_rate):
    expected = librosa.filters.mel(sr=sample_rate, n_fft=2048, n_mels=128, htk=True, norm=None)
    assert np.array_equal(mel_filters(sample_rate).numpy(), expected)


@settings(max_examples=30)
@given(st.integers(0, 3000), st.sampled_from([16_000, 24_000, 22_050]))
def test_a_slice_has_the_spectrogram_of_the_textbook(n_samples, sample_rate):
    spectrogram = log_mel(torch.from_numpy(SECOND[:n_samples]), sample_rate=sample_rate)
    expected = by_torch_stft(SECOND[:n_samples], sample_rate)
    torch.testing.assert_close(spectrogram, expected, atol=1e-5, rtol=0)


def test_quiet_bands_beside_a_loud_tone_are_not_drowned():
    t = np.arange(16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    spectrogram = log_mel(torch.from_numpy(tone), sample_rate=16_000)
    torch.testing.assert_close(spectrogram, by_torch_stft(tone, 16_000), atol=1e-5, rtol=0)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 15_999)), max_size=6),
    st.integers(0, 20_000),
)
def test_sharing_frames_between_slices_changes_nothing(starts_and_lengths, n_samples):
    waveform = SECOND[:n_samples]
    slices = [(start, start + length) for start, length in starts_and_lengths]
    fast = interval_log_mels(waveform, slices, sample_rate=16_000)
    assert fast.shape == (len(slices), N_FRAMES, 128)
    if slices:
        expected = one_by_one(waveform, slices, 16_000)
        torch.testing.assert_close(fast, expected, atol=2e-6, rtol=0)


def test_many_overlapping_intervals_equal_single_slices():
    waveform = rule_input("log-mel", (60_000,), 1, 0.1)
    slices = [
        view
        for k in range(12)
        for view in view_slices(0.2 * k, 0.2 * k + 1.1, sample_rate=24_000, views=3)
    ]
    fast = interval_log_mels(waveform, slices, sample_rate=24_000)
    torch.testing.assert_close(fast, one_by_one(waveform, slices, 24_000), atol=2e-6, rtol=0)


def test_a_ten_second_recording_needs_each_frame_once():
    slices = [view_slices(0.2 * k, 0.2 * k + 1.1, sample_rate=16_000, views=1) for k in range(45)]
    first, last = np.array(slices)[:, 0].T
    frames = distinct_frames(first, last, length=160, hop=80)
    shared, edges = 10 * 200 - 40, 2 * 45
    assert len(frames.begin) <= shared + edges


def test_a_slice_after_the_end_is_an_image_of_silence():
    fast = interval_log_mels(SECOND, [(30_000, 46_000)], sample_rate=16_000)
    assert (fast == SILENCE).all()


def test_16_bit_samples_are_fractions_of_32768(tmp_path):
    samples = np.round(SECOND * 32768).astype(np.int16)
    with h5py.File(tmp_path / "pack.h5", "w") as file:
        stored = file.create_dataset("video", data=samples)
        fast = interval_log_mels(stored, [(100, 9000)], sample_rate=16_000)
    expected = one_by_one(samples.astype(np.float32) / 32768, [(100, 9000)], 16_000)
    torch.testing.assert_close(fast, expected, atol=2e-6, rtol=0)


def test_only_the_span_of_the_slices_is_read():
    class Recording:
        def __len__(self):
            return 10**12

        def __getitem__(self, samples):
            assert samples == slice(10**9, 10**9 + 16_000)
            return SECOND[:16_000]

    slices = [(10**9 + 4000, 10**9 + 16_000), (10**9, 10**9 + 15_000)]
    fast = interval_log_mels(Recording(), slices, sample_rate=16_000)
    expected = one_by_one(SECOND, [(4000, 16_000), (0, 15_000)], 16_000)
    torch.testing.assert_close(fast, expected, atol=2e-6, rtol=0)


def test_a_slice_with_too_many_frames_is_refused():
    with pytest.raises(ValueError, match="201 frames"):
        interval_log_mels(SECOND, [(0, 16_000)], sample_rate=16_000)


@pytest.mark.parametrize("samples", [(-1, 100), (100, 99)])
def test_an_impossible_slice_is_refused(samples):
    with pytest.raises(ValueError, match="slice"):
        interval_log_mels(SECOND, [samples], sample_rate=16_000)


def test_no_slices_give_no_spectrograms():
    assert interval_log_mels(SECOND, [], sample_rate=16_000).shape == (0, N_FRAMES, 128)


@pytest.mark.gpu
def test_the_gpu_agrees_with_the_cpu():
    slices = [(0, 15_983), (3200, 19_183)]
    on_gpu = interval_log_mels(SECOND, slices, sample_rate=16_000, device="cuda")
    on_cpu = interval_log_mels(SECOND, slices, sample_rate=16_000)
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, atol=1e-5, rtol=0)
