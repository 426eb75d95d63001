import numpy as np
import pytest

from avlib.datasets.miniature.picture import draw_frames
from avlib.datasets.miniature.sound import band_noise, gate, synthesise
from avlib.datasets.miniature.things import THINGS

RATE = 8000


@pytest.mark.parametrize("label", THINGS)
def test_every_thing_sounds_in_every_second(label):
    sound = synthesise(THINGS[label][0], 4 * RATE, RATE, np.random.default_rng(0))
    assert np.abs(sound).max() == 1
    assert sound.reshape(4, -1).std(axis=1).min() > 0.01


@pytest.mark.parametrize("label", THINGS)
def test_every_thing_covers_a_part_of_the_picture(label):
    shown = np.array([True, False])
    look = THINGS[label][1]
    frames = draw_frames(look, shown, (64, 48), np.random.default_rng(0)).astype(float)
    assert frames.shape == (2, 48, 64, 3)
    changed = np.abs(frames[0] - frames[1]).max(axis=-1) > 40
    assert 0.03 < changed.mean() < 0.5


def test_noise_keeps_to_its_band():
    noise = band_noise(RATE, RATE, (1000, 2000), np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert power[1000:2001].sum() / power.sum() == pytest.approx(1)


def test_a_gate_opens_and_closes_in_the_first_moments_of_a_second():
    gain = gate(np.array([True, False, True, True]), RATE, ramp_s=0.01)
    assert len(gain) == 4 * RATE
    assert gain[80:RATE].min() == pytest.approx(1)
    assert gain[RATE + 80 : 2 * RATE].max() == pytest.approx(0, abs=1e-9)
    assert gain[2 * RATE + 80 :].min() == pytest.approx(1)
    assert np.abs(np.diff(gain)).max() < 0.02
