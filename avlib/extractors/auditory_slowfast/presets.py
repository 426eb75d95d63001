"""What must travel together for published Auditory SlowFast features (TIM, CVPR 2024)."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Preset:
    """One published extraction.

    Attributes:
        sample_rate: Hz of the audio.
        resampler: how the audio gets there.
        checkpoint: name of the published weights.
        checkpoint_classes: classes of their head, by which the file is recognised.
        train_views: views of each training interval.
        interval_s: length of an interval in seconds.
        hop_s: distance between the starts of two intervals in seconds.
    """

    sample_rate: int
    resampler: Literal["ffmpeg", "soxr"]
    checkpoint: str
    checkpoint_classes: int
    train_views: int
    interval_s: float = 1.1
    hop_s: float = 0.2


PRESETS: dict[str, Preset] = {
    "epic_sounds": Preset(24_000, "ffmpeg", "asf_epicsounds.pyth", 44, train_views=3),
    "perception_test": Preset(24_000, "soxr", "asf_epicsounds.pyth", 44, train_views=3),
    "ave": Preset(16_000, "ffmpeg", "asf_vggsound.pyth", 309, train_views=5),
}
