"""Encoding of rendered frames and audio to mp4, with the same bytes every time."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from numpy.typing import NDArray

from avlib.io.atomic import atomic_path

_AUDIO_FRAME = 1024  # samples of one AAC frame


def write_mp4(
    target: Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: int,
    sound: NDArray[np.float32] | None,
    sample_rate: int,
    *,
    aac_coder: Literal["twoloop", "fast"] = "twoloop",
) -> None:
    """Write a video with H.264 frames and stereo AAC audio.

    Args:
        target: file to write.
        frames: T of (height, width, 3) RGB, one or more; height and width even.
        fps: frames per second.
        sound: (2, n_samples) in [-1, 1]; None: the video has no audio stream.
        sample_rate: samples per second of `sound`.
        aac_coder: how the encoder searches; `fast` takes a quarter of the time.
    """
    pictures = iter(frames)
    first = next(pictures)
    with (
        atomic_path(target) as partial,
        # Without "bitexact" the file would name the versions of its writers.
        av.open(str(partial), "w", format="mp4", options={"fflags": "+bitexact"}) as container,
    ):
        video = _add_video(container, fps, *first.shape[:2])
        if sound is not None:
            audio = container.add_stream("aac", rate=sample_rate, layout="stereo")
            audio.bit_rate = 96_000
            audio.options = {"aac_coder": aac_coder}
        for stream in container.streams:
            stream.codec_context.flags |= Flags.bitexact
            stream.codec_context.thread_count = 1
        # None ends a stream.
        for frame in chain(_video_frames(chain([first], pictures), fps), [None]):
            container.mux(video.encode(frame))
        if sound is not None:
            for block in chain(_audio_frames(sound, sample_rate), [None]):
                container.mux(audio.encode(block))


def _add_video(container: OutputContainer, fps: int, height: int, width: int) -> av.VideoStream:
    video = container.add_stream("libx264", rate=fps)
    video.options = {"preset": "veryfast", "crf": "26"}
    video.height, video.width = height, width
    video.pix_fmt = "yuv420p"
    return video


def _video_frames(frames: Iterable[NDArray[np.uint8]], fps: int) -> Iterator[av.VideoFrame]:
    for t, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = t, Fraction(1, fps)
        yield frame


def _audio_frames(sound: NDArray[np.float32], sample_rate: int) -> Iterator[av.AudioFrame]:
    for start in range(0, sound.shape[1], _AUDIO_FRAME):
        samples = np.ascontiguousarray(sound[:, start : start + _AUDIO_FRAME], np.float32)
        block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        block.sample_rate, block.pts = sample_rate, start
        block.time_base = Fraction(1, sample_rate)
        yield block
