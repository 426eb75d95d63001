"""Events of one class in the scores of seconds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avlib.tagging.events import find_events

scores = st.lists(st.sampled_from([0.0, 1.5, 2.25, 3.0]), max_size=30)


def slowly(values, onset, offset, gap, minimum):
    """The same, second by second."""
    runs, open_run = [], []
    for second, value in enumerate([*values, -np.inf]):
        if value >= offset:
            open_run.append(second)
        elif open_run:
            runs.append(open_run)
            open_run = []
    runs = [run for run in runs if any(values[s] >= onset for s in run)]
    joined = []
    for run in runs:
        if joined and run[0] - joined[-1][-1] - 1 <= gap:
            joined[-1] = list(range(joined[-1][0], run[-1] + 1))
        else:
            joined.append(run)
    return [(run[0], run[-1] + 1) for run in joined if len(run) >= minimum]


@given(scores, st.sampled_from([1.5, 2.25]), st.integers(0, 3), st.integers(1, 4))
def test_events_equal_those_found_second_by_second(values, offset, gap, minimum):
    expected = slowly(values, 2.25, offset, gap, minimum)
    assert find_events(values, 2.25, offset, gap, minimum) == expected


def test_a_lower_offset_makes_events_longer_but_no_new_ones():
    values = [0, 1.5, 2.5, 1.6, 0, 0, 0, 1.6, 1.6, 1.6]
    assert find_events(values, 2.25, 1.5, 0, 1) == [(1, 4)]
    assert find_events(values, 2.25, 2.25, 0, 1) == [(2, 3)]


def test_runs_that_are_joined_cover_the_gap():
    assert find_events([3, 3, 0, 0, 3], 2.25, 2.25, 2, 2) == [(0, 5)]
    assert find_events([3, 3, 0, 0, 0, 3], 2.25, 2.25, 2, 2) == [(0, 2)]
