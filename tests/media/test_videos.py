from pathlib import Path

import pytest

from avlib.errors import ConfigError
from avlib.media.videos import Video, count_passed_over, folder_videos, named_videos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ("a.mp4", "b.WAV", "sub/c.m4a", "sub/a.wav", "notes.txt", "sub/x.TXT", "d", ".e.mp4")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_videos_and_sound_files_are_found(folder):
    found = {video.video_id: Path(video.path).name for video in folder_videos(folder, "test")}
    assert found == {"a": "a.mp4", "b": "b.WAV", "c": "c.m4a"}


@pytest.mark.parametrize(
    "name", ["x.mp3", "x.flac", "x.ogg", "x.opus", "x.aiff", "x.aif", "x.M4A", "x.oga", "x.aac"]
)
def test_every_kind_of_sound_file_is_found(tmp_path, name):
    (tmp_path / name).touch()
    assert [video.video_id for video in folder_videos(tmp_path, "test")] == ["x"]


def test_the_audio_of_a_video_in_a_file_beside_it_is_not_a_second_video(folder):
    videos = [video for video in folder_videos(folder, "test") if video.video_id == "a"]
    assert videos == [Video("a", "test", str(folder / "a.mp4"))]


def test_annotated_ids_have_sound_files_only_where_these_are_wanted(folder):
    splits = [("a", "train"), ("b", "val"), ("gone", "val")]
    videos = named_videos(folder, splits)
    assert [video.path for video in videos] == [str(folder / "a.mp4"), None, None]
    heard = named_videos(folder, splits, includes_sounds=True)
    assert [video.path for video in heard] == [str(folder / "a.mp4"), str(folder / "b.WAV"), None]


def test_files_that_are_passed_over_are_counted_by_suffix(folder):
    counts = count_passed_over(folder, folder_videos(folder, "test"))
    assert counts == {".txt": 2, ".wav": 1, "no suffix": 1}
    assert next(iter(counts)) == ".txt"


def test_a_used_sound_file_is_not_passed_over(folder):
    video = Video("a", "test", str(folder / "a.mp4"), sound=str(folder / "sub" / "a.wav"))
    assert count_passed_over(folder / "sub", [video]) == {".m4a": 1, ".txt": 1}


def test_a_folder_that_does_not_exist(tmp_path):
    assert count_passed_over(tmp_path / "gone", []) == {}
    with pytest.raises(ConfigError, match="gone is not a folder"):
        folder_videos(tmp_path / "gone", "test")
