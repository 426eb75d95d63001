"""Sound of LLP: which samples of a clip CLAP hears, for each segment and for the whole.

Source: Lai et al. (VALOR), NeurIPS 2023, and its published code. Places are spread evenly over the
clip, and halves are rounded to the even number.
"""

import numpy as np
from numpy.typing import NDArray

SEGMENTS = 10
CLAP_SAMPLES = 480_000  # ten seconds at 48 kHz


def segment_bounds(n_samples: int) -> NDArray[np.int64]:
    """Return the first sample of each of ten segments, and the one after its last: (10, 2).

    All have the same length, so a sample between two of them may be in neither.

    Raises:
        ValueError: if there are fewer samples than segments.
    """
    if n_samples < SEGMENTS:
        raise ValueError(f"{n_samples} samples cannot be cut into {SEGMENTS} segments")
    starts = np.rint(np.linspace(0, n_samples, SEGMENTS + 1)[:-1]).astype(np.int64)
    return np.stack([starts, starts + n_samples // SEGMENTS], axis=1)


def stretch_indices(n_samples: int) -> NDArray[np.int64]:
    """Return the sample that stands at each place of a clip stretched to ten seconds.

    Returns:
        (CLAP_SAMPLES,), from the first to the last of `n_samples`.

    Raises:
        ValueError: if there is no sample.
    """
    if n_samples < 1:
        raise ValueError(f"expected one sample or more, got {n_samples}")
    return np.rint(np.linspace(0, n_samples - 1, CLAP_SAMPLES)).astype(np.int64)
