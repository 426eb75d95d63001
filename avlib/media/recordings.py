"""Recordings that lie in one file or in chunks of 600 s, and what a span of one is read from.

Ego4D's long videos are published cut into files `<recording>/<k>.mp4`, of which the k-th covers
seconds 600k to 600(k + 1); their sound may lie beside them as `<recording>/<k>.flac`. A chunk is a
video of its own, with the id `<recording>#<k>`, and of the shard of its recording.
"""

import unicodedata
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avlib.media.videos import (
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    Video,
    find_files,
    is_hdf5,
    readable,
    sound_files,
    video_id_of,
)

CHUNK_S = 600
_MARK = "#"

Span = tuple[float, float]  # start and stop, seconds of the whole recording


@dataclass(frozen=True)
class Piece:
    """What a span is read from in one chunk.

    Attributes:
        chunk: number of the chunk, from 0.
        start_s: seconds from the start of the chunk.
        duration_s: seconds; None to the end of the chunk.
    """

    chunk: int
    start_s: float
    duration_s: float | None


@dataclass(frozen=True)
class Part:
    """What a span is read from in one file.

    Attributes:
        video_id: of the recording, or of a chunk.
        first: first sample.
        count: number of samples; None to the end of the file.
    """

    video_id: str
    first: int
    count: int | None


def chunk_id(recording: str, number: int | str) -> str:
    """Return the id of a chunk."""
    return f"{recording}{_MARK}{number}"


def recording_of(video_id: str) -> str:
    """Return the recording that a video is a chunk of, or else the video itself."""
    recording, _, number = video_id.rpartition(_MARK)
    return recording if recording and _is_number(number) else video_id


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0")


def extended(span: Span, left_s: float, right_s: float) -> Span:
    """Return start and duration of a span with context, as published code has them.

    Context before the span is left out as a whole where it would begin before the recording.
    """
    start_s, duration_s = span[0], span[1] - span[0] + right_s
    if start_s - left_s >= 0:
        start_s, duration_s = start_s - left_s, duration_s + left_s
    return start_s, duration_s


def sample_range(
    span: Span, sample_rate: int, left_s: float = 0.0, right_s: float = 0.0
) -> tuple[int, int]:
    """Return the first sample of a span with context, and their number, truncated in float64."""
    start_s, duration_s = extended(span, left_s, right_s)
    return int(start_s * sample_rate), int(duration_s * sample_rate)


def pieces(start_s: float, stop_s: float) -> list[Piece]:
    """Return the pieces of chunks that a span of a recording consists of, one or more.

    A chunk is read to its end, wherever that is, if the span goes on in the next one.

    Args:
        start_s: from the start of the whole recording, >= 0.
        stop_s: as `start_s`, and not before it.
    """
    first, last = int(start_s // CHUNK_S), int(stop_s // CHUNK_S)
    offset_s = start_s - CHUNK_S * first
    if first == last:
        return [Piece(first, offset_s, stop_s - start_s)]
    rest_s = stop_s - CHUNK_S * last
    return [
        Piece(first, offset_s, None),
        *(Piece(number, 0.0, None) for number in range(first + 1, last)),
        *([Piece(last, 0.0, rest_s)] if rest_s > 0 else []),
    ]


def parts_of(
    recording: str,
    span: Span,
    sample_rate: int,
    *,
    known: Container[str],
    left_s: float = 0.0,
    right_s: float = 0.0,
) -> list[Part]:
    """Return the samples that a span of a recording is read from, in order, one part or more.

    Args:
        recording: its id.
        span: start, >= 0, and stop on the timeline of the whole recording.
        sample_rate: Hz.
        known: ids of the videos that there are, whole ones and chunks, those that are left out for
            a reason of their own included.
        left_s: context before the span, see `extended`.
        right_s: context after the span.

    Returns:
        samples of the recording's own file; if no such file is known, but a chunk that the span
        lies in is, samples of chunks, not all of which need to be known.
    """
    start_s, _ = extended(span, left_s, right_s)
    stop_s = span[1] + right_s
    cut = pieces(start_s, max(start_s, stop_s))
    ids = [chunk_id(recording, piece.chunk) for piece in cut]
    if recording in known or not any(video_id in known for video_id in ids):
        return [Part(recording, *sample_range(span, sample_rate, left_s, right_s))]
    return [
        Part(
            video_id,
            int(piece.start_s * sample_rate),
            None if piece.duration_s is None else int(piece.duration_s * sample_rate),
        )
        for video_id, piece in zip(ids, cut, strict=True)
    ]


def recording_videos(
    folder: Path,
    spans: Iterable[tuple[str, float, float]],
    split: str,
    *,
    includes_sounds: bool = False,
    left_s: float = 0.0,
    right_s: float = 0.0,
) -> list[Video]:
    """Return the files that spans of recordings are read from, found in a folder by their names.

    Of a recording without a file of its own, the chunks that a span lies in are returned, each
    missing one with a path of None; what has neither is returned as one missing video.

    Args:
        folder: searched with its subfolders.
        spans: recording, start and stop of each, seconds of the whole recording.
        split: of all of them.
        includes_sounds: whether a sound file is found where there is no video.
        left_s: context before the spans.
        right_s: context after the spans.
    """
    wanted = _chunks(spans, left_s, right_s)
    files = _by_id(find_files(folder, VIDEO_SUFFIXES), wanted)
    if includes_sounds:
        files = _by_id(find_files(folder, SOUND_SUFFIXES), wanted) | files
    ids = _ids(wanted, files)
    videos = [Video(i, split, path) for i in ids for path in files.get(i, [None])]
    return sorted(videos, key=lambda video: (video.video_id, video.path or ""))


def recording_ids(
    spans: Iterable[tuple[str, float, float]],
    known: Container[str],
    *,
    left_s: float = 0.0,
    right_s: float = 0.0,
) -> list[str]:
    """Return the ids of what spans of recordings are read from, as `recording_videos` has them.

    Args:
        spans: recording, start and stop of each, seconds of the whole recording.
        known: ids of what there is.
        left_s: context before the spans.
        right_s: context after the spans.
    """
    return sorted(_ids(_chunks(spans, left_s, right_s), known))


def _ids(wanted: Mapping[str, set[int]], known: Container[str]) -> list[str]:
    """Return the recordings, or their wanted chunks where one of these is known instead."""
    found: list[str] = []
    for recording, numbers in wanted.items():
        chunks = [chunk_id(recording, number) for number in sorted(numbers)]
        is_chunked = recording not in known and any(chunk in known for chunk in chunks)
        found += chunks if is_chunked else [recording]
    return found


def recording_sounds(source: Path, recordings: Iterable[str]) -> dict[str, str]:
    """Return the path of the extracted audio of each id, of a recording or of a chunk.

    Args:
        source: HDF5 file, or folder that is searched with its subfolders.
        recordings: ids of those whose chunks are looked for.

    Raises:
        ConfigError: if the source does not exist or is of another kind.
    """
    if is_hdf5(source) or not source.is_dir():
        return sound_files(source)
    found = _by_id(find_files(source, SOUND_SUFFIXES), recordings)
    return {video_id: paths[0] for video_id, paths in found.items()}


def _chunks(
    spans: Iterable[tuple[str, float, float]], left_s: float, right_s: float
) -> dict[str, set[int]]:
    """Return the numbers of the chunks that spans lie in, by recording."""
    numbers: dict[str, set[int]] = {}
    for recording, start_s, stop_s in spans:
        begin_s, _ = extended((start_s, stop_s), left_s, right_s)
        cut = pieces(begin_s, stop_s + right_s)
        numbers.setdefault(recording, set()).update(piece.chunk for piece in cut)
    return numbers


def _by_id(paths: Iterable[str], recordings: Iterable[str]) -> dict[str, list[str]]:
    """Return files by id, a chunk's where the folder has the name of a recording."""
    names = {unicodedata.normalize("NFC", recording): recording for recording in recordings}
    files: dict[str, list[str]] = {}
    for path in paths:
        name = video_id_of(path)
        folder = names.get(unicodedata.normalize("NFC", readable(Path(path).parent.name)))
        is_chunk = folder is not None and _is_number(name)
        video_id = chunk_id(folder or "", name) if is_chunk else names.get(name, name)
        files.setdefault(video_id, []).append(path)
    return files
