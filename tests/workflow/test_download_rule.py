import pytest
from media_files import make_video
from video_site import Site, serving
from workflow_checkout import Checkout

pytest.importorskip("yt_dlp")

OVERLAY = """
llp:
  source: official
  labels: {folder}/labels
  videos: {folder}/raw_videos
  download: {{url: "{url}"}}
"""


def test_the_videos_of_the_list_are_fetched_when_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "labels").mkdir()
    table = tmp_path / "labels" / "AVVP_dataset_full.csv"
    table.write_text("filename\tevent_labels\n-a_bcdefghi_1_11\tDog\n")
    site = Site(make_video(tmp_path / "whole.mp4", duration_s=2.0).read_bytes())
    with serving(site) as settings:
        overlay = OVERLAY.format(folder=tmp_path, url=settings.url)
        checkout = Checkout(tmp_path, overlay, target="download_llp")
        assert checkout.jobs() == {"download_llp": 1}
    assert (tmp_path / "raw_videos" / "-a_bcdefghi.mp4").is_file()
    written = (tmp_path / "results" / "llp" / "download.csv").read_text()
    assert written == "video_id,status,message,attempts\n-a_bcdefghi,downloaded,,1\n"
