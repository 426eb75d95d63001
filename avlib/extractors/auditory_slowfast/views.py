"""Which samples of a recording the views of an interval see.

Source: the published Auditory SlowFast extraction of Chalk et al., "TIM", CVPR 2024. Its window
is one sample shorter than the nominal length, and the first view begins where the interval does.
"""

import numpy as np

from avlib.extractors.intervals import interval_samples

WINDOW_S = 0.999  # nominal length of one network input


def window_samples(sample_rate: int) -> int:
    """Return the nominal length of a window in samples."""
    return round(sample_rate * WINDOW_S)


def view_slices(
    start_s: float, stop_s: float, *, sample_rate: int, views: int
) -> list[tuple[int, int]]:
    """Return the sample range [first, last) of every view of an interval.

    The windows of the views are spread evenly over the interval, from its start to its end. An
    interval shorter than a window is taken whole by every view. Ranges may reach beyond the end
    of the recording.

    Args:
        start_s: start of the interval in seconds, >= 0.
        stop_s: end of the interval in seconds, >= `start_s`.
        sample_rate: samples per second, in Hz.
        views: number of views, >= 1; with one view its window begins with the interval.

    Raises:
        ValueError: if the interval begins before the recording, ends before it begins, or
            `views` is not positive.
    """
    if not 0 <= start_s <= stop_s:
        raise ValueError(f"expected 0 <= start_s <= stop_s, got {start_s} and {stop_s}")
    if views < 1:
        raise ValueError(f"views must be at least 1, got {views}")
    start, stop = interval_samples(start_s, stop_s, sample_rate=sample_rate)
    window = window_samples(sample_rate)
    if stop - start < window:
        return [(start, stop)] * views
    offsets = np.linspace(0, stop - start - window, views)
    # Both ends are cut to integers from the float sum, as published.
    return [(int(start + offset), int(start + offset + window - 1)) for offset in offsets]
