"""Stage probe_videos: the streams of each file and whether it can be used; the manifest's rows."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from avlib.errors import DataError
from avlib.io.tables import write_table
from avlib.media.files import check_regular, open_media
from avlib.media.resample import LOWEST_RATE_HZ
from avlib.media.scan import ScannedVideo, content_hash, read_scan
from avlib.media.tables import MANIFEST
from avlib.media.truncation import missing_bytes
from avlib.media.videos import is_hdf5, is_safe_id, readable
from avlib.progress import progress

LENGTH_TOLERANCE_S = 0.1  # between what frames at their rate and what timestamps say


@dataclass(frozen=True)
class VideoInfo:
    """One row of the manifest; the columns are described in `avlib.media.tables.MANIFEST`."""

    video_id: str
    path: str
    split: str
    bytes: int | None = None
    content_hash: str | None = None
    duration_s: float | None = None
    fps: float | None = None
    frames: int | None = None
    width: int | None = None
    height: int | None = None
    has_audio: bool | None = None
    audio_rate_hz: int | None = None
    audio_channels: int | None = None
    audio_duration_s: float | None = None
    status: str = "ok"
    message: str = ""

    def left_out(self, status: str, message: str) -> "VideoInfo":
        """Return the row with the reason why the video is not used."""
        return replace(self, status=status, message=message)


def manifest_rows(videos: Iterable[VideoInfo]) -> pd.DataFrame:
    """Return the videos as a table, ordered by id, split and path."""
    columns = list(VideoInfo.__dataclass_fields__)
    rows = pd.DataFrame([asdict(video) for video in videos], columns=columns)
    integers = ["bytes", "frames", "width", "height", "audio_rate_hz", "audio_channels"]
    rows[integers] = rows[integers].astype("Int64")
    rows["has_audio"] = rows["has_audio"].astype("boolean")
    return rows.sort_values(["video_id", "split", "path"], ignore_index=True)


def probe_shard(videos: Path, target: Path) -> None:
    """Write the manifest of the videos that a shard's list names."""
    write_table(manifest_rows(probe_videos(read_scan(videos))), target, MANIFEST)


def probe_videos(videos: Sequence[ScannedVideo]) -> list[VideoInfo]:
    """Return a row for each file, in the order of ids; nothing that is found raises.

    Of several files with one id and split, the first by path is used and the others are left out.
    """
    rows: list[VideoInfo] = []
    first: dict[tuple[str, str], str] = {}
    ordered = sorted(videos, key=lambda v: (v.video_id, v.split, v.path or ""))
    for video in progress(ordered, "probing", "videos", total=len(ordered)):
        row = VideoInfo(video.video_id, readable(video.path or ""), video.split)
        used = first.setdefault((video.video_id, video.split), row.path)
        if used != row.path:
            row = row.left_out("duplicate_id", f"{used} has the same id; rename one of the two")
        elif not is_safe_id(video.video_id):
            row = row.left_out("invalid_id", "the name cannot be a file name; rename the video")
        elif video.path is None:
            row = row.left_out("missing", "no file of that name; download it or drop the id")
        else:
            row = probe_file(row, Path(video.path), known_hash=video.content_hash)
        rows.append(row)
    return rows


def probe_file(row: VideoInfo, path: Path, *, known_hash: str | None = None) -> VideoInfo:
    """Return `row` filled with what the file holds, and with its status."""
    try:
        check_regular(path)
        row = replace(row, bytes=path.stat().st_size, content_hash=known_hash or content_hash(path))
        lacking = 0 if is_hdf5(path) else missing_bytes(path)
    except DataError as error:
        return row.left_out("unreadable", f"{error}; check the file or link")
    except OSError as error:
        return row.left_out("unreadable", f"{error.strerror}; check the file or link")
    if row.bytes == 0:
        return row.left_out("empty", "the file has 0 bytes; download it again")
    if is_hdf5(path):
        return replace(row, has_audio=True)
    if lacking:
        return row.left_out("truncated", f"at least {lacking} bytes are missing; download it again")
    try:
        with open_media(path) as container:
            return _describe(row, container)
    except Exception as error:  # whatever a broken file provokes, it must not stop the others
        reason = getattr(error, "strerror", None) or error
        return row.left_out("unreadable", f"{reason}; download it again")


def _describe(row: VideoInfo, container: InputContainer) -> VideoInfo:
    sound = container.streams.best("audio")
    # A stream of an unknown codec has no context.
    has_audio = isinstance(sound, AudioStream) and sound.codec_context is not None
    row = replace(row, has_audio=has_audio)
    if isinstance(sound, AudioStream) and has_audio:
        rate, channels = sound.rate or None, sound.channels or None
        row = replace(row, audio_rate_hz=rate, audio_channels=channels)
        if rate is not None and rate < LOWEST_RATE_HZ:
            return row.left_out("unreadable", f"the audio has a sample rate of {rate} Hz")
    streams = video_streams(container)
    if streams:
        video = streams[0]
        fps = float(video.average_rate or video.guessed_rate or 0) or None
        frames, duration_s = _measure(container, video)
        row = replace(row, fps=fps, width=video.width or None, height=video.height or None)
        row = replace(row, **_length(frames, duration_s, fps))
    if not streams and not row.has_audio:
        return row.left_out("unreadable", "neither a video nor an audio stream in the file")
    if not row.has_audio:
        return row.left_out("no_audio", "no audio stream in the file")
    return row


def _measure(container: InputContainer, video: VideoStream) -> tuple[int, float | None]:
    """Return the frames and the seconds they last; read the whole file if no index has them."""
    tick_s = float(video.time_base or 0)
    if video.frames and video.duration and "mov" in container.format.name:
        return video.frames, video.duration * tick_s
    spans = [(p.pts, p.duration or 0) for p in container.demux(video) if p.size]
    starts = [pts for pts, _ in spans if pts is not None]
    if not starts:
        return len(spans), None
    stop = max(pts + duration for pts, duration in spans if pts is not None)
    return len(spans), (stop - min(starts)) * tick_s


def _length(frames: int, duration_s: float | None, fps: float | None) -> dict[str, Any]:
    """Return frames and duration of a video stream, as extraction at a constant rate gives them.

    The frames over their rate are the length, as published. Where frames come at varying
    distances, or an edit list hides some, their timestamps are.
    """
    if not frames or not fps:
        return {"frames": frames or None, "duration_s": duration_s}
    length_s = frames / fps
    if duration_s and abs(length_s - duration_s) > max(LENGTH_TOLERANCE_S, 1.5 / fps):
        return {"frames": round(duration_s * fps), "duration_s": duration_s}
    return {"frames": frames, "duration_s": length_s}


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Return the video streams that can be decoded and are no cover image of a sound file."""
    return [
        stream
        for stream in container.streams.video
        if stream.codec_context and not stream.disposition & Disposition.attached_pic
    ]
