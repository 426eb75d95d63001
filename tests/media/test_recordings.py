from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlib.errors import ConfigError
from avlib.media.recordings import (
    CHUNK_S,
    Part,
    Piece,
    chunk_id,
    parts_of,
    pieces,
    recording_of,
    recording_sounds,
    recording_videos,
    sample_range,
)
from avlib.media.scan import shard_of
from avlib.media.videos import Video, is_safe_id

RATE = 48_000
UID = "0a02a1ed-a327-4753-b270-e95298984b96"


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def paths(videos: list[Video], folder: Path) -> dict[str, str | None]:
    return {v.video_id: v.path and str(Path(v.path).relative_to(folder)) for v in videos}


def test_the_id_of_a_chunk_is_safe_and_names_its_recording():
    assert is_safe_id(chunk_id(UID, 12))
    assert recording_of(chunk_id(UID, 12)) == UID
    assert recording_of(UID) == UID


@pytest.mark.parametrize("name", ["a#", "#3", "a#b", "a#07", "a#\u0663", "a b"])
def test_other_names_are_of_recordings_of_their_own(name):
    assert recording_of(name) == name


def test_chunks_are_of_the_shard_of_their_recording():
    for number in range(20):
        assert shard_of(chunk_id(UID, number), 64) == shard_of(UID, 64)


def test_a_span_within_a_chunk_is_one_piece():
    assert pieces(650.0, 652.5) == [Piece(1, 50.0, 2.5)]


def test_a_span_over_the_end_of_a_chunk_goes_on_in_the_next():
    assert pieces(599.0, 601.0) == [Piece(0, 599.0, None), Piece(1, 0.0, 1.0)]


def test_no_chunk_in_between_is_lost():
    assert [p.chunk for p in pieces(595.0, 1900.0)] == [0, 1, 2, 3]


def test_a_span_that_ends_with_a_chunk_does_not_need_the_next():
    assert pieces(1199.5, 1200.0) == [Piece(1, 599.5, None)]


@given(st.floats(0, 5000), st.floats(0, 2000))
def test_pieces_add_up_to_the_span(start_s, duration_s):
    stop_s = start_s + duration_s
    position = start_s
    for piece in pieces(start_s, stop_s):
        assert CHUNK_S * piece.chunk + piece.start_s == pytest.approx(position, abs=1e-6)
        end_s = CHUNK_S if piece.duration_s is None else piece.start_s + piece.duration_s
        position = CHUNK_S * piece.chunk + end_s
    assert position == pytest.approx(stop_s, abs=1e-6)


def test_samples_are_truncated_in_float64():
    assert sample_range((307.4, 308.12), RATE) == (14755199, 34560)


def test_context_before_the_recording_is_left_out_as_a_whole():
    assert sample_range((1.0, 3.0), RATE, left_s=2, right_s=1) == (RATE, 3 * RATE)
    assert sample_range((2.0, 3.0), RATE, left_s=2, right_s=1) == (0, 4 * RATE)


def test_a_whole_recording_is_read_where_there_is_one():
    known = {UID, chunk_id(UID, 0), chunk_id(UID, 1)}
    assert parts_of(UID, (599.0, 601.0), RATE, known=known) == [Part(UID, 599 * RATE, 2 * RATE)]


def test_chunks_are_read_where_there_is_no_whole_recording():
    known = {chunk_id(UID, 0), chunk_id(UID, 1)}
    first, second = parts_of(UID, (599.0, 601.0), RATE, known=known, left_s=2, right_s=3)
    assert first == Part(chunk_id(UID, 0), 597 * RATE, None)
    assert second == Part(chunk_id(UID, 1), 0, 4 * RATE)


def test_a_missing_chunk_is_named_by_the_parts():
    parts = parts_of(UID, (599.0, 601.0), RATE, known={chunk_id(UID, 0)})
    assert [part.video_id for part in parts] == [chunk_id(UID, 0), chunk_id(UID, 1)]


def test_a_recording_of_which_nothing_is_known_is_named_as_a_whole():
    (part,) = parts_of(UID, (599.0, 601.0), RATE, known={"another"})
    assert part.video_id == UID


def test_the_chunks_that_spans_lie_in_are_found_in_the_folder_of_the_recording(tmp_path):
    folder = made(tmp_path, f"{UID}/0.mp4", f"{UID}/1.mp4", f"{UID}/2.mp4", "b/0.mp4", "c.mp4")
    spans = [(UID, 599.0, 601.0), (UID, 3.0, 4.0), ("b", 1.0, 2.0), ("c", 700.0, 701.0)]
    assert paths(recording_videos(folder, spans, "test"), folder) == {
        chunk_id(UID, 0): f"{UID}/0.mp4",
        chunk_id(UID, 1): f"{UID}/1.mp4",
        "b#0": "b/0.mp4",
        "c": "c.mp4",
    }


def test_a_missing_chunk_and_a_missing_recording_have_no_file(tmp_path):
    folder = made(tmp_path, f"{UID}/0.mp4", "other/0.mp4")
    spans = [(UID, 599.0, 601.0), ("b", 0.0, 1.0)]
    assert paths(recording_videos(folder, spans, "test"), folder) == {
        chunk_id(UID, 0): f"{UID}/0.mp4",
        chunk_id(UID, 1): None,
        "b": None,
    }


def test_context_may_need_another_chunk(tmp_path):
    folder = made(tmp_path, f"{UID}/0.mp4", f"{UID}/1.mp4")
    found = recording_videos(folder, [(UID, 601.0, 602.0)], "test", left_s=2.0)
    assert [video.video_id for video in found] == [chunk_id(UID, 0), chunk_id(UID, 1)]


def test_a_file_named_by_a_number_is_no_chunk_of_an_unknown_folder(tmp_path):
    folder = made(tmp_path, "P01/0.mp4")
    assert paths(recording_videos(folder, [("0", 1.0, 2.0)], "test"), folder) == {"0": "P01/0.mp4"}


def test_sounds_are_found_where_there_is_no_video(tmp_path):
    folder = made(tmp_path, "a/0.mp4", "a/0.flac", "b/0.flac", "c.flac")
    spans = [(name, 1.0, 2.0) for name in "abc"]
    found = paths(recording_videos(folder, spans, "test", includes_sounds=True), folder)
    assert found == {"a#0": "a/0.mp4", "b#0": "b/0.flac", "c": "c.flac"}
    assert set(paths(recording_videos(folder, spans, "test"), folder)) == {"a#0", "b", "c"}


def test_extracted_sound_lies_in_folders_of_participants_or_of_recordings(tmp_path):
    folder = made(tmp_path, "P01/P01_11.flac", f"{UID}/3.flac")
    assert recording_sounds(folder, ["P01_11", UID]) == {
        "P01_11": str(folder / "P01/P01_11.flac"),
        chunk_id(UID, 3): str(folder / f"{UID}/3.flac"),
    }
    with pytest.raises(ConfigError, match="neither a folder nor"):
        recording_sounds(tmp_path / "absent", [UID])
