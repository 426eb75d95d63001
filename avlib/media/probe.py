"""Stage probe_videos: the streams of each file and whether it can be used; the manifest's rows."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import av
import pandas as pd
from av.audio.stream import AudioStream
from av.container import InputContainer

from avlib.errors import DataError
from avlib.io.tables import write_table
from avlib.media.files import check_regular, open_media
from avlib.media.frame_images import open_images
from avlib.media.frame_sources import is_frame_source
from avlib.media.isolation import Worker
from avlib.media.resample import LOWEST_RATE_HZ
from avlib.media.scan import ScannedVideo, content_hash, read_scan
from avlib.media.stamps import Content, read_content
from avlib.media.tables import MANIFEST
from avlib.media.truncation import Extent, extent
from avlib.media.videos import is_hdf5, is_safe_id, readable
from avlib.progress import progress

TOLERATED_S = 1.0  # between the announced and the measured length
TOLERATED_GAPS_S = 0.1  # of missing audio
# A frame is believed to last so long, and longer where there is audio for a share of the video.
LONGEST_FRAME_S, LONGEST_SILENT_FRAME_S = 10.0, 60.0
SOUNDING_SHARE = 1 / 3

_TRUNCATED = "at least {} bytes are missing; download it again"


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


class _Job(NamedTuple):
    """A file to probe: what is known of it, where it is, and what else is known if it is."""

    row: VideoInfo
    path: Path
    known_hash: str | None
    fps: float | None


def probe_videos(videos: Sequence[ScannedVideo]) -> list[VideoInfo]:
    """Return a row for each file, in the order of ids; nothing that is found raises.

    Of several files with one id and split, the first by path is used and the others are left out.
    """
    rows: list[VideoInfo] = []
    jobs: list[_Job] = []
    first: dict[tuple[str, str], str] = {}
    for video in sorted(videos, key=lambda v: (v.video_id, v.split, v.path or "")):
        row = VideoInfo(video.video_id, readable(video.path or ""), video.split)
        used = first.setdefault((video.video_id, video.split), row.path)
        if used != row.path:
            row = row.left_out("duplicate_id", f"{used} has the same id; rename one of the two")
        elif not is_safe_id(video.video_id):
            row = row.left_out("invalid_id", "the name cannot be a file name; rename the video")
        elif video.path is None:
            row = row.left_out("missing", "no file of that name; download it or drop the id")
        else:
            jobs.append(_Job(row, Path(video.path), video.content_hash, video.fps))
            continue
        rows.append(row)
    rows += progress(_probe_apart(jobs), "probing", "videos", total=len(jobs))
    return sorted(rows, key=lambda row: (row.video_id, row.split, row.path))


def _probe_apart(jobs: Sequence[_Job]) -> Iterator[VideoInfo]:
    """Probe files in another process; one that kills it costs itself alone."""
    n_done = 0
    with Worker() as worker:
        while n_done < len(jobs):
            path = jobs[n_done].path
            try:
                # One call for many files: to wait for each takes a tenth of its time.
                for row in worker.items(_probe_each, path, jobs[n_done:]):
                    n_done += 1
                    yield row
            except DataError as error:
                reason = str(error).removeprefix(f"{path}: ")  # the first, which was not the one
                yield jobs[n_done].row.left_out("unreadable", f"{reason}; convert the file")
                n_done += 1


def _probe_each(_first: Path, jobs: Sequence[_Job]) -> Generator[VideoInfo, None, None]:
    for job in jobs:
        yield probe_file(job.row, job.path, known_hash=job.known_hash, fps=job.fps)


def probe_file(
    row: VideoInfo, path: Path, *, known_hash: str | None = None, fps: float | None = None
) -> VideoInfo:
    """Return `row` filled with what the file holds, and with its status.

    Args:
        row: id, path and split.
        path: a file, or a folder or tar of frames.
        known_hash: its content hash, if it is known.
        fps: frames a second, of a folder or tar of frames.
    """
    if is_frame_source(path):
        return _probe_images(row, path, known_hash, fps)
    try:
        check_regular(path)
        row = replace(row, bytes=path.stat().st_size, content_hash=known_hash or content_hash(path))
        reach = Extent(0) if is_hdf5(path) else extent(path)
    except DataError as error:
        return row.left_out("unreadable", f"{error}; check the file or link")
    except OSError as error:
        return row.left_out("unreadable", f"{error.strerror}; check the file or link")
    if row.bytes == 0:
        return row.left_out("empty", "the file has 0 bytes; download it again")
    if is_hdf5(path):
        return replace(row, has_audio=True)
    if reach.missing:
        return row.left_out("truncated", _TRUNCATED.format(reach.missing))
    try:
        with open_media(path) as container:
            return _describe(row, container, is_whole_index=not reach.has_fragments)
    except Exception as error:  # whatever a broken file provokes, it must not stop the others
        reason = getattr(error, "strerror", None) or error
        return row.left_out("unreadable", f"{reason}; download it again")


def _probe_images(
    row: VideoInfo, path: Path, known_hash: str | None, fps: float | None
) -> VideoInfo:
    """Return `row` filled with what a folder or tar of frames holds, and with its status."""
    try:
        row = replace(row, content_hash=known_hash or content_hash(path), has_audio=False)
        images = open_images(path)
        duration_s = images.count / fps if fps else None
        row = replace(row, bytes=images.size_bytes(), frames=images.count)
        row = replace(row, fps=fps, duration_s=duration_s)
        if images.n_missing:
            first, lacking = images.first_missing, f"{images.n_missing} of {images.count}"
            return row.left_out(
                "incomplete",
                f"{lacking} frames are missing, frame {first} the first; extract them again",
            )
        height, width, _ = images.image(1).shape
        row = replace(row, height=height, width=width)
    except DataError as error:
        return row.left_out("unreadable", str(error))
    except OSError as error:
        return row.left_out("unreadable", f"{error.strerror}; check the folder or link")
    return row.left_out("no_audio", "frames have no audio; name that of the videos as `sound`")


def _describe(row: VideoInfo, container: InputContainer, *, is_whole_index: bool) -> VideoInfo:
    sound = container.streams.best("audio")
    # A stream of an unknown codec has no context.
    if not isinstance(sound, AudioStream) or sound.codec_context is None:
        sound = None
    found: dict[str, Any] = {"has_audio": sound is not None}
    if sound is not None:
        found |= {"audio_rate_hz": sound.rate or None, "audio_channels": sound.channels or None}
    content = read_content(container, sound, is_whole_index=is_whole_index)
    video, times = content.video, content.times
    if video is not None:
        found |= {"width": video.width or None, "height": video.height or None}
    status, message = _usable(found, row.bytes or 0, content, container)
    if video is not None and status != "unreadable":
        found |= {"frames": times.frames, "duration_s": times.duration_s, "fps": times.fps}
    return replace(row, **found, status=status, message=message)


def _usable(
    found: Mapping[str, Any], size: int, content: Content, container: InputContainer
) -> tuple[str, str]:
    """Return the status of a file of `size` bytes and a message, from what was found in it."""
    rate, lacking = found.get("audio_rate_hz"), content.end - size
    if rate is not None and rate < LOWEST_RATE_HZ:
        return "unreadable", f"the audio has a sample rate of {rate} Hz"
    if not found["has_audio"] and content.video is None and not content.stills:
        return "unreadable", "neither a video nor an audio stream in the file"
    if lacking > 0:
        return "truncated", _TRUNCATED.format(lacking)
    if content.video is not None and (reason := _doubt(content)):
        return "unreadable", reason
    if not found["has_audio"]:
        return "no_audio", "no audio stream in the file"
    return "ok", "; ".join(_remarks(container, content))


def _doubt(content: Content) -> str | None:
    """Return why the times of the frames cannot be right, None if they can.

    Pictures may stand still for long, but then there is audio meanwhile.
    """
    times, audio = content.times, content.audio
    longest_s, duration_s = times.longest_s, times.duration_s or 0.0
    if longest_s <= (LONGEST_FRAME_S if audio else LONGEST_SILENT_FRAME_S):
        return None
    if audio and audio.seconds >= SOUNDING_SHARE * duration_s:
        return None
    found = f"with {audio.seconds:.1f} s of audio" if audio else "no audio bears it out"
    return (
        f"{times.frames} frames are announced to last {duration_s:.0f} s, one of them "
        f"{longest_s:.0f} s, {found}; convert the file, giving its frame rate"
    )


def _remarks(container: InputContainer, content: Content) -> Iterator[str]:
    """Yield what a user is to know of a file that can be used."""
    video, audio = content.video, content.audio
    if content.stills and video is None:
        yield "its picture is a single frame, so only the audio is used"
    elif video is not None:
        length_s = content.times.duration_s or 0.0
        announced_s = float((video.duration or 0) * (video.time_base or 0))
        if not announced_s and container.duration:  # of the longest stream
            announced_s = container.duration / av.time_base
            length_s = max(length_s, audio.seconds + audio.missing_s if audio else 0.0)
        if announced_s and abs(announced_s - length_s) > TOLERATED_S:
            yield f"announced to last {announced_s:.1f} s, its content lasts {length_s:.1f} s"
    if audio and audio.missing_s > TOLERATED_GAPS_S:
        places = f"{audio.gaps} places" if audio.gaps > 1 else "one place"
        yield (
            f"{audio.missing_s:.1f} s of the audio are missing in {places}; what follows a gap "
            "moves forward"
        )
