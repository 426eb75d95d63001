"""Operations on the times of clips: how they are written, and what is read of a recording."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from avlib.datasets.captioned import clip_times, clips_of
from avlib.datasets.published import read_published
from avlib.media.recordings import CHUNK_S, Piece, pieces, sample_range
from avlib.verify.operations import Results, operation

FEW_DIGITS = 3


@operation("retrieval", "timestamps")
def timestamps(texts: Sequence[str]) -> Results:
    """Return timestamps in seconds as the published code has them.

    It takes the digits after the point for milliseconds, zeros added up to three, which misreads
    more digits than that; avlib reads those as what they are.
    """
    return {"out": [_published_time(text) for text in texts]}


def _published_time(text: str) -> float:
    whole, _, digits = text.partition(".")
    if len(digits) <= FEW_DIGITS:
        return _times([text])[0]
    return _times([whole])[0] + int(digits) / 1000


def _times(texts: Sequence[str]) -> list[float]:
    column = pd.Series(texts, dtype=object, name="timestamp")
    return [float(value) for value in clip_times(column, Path("the case"))]


@operation("retrieval", "cut_samples")
def cut_samples(
    clips: Path, rows: Sequence[tuple[int, float, float]], *, sample_rate: int
) -> Results:
    """Return the first sample and the number of samples of clips with context.

    Args:
        clips: published table of clips.
        rows: row of the table, seconds before and seconds after the clip.
        sample_rate: Hz.
    """
    names = ("narration_id", "video_id", "start_timestamp", "stop_timestamp")
    table = clips_of(read_published(clips, texts=names), clips)
    spans = list(zip(table["start_s"], table["stop_s"], strict=True))
    return {
        "samples": [
            sample_range(spans[int(row)], sample_rate, left_s, right_s)
            for row, left_s, right_s in rows
        ]
    }


@operation("retrieval", "mcq_clip_plan")
def mcq_clip_plan(
    *,
    clip_start: float,
    clip_end: float,
    left_sec: float,
    right_sec: float,
    bound_sec: float,
    video_files: Sequence[str] = (),
    video_sec: Sequence[float] = (),
) -> Results:
    """Return which chunks the published code reads for a clip: file, offset, duration.

    It compares seconds of a chunk with the ends of chunks on the timeline of the whole recording,
    so that context before the clip is read in chunk 0 only and that after it may be lost or go on
    after the end; chunks in between are lost. avlib cuts on the timeline of the whole recording.
    Without context and with two chunks at most both read the same.

    Args:
        clip_start: seconds of the whole recording.
        clip_end: as `clip_start`.
        left_sec: seconds before the clip.
        right_sec: seconds after the clip.
        bound_sec: end of the first chunk; follows from the times, as the next two.
        video_files: follow from the times.
        video_sec: follow from the times.
    """
    start_s, stop_s = max(0.0, clip_start), max(0.0, clip_end)
    found = pieces(start_s, stop_s)
    first, last = found[0], int(stop_s // CHUNK_S)
    rest_s = stop_s - CHUNK_S * last
    more_s = right_sec if rest_s + right_sec <= CHUNK_S * (last + 1) else 0
    less_s = left_sec if first.start_s - left_sec >= CHUNK_S * first.chunk else 0
    begin_s = first.start_s - less_s
    if first.duration_s is not None:
        cut = [Piece(first.chunk, begin_s, first.duration_s + less_s + more_s)]
    else:
        cut = [Piece(first.chunk, begin_s, None), Piece(last, 0.0, rest_s + less_s + more_s)]
    return {"audio_reads": [[f"{p.chunk}.flac", p.start_s, p.duration_s] for p in cut]}
