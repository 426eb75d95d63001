import csv

import pytest
from media_files import make_video
from pydantic import ValidationError
from video_site import Site, serving

from avlib.errors import DataError
from avlib.media.download import Download
from avlib.valor.download import download_llp

pytest.importorskip("yt_dlp")

ROWS = "-a_bcdefghi_2_12\tDog\nzz_zz_zz_zz_30_40\tCat,Speech\n"


def test_clips_of_a_list_are_fetched_and_accounted_for(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    table, folder = tmp_path / "AVVP_dataset_full.csv", tmp_path / "raw_videos"
    table.write_text(f"filename\tevent_labels\n{ROWS}")
    site = Site(make_video(tmp_path / "whole.mp4", duration_s=3.0).read_bytes())
    with serving(site) as settings:
        download_llp(table, folder, settings, tmp_path / "download.csv")
    with (tmp_path / "download.csv").open() as file:
        rows = {row["video_id"]: row for row in csv.DictReader(file)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "-a_bcdefghi": "downloaded",
        "zz_zz_zz_zz": "failed",
    }
    # The start is the number behind the id, whatever underscores the id holds.
    assert rows["zz_zz_zz_zz"]["message"].endswith("no frame from second 30 on")
    assert [path.name for path in folder.glob("*.mp4")] == ["-a_bcdefghi.mp4"]


def test_a_damaged_list_stops_before_any_video(tmp_path):
    table = tmp_path / "AVVP_dataset_full.csv"
    table.write_text("filename\tevent_labels\nabc_0_10\tDog\n")
    with serving(Site(b"")) as settings, pytest.raises(DataError, match="line 2"):
        download_llp(table, tmp_path / "raw_videos", settings, tmp_path / "download.csv")
    assert not (tmp_path / "raw_videos").exists()


def test_the_url_has_a_place_for_the_id():
    assert Download().url == "https://www.youtube.com/watch?v={video_id}"
    with pytest.raises(ValidationError, match=r"must contain \{video_id\}"):
        Download(url="https://www.youtube.com/watch")
