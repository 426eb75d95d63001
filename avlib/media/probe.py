"""What each video file holds, and whether it can be used: the rows of the manifest."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import av
import pandas as pd
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from avlib.io.tables import MANIFEST, write_table
from avlib.media.scan import ScannedVideo, content_hash, read_scan
from avlib.media.truncation import missing_bytes
from avlib.media.videos import is_hdf5, is_safe_id
from avlib.progress import progress


@dataclass(frozen=True)
class VideoInfo:
    """One row of the manifest; the columns are described in `avlib.io.tables.MANIFEST`."""

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
        row = VideoInfo(video.video_id, _readable(video.path), video.split)
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
        row = replace(row, bytes=path.stat().st_size, content_hash=known_hash or content_hash(path))
    except OSError as error:
        return row.left_out("unreadable", f"{error.strerror}; check the file or link")
    if row.bytes == 0:
        return row.left_out("empty", "the file has 0 bytes; download it again")
    if is_hdf5(path):
        return replace(row, has_audio=True)
    lacking = missing_bytes(path)
    if lacking:
        return row.left_out("truncated", f"at least {lacking} bytes are missing; download it again")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            return _describe(row, container)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return row.left_out("unreadable", f"{reason}; download it again")


def _describe(row: VideoInfo, container: InputContainer) -> VideoInfo:
    row = replace(row, has_audio=bool(container.streams.audio))
    if container.streams.audio:
        sound = container.streams.audio[0]
        row = replace(row, audio_rate_hz=sound.rate or None, audio_channels=sound.channels or None)
    pictures = [stream for stream in container.streams.video if not _is_cover(stream)]
    if pictures:
        picture = pictures[0]
        fps = float(picture.average_rate or picture.guessed_rate or 0) or None
        frames, duration_s = _measure(container, picture)
        row = replace(
            row,
            fps=fps,
            frames=frames,
            width=picture.width or None,
            height=picture.height or None,
            duration_s=frames / fps if frames and fps else duration_s,
        )
    if not pictures and not row.has_audio:
        return row.left_out("unreadable", "neither picture nor sound in the file")
    if not row.has_audio:
        return row.left_out("no_audio", "no sound stream in the file")
    return row


def _measure(container: InputContainer, picture: VideoStream) -> tuple[int | None, float | None]:
    """Return the frames and the length in seconds; read the whole file if no index tells them."""
    declared_s = container.duration / av.time_base if container.duration else None
    if picture.frames and "mov" in container.format.name:
        return picture.frames, declared_s
    n_frames = sum(1 for packet in container.demux(picture) if packet.size)
    return n_frames or None, declared_s


def _is_cover(stream: VideoStream) -> bool:
    """Say whether a video stream is only the cover picture of a recording."""
    return bool(stream.disposition & Disposition.attached_pic)


def _readable(path: str | None) -> str:
    """Return a path as text, with the odd bytes of names that are not UTF-8 escaped."""
    return os.fsencode(path or "").decode("utf-8", errors="backslashreplace")
