import numpy as np
import pytest

from avlib.extractors.mel_bands import N_MELS
from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.statistics.pictures import LENGTHS, picture_statistics
from avlib.extractors.statistics.sound import LOG_OFFSET, sound_statistics

TIME = np.arange(16_000) / 16_000


def test_silence_has_the_offset_alone_and_nothing_changes():
    mean, deviation, change = sound_statistics(np.zeros(16_000)).reshape(3, N_MELS)
    assert mean == pytest.approx(np.log(LOG_OFFSET))
    assert deviation == pytest.approx(0) and change == pytest.approx(0)


def test_a_tone_is_in_one_band_and_a_click_changes_it():
    tone = np.sin(2 * np.pi * 1000 * TIME)
    mean, _, change = sound_statistics(tone).reshape(3, N_MELS)
    _, _, struck = sound_statistics(tone * (TIME % 0.1 < 0.05)).reshape(3, N_MELS)
    band = mean.argmax()
    assert mean[band] > mean.mean() + 3
    assert struck[band] > change[band] + 0.1


def test_a_part_shorter_than_two_frames_is_zero_padded():
    assert np.isfinite(sound_statistics(np.ones(10))).all()


def test_colours_histogram_and_edges_of_half_a_red_picture():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30, 0] = 255
    colours, histogram, edges = np.split(picture_statistics(image), np.cumsum(LENGTHS)[:-1])
    cells = colours.reshape(8, 8, 3)
    assert cells[:, :3, 0] == pytest.approx(1) and cells[:, 5:].max() == 0
    assert (histogram**2).sum() == pytest.approx(1, abs=1e-5)
    angles = edges.reshape(4, 4, 8)
    assert angles[..., 0].max() > 1  # the edge is upright: it changes from left to right
    assert angles[..., 1:].max() == 0


@pytest.mark.parametrize("name", ["sound_statistics", "picture_statistics"])
def test_the_registry_has_their_widths_and_no_weights(name):
    row = EXTRACTORS[name]
    made = {
        "sound_statistics": sound_statistics(np.zeros(16_000)),
        "picture_statistics": picture_statistics(np.zeros((9, 9, 3), np.uint8)),
    }
    assert made[name].shape == row.shape and not row.weights and row.package is None
