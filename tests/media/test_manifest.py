import json
import logging

import pytest

from avlib.errors import DataError
from avlib.io.tables import read_table, write_table
from avlib.media.manifest import count_files, gather_manifest
from avlib.media.probe import VideoInfo, manifest_rows
from avlib.media.scan import passed_over_file, scan
from avlib.media.tables import MANIFEST
from avlib.media.videos import folder_videos

ROWS = manifest_rows(
    [
        VideoInfo("a", "v/a.mp4", "train"),
        VideoInfo("a", "v/a.mp4", "test"),
        VideoInfo("b", "v/b.mp4", "test"),
        VideoInfo("b", "v/b.mkv", "test").left_out("duplicate_id", "rename it"),
        VideoInfo("c", "", "test").left_out("missing", "download it"),
        *(VideoInfo(f"x{n:02}", f"v/x{n}.mp4", "val").left_out("empty", "0") for n in range(12)),
    ]
)


def test_files_are_counted_by_what_became_of_them():
    counts = count_files(ROWS, {".txt": 3})
    assert (counts["found"], counts["used"]) == (3 + 12 + 3, 2)
    assert {status: entry["count"] for status, entry in counts["left_out"].items()} == {
        "duplicate_id": 1,
        "empty": 12,
        "missing": 1,
    }
    assert counts["left_out"]["missing"]["names"] == ["c"]
    assert counts["left_out"]["empty"]["names"] == [f"x{n:02}" for n in range(10)]
    assert counts["passed_over"] == {".txt": 3}


def test_the_counts_add_up():
    counts = count_files(ROWS[ROWS["status"] != "missing"], {".txt": 3, ".jpg": 1})
    left_out = sum(entry["count"] for entry in counts["left_out"].values())
    assert counts["found"] == counts["used"] + left_out + sum(counts["passed_over"].values())


def test_counts_are_written_beside_the_manifest_and_said_once(tmp_path, caplog):
    for name in ("a.mp4", "notes.txt", "more.txt", "cover.jpg"):
        (tmp_path / "videos" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "videos" / name).touch()
    videos = folder_videos(tmp_path / "videos", "test")
    scan(videos, shards=1, folder=tmp_path / "lists", searched=[tmp_path / "videos"])
    write_table(manifest_rows([VideoInfo("a", "a.mp4", "test")]), tmp_path / "0.parquet", MANIFEST)
    with caplog.at_level(logging.WARNING):
        gather_manifest(
            [tmp_path / "0.parquet"],
            tmp_path / "study" / "manifest.parquet",
            tmp_path / "study" / "files.json",
            passed_over=passed_over_file(tmp_path / "lists"),
            max_bad_fraction=0.0,
        )
    counts = json.loads((tmp_path / "study" / "files.json").read_text())
    assert counts == {
        "found": 4,
        "used": 1,
        "left_out": {},
        "passed_over": {".txt": 2, ".jpg": 1},
    }
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("3 files of study are passed over (2 .txt, 1 .jpg)")
    assert len(read_table(tmp_path / "study" / "manifest.parquet", MANIFEST)) == 1


def test_too_many_bad_videos_end_the_run(tmp_path):
    write_table(ROWS, tmp_path / "0.parquet", MANIFEST)
    with pytest.raises(DataError, match=r"12 empty.*more than max_bad_fraction: 0\.5"):
        gather_manifest(
            [tmp_path / "0.parquet"],
            tmp_path / "manifest.parquet",
            tmp_path / "files.json",
            passed_over=tmp_path / "none.json",
            max_bad_fraction=0.5,
        )
    assert not (tmp_path / "files.json").exists()
