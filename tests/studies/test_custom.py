from pathlib import Path

import pytest

from avlib.media.scan import passed_over_file
from avlib.studies import load_config
from avlib.studies.base import Place
from avlib.workflow.study_files import StudyFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.wav", "c.m4a", "notes.txt", "cover.JPG"):
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / "videos" / name).touch()
    return tmp_path


def test_sound_files_among_the_videos_are_used(folder):
    study = load_config({"custom": {"videos": str(folder / "videos")}}).custom
    videos = study.list_videos(Place(folder / "results", 0))
    assert [video.video_id for video in videos] == ["a", "b", "c"]


def test_annotated_sound_files_are_used(folder):
    (folder / "events.csv").write_text("video_id,start_s,stop_s,label\nb,0,1,dog\na,0,1,cat\n")
    config = {"videos": str(folder / "videos"), "annotations": str(folder / "events.csv")}
    videos = load_config({"custom": config}).custom.list_videos(Place(folder / "results", 0))
    assert [Path(video.path).name for video in videos] == ["a.mp4", "b.wav"]


def test_files_that_are_passed_over_are_counted_when_videos_are_searched(folder):
    config = load_config({"custom": {"videos": str(folder / "videos")}})
    files = StudyFiles(config, results=folder / "results", rescan=True)
    files.scanned("custom")
    written = passed_over_file(files.lists("custom")).read_text()
    assert written.split() == ["{", '".jpg":', "1,", '".txt":', "1", "}"]
