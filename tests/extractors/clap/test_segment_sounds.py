import numpy as np
import pytest

from avlib.extractors.clap.log_mel import CLAP_SAMPLES, segment_bounds, stretch_indices


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
