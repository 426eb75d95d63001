"""Which frames a clip has, and the files that they lie in."""

from pathlib import Path

from avlib.extractors.egovlp.sources import VideoRow, VideoSource, wanted_frames
from avlib.extractors.embedding import Clip

CLIP = Clip("a", "v", 1.0, 2.0, None, None)


def test_frames_are_published_where_both_numbers_are():
    timed = wanted_frames(CLIP, 4)
    assert not timed.are_published
    assert wanted_frames(CLIP._replace(start_frame=50), 4) == timed
    assert wanted_frames(CLIP._replace(start_frame=50, stop_frame=100), 4).are_published


def test_a_whole_video_and_its_first_chunk_are_not_the_same_content():
    wanted, row = wanted_frames(CLIP, 4), VideoRow(Path("v.mp4"), "ok", "", "hash", 600.0)
    whole = VideoSource("v", {0: row}, is_chunked=False)
    assert whole.content(wanted) != VideoSource("v", {0: row}, is_chunked=True).content(wanted)


def test_frames_at_almost_no_rate_lie_in_chunks():
    clip = CLIP._replace(start_frame=1, stop_frame=1, start_s=5000.0, stop_s=6000.0)
    wanted, row = wanted_frames(clip, 2), VideoRow(Path("v.mp4"), "ok", "", "hash", 600.0)
    source = VideoSource("v", {n: row for n in range(20)}, is_chunked=True)
    assert source.status(clip, wanted)[0] in ("ok", "outside")
