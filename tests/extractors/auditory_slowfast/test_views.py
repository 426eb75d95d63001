import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlib.extractors.auditory_slowfast.views import view_slices, window_samples
from avlib.extractors.intervals import interval_samples

RATES = st.sampled_from([16_000, 24_000])


def test_the_only_view_begins_with_the_interval_and_is_one_sample_short():
    assert view_slices(0.4, 1.5, sample_rate=16_000, views=1) == [(6400, 6400 + 15_983)]
    assert view_slices(0.6, 1.7, sample_rate=24_000, views=1) == [(14_400, 14_400 + 23_975)]


def test_views_are_spread_from_the_start_to_the_end_of_the_interval():
    first = [a for a, _ in view_slices(0.4, 1.5, sample_rate=16_000, views=5)]
    assert first == [6400, 6804, 7208, 7612, 8016]
    first = [a for a, _ in view_slices(0.6, 1.7, sample_rate=24_000, views=3)]
    assert first == [14_400, 15_612, 16_824]


def test_every_view_of_a_short_interval_is_the_whole_interval():
    assert view_slices(0.2, 0.7, sample_rate=24_000, views=3) == [(4800, 16_800)] * 3


def test_an_interval_as_long_as_a_window_is_not_short():
    assert view_slices(0.0, 0.999, sample_rate=16_000, views=2) == [(0, 15_983)] * 2


def test_samples_are_rounded_half_to_even():
    assert interval_samples(0.5 / 8, 1.5 / 8, sample_rate=8) == (0, 2)


@given(RATES, st.floats(0, 9000), st.floats(0, 5), st.integers(1, 7))
def test_views_lie_inside_the_interval(sample_rate, start_s, duration_s, views):
    stop_s = start_s + duration_s
    start, stop = interval_samples(start_s, stop_s, sample_rate=sample_rate)
    slices = view_slices(start_s, stop_s, sample_rate=sample_rate, views=views)
    assert len(slices) == views
    for first, last in slices:
        assert start <= first <= last <= stop
        if stop - start >= window_samples(sample_rate):
            assert last - first == window_samples(sample_rate) - 1


@pytest.mark.parametrize("start_s, stop_s, views", [(-0.1, 1.0, 1), (1.0, 0.5, 1), (0.0, 1.0, 0)])
def test_an_impossible_interval_is_refused(start_s, stop_s, views):
    with pytest.raises(ValueError, match="got"):
        view_slices(start_s, stop_s, sample_rate=16_000, views=views)
