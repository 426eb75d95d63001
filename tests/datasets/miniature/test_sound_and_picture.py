import numpy as np
import pytest

from avlib.datasets.llp import CLASSES
from avlib.datasets.miniature.scenes import LLP_THINGS, draw_scene, mix_sounds
from avlib.datasets.miniature.sound import band_noise, gate, synthesise
from avlib.datasets.miniature.things import THINGS
from avlib.datasets.miniature.video import SAMPLE_RATE

RATE = 8000


@pytest.mark.parametrize("label", THINGS)
def test_every_thing_sounds_in_every_second(label):
    sound = synthesise(THINGS[label][0], 4 * RATE, RATE, np.random.default_rng(0))
    assert np.abs(sound).max() == 1
    assert sound.reshape(4, -1).std(axis=1).min() > 0.01


@pytest.mark.parametrize("label", THINGS)
def test_every_thing_covers_a_part_of_the_picture(label):
    shown = np.array([[True, False]])
    look = THINGS[label][1]
    frames = draw_scene([look], shown, (64, 48), np.random.default_rng(0)).astype(float)
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


def test_things_of_llp_are_of_its_classes_and_all_different():
    assert set(LLP_THINGS) < set(CLASSES)
    assert sorted(map(repr, LLP_THINGS.values())) == sorted(map(repr, THINGS.values()))


@pytest.mark.parametrize("first", [0, 3, 6, 9])
def test_each_shape_of_a_scene_is_mostly_visible_when_it_is_shown(first):
    looks = [look for _, look in LLP_THINGS.values()][first : first + 3]
    frames = 12

    def draw(*shown):
        visible = np.repeat([[number in shown] for number in range(3)], frames, axis=1)
        return draw_scene(looks, visible, (64, 48), np.random.default_rng(first)).astype(int)

    empty, together = draw(), draw(0, 1, 2)
    covers = [np.abs(draw(number) - empty).max(axis=-1) > 40 for number in range(3)]
    for number, cover in enumerate(covers):
        is_left = cover & (np.abs(together - draw(number)).max(axis=-1) == 0)
        assert cover.mean() > 0.02
        assert is_left.sum() > 0.6 * cover.sum()


def test_sounds_of_a_scene_are_heard_in_their_seconds_over_a_murmur():
    is_heard = np.array([[True, True, False, False], [False, True, True, False]])
    timbres = [LLP_THINGS[name][0] for name in ("Fire_alarm", "Frying_(food)")]
    sound = mix_sounds(timbres, is_heard, np.random.default_rng(0))
    assert (sound.shape, sound.dtype) == ((2, 4 * SAMPLE_RATE), np.float32)
    power = np.abs(np.fft.rfft(sound.mean(axis=0).reshape(4, -1))) ** 2  # one bin is 1 Hz
    horn, hiss = power[:, 250:2000].sum(axis=1), power[:, 6500:9500].sum(axis=1)
    for level, is_on in zip((horn, hiss), is_heard, strict=True):
        assert level[is_on].min() > 20 * level[~is_on].max()
    assert 0 < np.abs(sound[:, -SAMPLE_RATE // 2 :]).max() < 0.02


def test_many_sounds_together_stay_within_full_scale():
    timbres = [timbre for timbre, _ in LLP_THINGS.values()]
    sound = mix_sounds(timbres, np.ones((len(timbres), 1), np.bool_), np.random.default_rng(0))
    assert 0.5 < np.abs(sound).max() <= 1
