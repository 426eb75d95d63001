"""Time stamps of the packets of a media file, from its index or by reading it once."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from avlib.media.files import packets
from avlib.media.timeline import (
    GAP_S,
    UNKNOWN,
    AudioTimes,
    Stamps,
    VideoTimes,
    audio_times,
    video_times,
)

MAY_JUMP = 0x0200  # FFmpeg's AVFMT_TS_DISCONT
ENTRIES_APART = 8  # of those in an index that are read
EVEN_S = 0.02  # by which even time stamps may be off their places
# The time stamps of audio in these are but counted samples.
WITHOUT_STAMPS = {"wav", "w64", "aiff", "au", "flac", "mp3", "aac", "caf", "avi"}
# Codecs whose packets all hold as many samples.
SAME_SIZE = {"aac", "mp3", "mp3float", "mp2", "mp2float", "ac3", "eac3", "alac"}

Stream = VideoStream | AudioStream


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes:
        video: its first video stream of more than one frame, if any.
        times: of that stream.
        audio: of the audio stream; None where there is none, or its time stamps say nothing.
        stills: number of video streams of one frame, such as covers of music.
        end: position after the last byte that the index needs; 0 without an index.
    """

    video: VideoStream | None
    times: VideoTimes
    audio: AudioTimes | None
    stills: int
    end: int = 0


def read_content(
    container: InputContainer, audio: AudioStream | None, *, is_whole_index: bool
) -> Content:
    """Measure a file's streams; read it once if its index does not have them.

    Args:
        container: the opened file.
        audio: the stream to measure beside the video streams.
        is_whole_index: whether an index, if the container has one, holds all packets.
    """
    videos = video_streams(container)
    names = set(container.format.name.split(","))
    if names & WITHOUT_STAMPS:
        audio = None
    if not videos and audio is None:
        return Content(None, VideoTimes(0), None, 0)
    streams: list[Stream] = [*videos, *([audio] if audio else [])]
    end = 0
    if "mov" in names and is_whole_index and all(map(_has_index, streams)):
        end = _end_of_packets(streams)
        if indexed := _indexed_content(videos, audio):
            return replace(indexed, end=end)
    stamps = _demuxed(container, streams)
    may_jump = bool(container.format.flags & MAY_JUMP)
    moving = [stream for stream in videos if len(stamps[stream.index].dts) > 1]
    video, times, sound = None, VideoTimes(0), None
    if moving:
        video = moving[0]
        times = _video_times(video, stamps[video.index], may_jump=may_jump)
    if audio is not None:
        clock = stamps[(video or audio).index]
        jumps_s = [jump * clock.tick_s for _, jump in clock.joins(may_jump=may_jump)]
        sound = _audio_times(audio, stamps[audio.index], jumps_s)
    return Content(video, times, sound, len(videos) - len(moving), end)


def _indexed_content(videos: list[VideoStream], audio: AudioStream | None) -> Content | None:
    """Measure the streams of an MP4 file by its index, which says when packets are decoded.

    None stands for a video whose frames are shown in another order and at varying distances.
    """
    video, times, stills, sound = None, VideoTimes(0), 0, None
    for stream in videos:
        found = _even_video(stream) or _video_times(stream, _indexed(stream), may_jump=False)
        if not found.is_constant and stream.codec_context.has_b_frames:
            return None
        if found.frames < 2:
            stills += 1
        elif video is None:
            video, times = stream, found
    if audio is not None:
        sound = _even_audio(audio) or _audio_times(audio, _indexed(audio), [])
    return Content(video, times, sound, stills)


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Return the video streams that can be decoded and are no cover image of a sound file."""
    return [
        stream
        for stream in container.streams.video
        if stream.codec_context and not stream.disposition & Disposition.attached_pic
    ]


def _has_index(stream: Stream) -> bool:
    # Uncompressed audio has an entry for many samples, all of which count as frames.
    n_least = stream.frames if isinstance(stream, VideoStream) else 1
    return 0 < n_least <= len(stream.index_entries)


def _indexed(stream: Stream) -> Stamps:
    """Return the time stamps of a stream by an MP4 file's index."""
    tick_s = float(stream.time_base or 0)
    dts = np.array([e.timestamp for e in stream.index_entries if not e.is_discard], np.int64)
    steps = np.diff(dts)
    usual = int(np.median(steps)) if len(steps) else 0
    # Of the last packet the index does not have it.
    last = (stream.duration or 0) - int(steps.sum())
    if not 0 < last <= steps.max(initial=0):
        last = usual
    lengths = np.append(steps, last)[: len(dts)]
    return Stamps(np.full(len(dts), UNKNOWN, np.int64), dts, lengths, tick_s)


def _even_video(video: VideoStream) -> VideoTimes | None:
    """Return the frames of a video whose index is even at the announced rate, None if it is not.

    A few entries say it: time stamps ascend, so that between two entries that are read none is
    further off than these are apart. Reading all takes about as long as opening the file.
    """
    entries, rate = video.index_entries, video.average_rate
    n = len(entries)
    if n < 2 or not rate or not video.time_base:
        return None
    fps, tick_s, first = float(rate), float(video.time_base), entries[0].timestamp
    for place in (*range(0, n, ENTRIES_APART), n - 1):
        entry = entries[place]
        off_s = (entry.timestamp - first) * tick_s - place / fps
        if entry.is_discard or abs(off_s) > min(EVEN_S, 0.5 / fps):
            return None
    return VideoTimes(n, n / fps, fps, True, fps, 1 / fps)


def _even_audio(audio: AudioStream) -> AudioTimes | None:
    """Return the audio of a stream if by its index nothing is missing, None if that may be."""
    codec, entries, rate = audio.codec_context, audio.index_entries, audio.rate
    if codec.name not in SAME_SIZE or not codec.frame_size or not rate or not audio.time_base:
        return None
    packet_s, n = codec.frame_size / rate, len(entries)
    span_s = float((entries[-1].timestamp - entries[0].timestamp) * audio.time_base)
    if span_s - (n - 1) * packet_s > GAP_S:
        return None
    return AudioTimes(n * packet_s)


def _end_of_packets(streams: Iterable[Stream]) -> int:
    """Return where the last packet of an MP4 file ends."""
    last = [stream.index_entries[-1] for stream in streams]
    return max(entry.pos + entry.size for entry in last)


def _demuxed(container: InputContainer, streams: list[Stream]) -> dict[int, Stamps]:
    columns = {stream.index: array("q") for stream in streams}
    for packet in packets(container, *streams):
        if packet.size and not packet.is_discard:
            pts, dts = packet.pts, packet.dts
            columns[packet.stream_index].extend(
                (
                    UNKNOWN if pts is None else pts,
                    UNKNOWN if dts is None else dts,
                    packet.duration or 0,
                )
            )
    stamps = {}
    for stream in streams:
        rows = np.array(columns[stream.index], np.int64).reshape(-1, 3)
        tick_s = float(stream.time_base or 0)
        stamps[stream.index] = Stamps(rows[:, 0], rows[:, 1], rows[:, 2], tick_s)
    return stamps


def _video_times(video: VideoStream, stamps: Stamps, *, may_jump: bool) -> VideoTimes:
    announced = float(video.average_rate or video.guessed_rate or 0) or None
    joins = stamps.joins(may_jump=may_jump)
    seconds = stamps.seconds(joins)
    frames = len(stamps.dts)
    if not len(seconds):  # a stream without container
        length = frames / announced if announced else None
        return VideoTimes(frames, length, announced, True, announced)
    times = video_times(
        seconds,
        float(stamps.lengths[-1]) * stamps.tick_s if stamps.lengths.any() else None,
        announced=announced,
        guessed=float(video.guessed_rate or 0) or None,
    )
    return replace(times, joins=tuple(joins))


def _audio_times(audio: AudioStream, stamps: Stamps, picture_jumps_s: list[float]) -> AudioTimes:
    """Measure audio by its samples; what the container says of a packet's length may be wrong."""
    codec, rate = audio.codec_context, audio.rate
    steps = np.diff(stamps.dts)
    length, seconds = int(np.median(steps)) if len(steps) else 0, None
    if codec.name in SAME_SIZE and codec.frame_size and rate and stamps.tick_s:
        seconds = len(stamps.dts) * codec.frame_size / rate
        length = round(codec.frame_size / rate / stamps.tick_s)
    if codec.name in SAME_SIZE or not stamps.lengths.any():
        stamps = replace(stamps, lengths=np.full(len(stamps.dts), length, np.int64))
    times = audio_times(stamps, picture_jumps_s)
    return times if seconds is None else replace(times, seconds=seconds)
