"""How long the streams of a file last, from the time stamps of their packets.

What headers announce is not believed. Where the clock of a stream starts again or jumps, the parts
are joined as the ffmpeg command joins them on its own timeline.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ticks = NDArray[np.int64]
Floats = NDArray[np.float64]

UNKNOWN = -(2**63)  # FFmpeg's AV_NOPTS_VALUE
JUMP_S = 10.0  # ffmpeg's dts_delta_threshold: a longer gap is a jump of the clock
BACK_S = 0.1  # as far back, a clock has started again
BACK_ELSEWHERE_S = 1.0  # in containers whose clock is not expected to jump
UNEVEN_S = 0.1  # between a frame's time and its place at a constant rate
GAP_S = 0.1  # of audio that is missing
HIGHEST_RATE = 120.0  # frames a second at which frames of varying distances are numbered
USUAL_RATE = 30.0


@dataclass(frozen=True)
class Stamps:
    """Time stamps of a stream's packets in their order in the file.

    Attributes:
        pts, dts: when they are shown and decoded, in ticks; UNKNOWN where the file does not say.
        lengths: in ticks; zero where unknown.
        tick_s: seconds of a tick.
    """

    pts: Ticks
    dts: Ticks
    lengths: Ticks
    tick_s: float

    def joins(self, *, may_jump: bool) -> list[tuple[int, int]]:
        """Return the number of each packet at which the clock jumps, and by how many ticks.

        Args:
            may_jump: whether the container is one whose clock may jump, such as MPEG-TS.
        """
        known = np.flatnonzero(self.dts != UNKNOWN)
        dts, lengths = self.dts[known].astype(np.float64), self.lengths[known]
        steps = np.diff(dts)
        jumps = steps - lengths[:-1]
        if may_jump:
            is_jump = (np.abs(jumps) * self.tick_s > JUMP_S) | (steps * self.tick_s < -BACK_S)
        else:
            is_jump = steps * self.tick_s < -BACK_ELSEWHERE_S
        found = np.flatnonzero(is_jump)
        return list(zip(known[found + 1].tolist(), jumps[found].astype(int).tolist(), strict=True))

    def seconds(self, joins: list[tuple[int, int]]) -> Floats:
        """Return when packets are shown, in order of time, with all jumps of `joins` undone.

        They are counted from the first. Packets without time stamp are shown between those around
        them; without any there are no times.
        """
        ticks = np.where(self.pts != UNKNOWN, self.pts, self.dts)
        known = np.flatnonzero(ticks != UNKNOWN)
        if not len(known):
            return np.empty(0)
        joined = ticks[known].astype(np.float64)
        for number, jump in joins:
            joined[known >= number] -= jump
        ticks = np.sort(np.interp(np.arange(len(ticks)), known, joined))
        return (ticks - ticks[0]) * self.tick_s


@dataclass(frozen=True)
class VideoTimes:
    """The frames of a video stream.

    Attributes:
        frames: their number.
        duration_s: how long they last; None where it is unknown.
        fps: mean number a second; the announced one where frames keep to it.
        is_constant: whether they come at a constant rate, `fps`.
        rate: at which frames are numbered: frame n is the one shown at n / rate seconds.
        longest_s: how long the frame that is shown longest lasts.
        joins: as `Stamps.joins`.
    """

    frames: int
    duration_s: float | None = None
    fps: float | None = None
    is_constant: bool = True
    rate: float | None = None
    longest_s: float = 0.0
    joins: tuple[tuple[int, int], ...] = ()


def video_times(
    seconds: Floats, last_s: float | None, *, announced: float | None, guessed: float | None
) -> VideoTimes:
    """Return the frames of a video stream from the times at which they are shown.

    Args:
        seconds: (N,) times in ascending order, N > 0.
        last_s: how long the last frame lasts, from its time on; None where it is unknown.
        announced: frames a second by the header.
        guessed: frames a second at which the ffmpeg command writes them.
    """
    steps = np.diff(seconds)
    if last_s is None:
        last_s = float(np.median(steps)) if len(steps) else 0.0
    duration_s = float(seconds[-1] - seconds[0]) + last_s
    longest_s = max(float(steps.max(initial=0.0)), last_s)
    mean = len(seconds) / duration_s if duration_s > 0 else None
    is_announced = announced and _off(seconds, announced) <= max(UNEVEN_S, 1.5 / announced)
    if is_announced or (mean and _off(seconds, mean) <= 0.5 / mean):
        fps = announced if is_announced else mean
        assert fps
        length_s = len(seconds) / fps
        return VideoTimes(len(seconds), length_s, fps, True, fps, max(longest_s, 1 / fps))
    rate = max(mean or 0.0, USUAL_RATE)
    if guessed and mean and mean <= guessed <= HIGHEST_RATE:
        rate = guessed
    return VideoTimes(len(seconds), duration_s, mean, False, rate, longest_s)


def _off(seconds: Floats, fps: float) -> float:
    """Return by how many seconds a frame is off its place at a constant rate."""
    return float(np.abs(seconds - seconds[0] - np.arange(len(seconds)) / fps).max())


@dataclass(frozen=True)
class AudioTimes:
    """The audio of a stream.

    Attributes:
        seconds: how long its samples last.
        missing_s: how much of it is missing in the middle, by its time stamps.
        gaps: in how many places.
    """

    seconds: float
    missing_s: float = 0.0
    gaps: int = 0


def audio_times(stamps: Stamps, picture_jumps_s: list[float]) -> AudioTimes:
    """Return how long audio lasts and what is missing of it.

    Args:
        stamps: of its packets, whose lengths are those of their samples.
        picture_jumps_s: jumps of the clock that the picture has as well; there, nothing is missing.
    """
    ticks = np.where(stamps.pts != UNKNOWN, stamps.pts, stamps.dts)
    is_known = ticks != UNKNOWN
    ticks, lengths = ticks[is_known].astype(np.float64), stamps.lengths[is_known]
    gaps = (np.diff(ticks) - lengths[:-1]) * stamps.tick_s
    gaps = gaps[gaps > GAP_S]
    for jump_s in picture_jumps_s:
        gaps = gaps[np.abs(gaps - jump_s) > 1.0]
    seconds = float(stamps.lengths.sum()) * stamps.tick_s
    return AudioTimes(seconds, float(gaps.sum()), len(gaps))
