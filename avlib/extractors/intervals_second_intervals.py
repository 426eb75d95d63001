"""Intervals of the VGG features of AVE: the whole seconds of a video."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def second_intervals(video_ids: Sequence[str], seconds: int) -> pd.DataFrame:
    """Return the intervals (i, i + 1) of videos of so many seconds.

    Returns:
        table of kind INTERVALS, without frame numbers.
    """
    start_s = np.tile(np.arange(seconds, dtype=np.float64), len(video_ids))
    no_frames = pd.Series(pd.NA, range(len(start_s)), "Int64")
    return pd.DataFrame(
        {
            "interval_id": [f"{v}_{k}" for v in video_ids for k in range(1, seconds + 1)],
            "video_id": np.repeat(np.array(video_ids, object), seconds),
            "start_s": start_s,
            "stop_s": start_s + 1.0,
            "centre_s": start_s + 0.5,
            "start_frame": no_frames,
            "stop_frame": no_frames,
        }
    )
