import numpy as np
import pytest
from scipy.signal.windows import kaiser

from avlib.extractors import kaiser_resample
from avlib.extractors.kaiser_resample import (
    BETA,
    ROLL_OFF,
    STEPS,
    ZERO_CROSSINGS,
    resample_kaiser_best,
    resample_part,
)


def plain(waveform, from_rate, to_rate):
    """Add up the weighted samples around each place, one sample at a time."""
    entries = ZERO_CROSSINGS * STEPS
    table = ROLL_OFF * np.sinc(ROLL_OFF * np.arange(entries + 1) / STEPS)
    table *= kaiser(2 * entries + 1, BETA)[entries:]
    ratio = to_rate / from_rate
    scale = min(1.0, ratio)
    result = np.zeros(int(len(waveform) * to_rate / from_rate))
    for i in range(len(result)):
        time = i / ratio
        first = int(time)
        for start, direction, distance in (
            (first, -1, scale * (time - first)),
            (first + 1, 1, scale * (1 - time + first)),
        ):
            offset = int(distance * STEPS)
            sample = start
            for entry in range(offset, entries + 1 - int(scale * STEPS) + 1, int(scale * STEPS)):
                if 0 <= sample < len(waveform):
                    after = table[min(entry + 1, entries)]
                    weight = table[entry] + (distance * STEPS - offset) * (after - table[entry])
                    result[i] += scale * weight * waveform[sample]
                sample += direction
    return result


@pytest.mark.parametrize(
    ("rates", "n_samples"),
    [
        ((44_100, 16_000), 700),
        ((8_000, 16_000), 90),
        ((48_000, 16_000), 301),
        ((22_050, 16_000), 2),
    ],
)
def test_the_result_is_the_weighted_sum_of_the_samples_around(rates, n_samples):
    waveform = np.random.default_rng(0).standard_normal(n_samples)
    result = resample_kaiser_best(waveform, *rates)
    np.testing.assert_allclose(result, plain(waveform, *rates), atol=1e-10)


@pytest.mark.parametrize("n_samples", [0, 1, 2, 3, 441, 44_100, 44_101])
def test_the_length_is_cut_to_whole_samples(n_samples):
    result = resample_kaiser_best(np.ones(n_samples), 44_100, 16_000)
    assert len(result) == n_samples * 160 // 441


def test_a_tone_keeps_its_shape_and_what_is_too_high_vanishes():
    time = np.arange(44_100) / 44_100
    low, high = (np.sin(2 * np.pi * f * time) for f in (1000.0, 12_000.0))
    result = resample_kaiser_best(low + high, 44_100, 16_000)
    expected = np.sin(2 * np.pi * 1000.0 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(result[200:-200], expected[200:-200], atol=1e-3)


def test_parts_of_the_work_do_not_change_the_result(monkeypatch):
    waveform = np.random.default_rng(1).standard_normal(3_000)
    whole = resample_kaiser_best(waveform, 44_100, 16_000)
    monkeypatch.setattr(kaiser_resample, "CHUNK_SAMPLES", 97)
    np.testing.assert_array_equal(resample_kaiser_best(waveform, 44_100, 16_000), whole)


def test_the_same_rate_changes_nothing():
    waveform = np.random.default_rng(2).standard_normal(10)
    assert resample_kaiser_best(waveform, 16_000, 16_000) is waveform


@pytest.mark.parametrize("n_samples", [0, 1, 2, 3, 191, 192, 193, 5_000])
def test_a_product_with_the_phases_gives_the_same_samples(n_samples):
    waveform = np.random.default_rng(3).standard_normal(n_samples).astype(np.float32)
    expected = resample_kaiser_best(waveform.astype(float), 48_000, 32_000)
    n_out = -(-n_samples * 2 // 3)  # librosa pads the last sample
    whole = resample_part(waveform, 48_000, 32_000, 0, n_out)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole[: len(expected)], expected, atol=1e-7)
    assert not whole[len(expected) :].any()
    first, last = n_out // 3, n_out - n_out // 5
    part = resample_part(waveform, 48_000, 32_000, first, last)
    np.testing.assert_array_equal(part, whole[first:last])


def test_of_a_long_waveform_only_what_is_needed_is_read():
    read = []

    class Recording:
        def __len__(self):
            return 48_000 * 3600

        def __getitem__(self, samples):
            read.append(samples)
            return np.ones(samples.stop - samples.start, np.float32)

    part = resample_part(Recording(), 48_000, 32_000, 32_000_000, 32_320_000)
    np.testing.assert_allclose(part, 1.0, atol=1e-3)
    assert sum(s.stop - s.start for s in read) < 481_000


def test_phases_that_never_come_back_are_refused():
    with pytest.raises(ValueError, match="44100 to 16000 Hz"):
        resample_part(np.ones(9, np.float32), 44_100, 16_000, 0, 3)
