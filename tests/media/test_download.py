"""The download of clips, from a server on this machine."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from media_files import make_video
from video_site import CUT_OFF, OK, SILENT, Site, serving

from avlib.errors import ConfigError, DataError
from avlib.media.download import LEDGER, download_clips, is_gone
from avlib.media.download_ledger import LedgerRow, read_ledger

pytest.importorskip("yt_dlp")

ALWAYS = 100


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return make_video(tmp_path_factory.mktemp("site") / "whole.mp4", duration_s=3.0)


@pytest.fixture
def site(video, monkeypatch) -> Site:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return Site(video.read_bytes())


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    return np.stack(frames).astype(int)


def fetch(site: Site, folder: Path, *ids: str, **changes) -> list[LedgerRow]:
    with serving(site) as settings:
        starts = [(video_id, 1.0) for video_id in ids]
        return download_clips(starts, folder, settings.model_copy(update=changes), duration_s=1.0)


def test_a_clip_begins_at_its_start_and_has_its_length(site, video, tmp_path):
    (row,) = fetch(site, tmp_path / "50% of clips", "-a_B-c_0-9_")
    clip = tmp_path / "50% of clips" / "-a_B-c_0-9_.mp4"
    assert row == LedgerRow("-a_B-c_0-9_", "downloaded", "", 1)
    assert sorted(p.name for p in clip.parent.iterdir()) == [clip.name, LEDGER]
    with av.open(str(clip)) as container:
        names = [stream.codec_context.name for stream in container.streams]
    assert names == ["h264", "aac"]
    assert len(pictures(clip)) == 25
    nearest = np.abs(pictures(clip)[0] - pictures(video)).mean(axis=(1, 2)).argmin()
    assert nearest == 25


def test_a_video_that_is_gone_is_asked_for_once(site, tmp_path):
    site.due["gone"] = [404] * ALWAYS
    for _ in range(2):
        rows = fetch(site, tmp_path, "gone", "there")
    assert [(row.status, row.attempts) for row in rows] == [("gone", 1), ("downloaded", 1)]
    assert "404" in rows[0].message
    assert site.asked.count("gone") == 1


@pytest.mark.parametrize(
    "answers",
    [[503, 503], [429, 429], [OK, CUT_OFF, OK, CUT_OFF]],  # the last: page, content, and again
)
def test_what_passes_is_tried_again_after_longer_and_longer_waits(
    site, tmp_path, monkeypatch, answers
):
    waits = []
    # Not the sleep of all modules: a command that is waited for may sleep as well.
    monkeypatch.setattr("avlib.media.download.time", SimpleNamespace(sleep=waits.append))
    site.due["busy"] = answers
    (row,) = fetch(site, tmp_path, "busy")
    assert (row.status, row.attempts) == ("downloaded", 3)
    assert [wait for wait in waits if wait] == [0.01, 0.02]


def test_what_failed_is_asked_for_again_by_the_next_run(site, tmp_path):
    site.due["busy"] = [503] * 3
    first = fetch(site, tmp_path, "there", "busy", retries=2)
    assert [(row.status, row.attempts) for row in first] == [("downloaded", 1), ("failed", 3)]
    assert "503" in read_ledger(tmp_path / LEDGER)["busy"].message
    second = fetch(site, tmp_path, "there", "busy")
    assert [(row.status, row.attempts) for row in second] == [("downloaded", 1), ("downloaded", 4)]
    assert site.asked.count("there") == 2  # its page and its content, in the first run


def test_what_does_not_pass_is_not_tried_again(site, tmp_path):
    site.due["forbidden"] = [403] * ALWAYS
    rows = fetch(site, tmp_path, "there", "forbidden")
    assert (rows[1].status, rows[1].attempts) == ("failed", 1)


def test_the_network_is_tried_again(site, tmp_path):
    with serving(site) as settings:
        pass
    with pytest.raises(DataError, match="none of 1 videos could be fetched"):
        download_clips([("lost", 1.0)], tmp_path, settings, duration_s=1.0)
    row = read_ledger(tmp_path / LEDGER)["lost"]
    assert (row.status, row.attempts) == ("failed", 4)


@pytest.mark.parametrize("answer", [(503, "Busy"), (403, "Confirm that you are not a bot")])
def test_a_site_that_answers_no_more_is_asked_no_more(site, tmp_path, answer):
    ids = [f"{number:02}" for number in range(16)]
    status, site.reason = answer
    site.due = {video_id: [status] * ALWAYS for video_id in ids[1:] if video_id != "04"}
    with pytest.raises(DataError, match=f"10 videos in a row .* {site.reason}; check the network"):
        fetch(site, tmp_path, *ids, retries=1)
    ledger = read_ledger(tmp_path / LEDGER)
    statuses = [ledger[video_id].status for video_id in ids[:15]]
    assert statuses == ["downloaded", *["failed"] * 3, "downloaded", *["failed"] * 10]
    assert ids[15] not in site.asked
    site.due = {}
    assert {row.status for row in fetch(site, tmp_path, *ids)} == {"downloaded"}


def test_a_video_that_ends_before_the_clip_leaves_none(site, tmp_path, caplog):
    with serving(site) as settings:
        starts = [("there", 1.0), ("short", 30.0)]
        rows = download_clips(starts, tmp_path, settings, duration_s=1.0)
    assert (rows[1].status, rows[1].attempts) == ("failed", 1)
    assert rows[1].message == "the video has no frame from second 30 on"
    assert sorted(p.name for p in tmp_path.iterdir()) == [LEDGER, "there.mp4"]
    assert "2 videos: 1 downloaded, 0 gone, 1 failed" in caplog.text


def test_a_clip_that_is_there_is_left_alone(site, tmp_path):
    (tmp_path / "mine.mp4").write_bytes(b"mine")
    assert fetch(site, tmp_path, "mine") == [LedgerRow("mine", "downloaded", "", 0)]
    assert (tmp_path / "mine.mp4").read_bytes() == b"mine"
    assert not site.asked


def test_a_clip_that_was_removed_is_fetched_again(site, tmp_path):
    for _ in range(2):
        fetch(site, tmp_path, "a")
        (tmp_path / "a.mp4").unlink()
    assert site.asked == ["a"] * 4


def test_a_killed_run_continues(site, tmp_path):
    site.due = {"b": [404], "c": [SILENT]}
    code = (
        "import sys; from pathlib import Path; from avlib.media.download import *; "
        "videos = [(name, 1.0) for name in 'abc']; "
        "settings = Download(url=sys.argv[2], backoff_s=0.01); "
        "download_clips(videos, Path(sys.argv[1]), settings, duration_s=1.0)"
    )
    with serving(site) as settings:
        run = subprocess.Popen([sys.executable, "-c", code, tmp_path, settings.url])
        assert site.is_silent.wait(60)
        run.send_signal(signal.SIGKILL)
        run.wait()
    statuses = {name: row.status for name, row in read_ledger(tmp_path / LEDGER).items()}
    assert statuses == {"a": "downloaded", "b": "gone"}
    rows = fetch(site, tmp_path, "a", "b", "c")
    assert [row.status for row in rows] == ["downloaded", "gone", "downloaded"]
    assert site.asked == ["a", "a", "b", "c", "c", "c"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "c.mp4", LEDGER]


def test_cookies_are_sent(site, tmp_path):
    jar = tmp_path / "cookies.txt"
    jar.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tme\n")
    fetch(site, tmp_path / "clips", "a", cookies=jar)
    assert site.cookies == {"sid=me"}


def test_cookies_that_are_none_are_refused_before_any_video(site, tmp_path):
    with pytest.raises(ConfigError, match=r"download\.cookies: .* is no file; correct it"):
        fetch(site, tmp_path, "a", cookies=tmp_path / "none.txt")
    (tmp_path / "page.html").write_text("<html></html>\n")
    with pytest.raises(ConfigError, match="Netscape"):
        fetch(site, tmp_path, "a", cookies=tmp_path / "page.html")
    assert not site.asked


def test_without_yt_dlp_the_message_says_how_to_install_it(site, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    with pytest.raises(ConfigError, match="not installed; run: make env"):
        fetch(site, tmp_path, "a")


def test_an_id_does_not_leave_the_folder(site, tmp_path):
    with pytest.raises(DataError, match=r"'\.\./a' cannot be a file name"):
        fetch(site, tmp_path, "../a")


@pytest.mark.parametrize(
    "content", ["video_id,status\n", "", "video_id,status,message,attempts\na,perhaps,,1\n"]
)
def test_a_damaged_ledger_is_not_written_over(site, tmp_path, content):
    (tmp_path / LEDGER).write_text(content)
    with pytest.raises(DataError, match=r"ledger\.csv: .*; correct it, or remove the file"):
        fetch(site, tmp_path, "a")
    assert (tmp_path / LEDGER).read_text() == content


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("[youtube] a: Private video. Sign in if you've been granted access", True),
        ("[youtube] a: Video unavailable", True),
        ("[youtube] a: Video unavailable. This video has been removed by the uploader", True),
        ("[youtube] a: This video is no longer available because the account is closed", True),
        ("[youtube] a: Video unavailable. This content isn't available, try again later", False),
        ("[youtube] a: Video unavailable. It is blocked in your country", False),
        ("[youtube] a: Sign in to confirm you're not a bot", False),
        ("[youtube] a: Sign in to confirm your age", False),
        ("[youtube] a: Unable to download API page: HTTP Error 404: Not Found", False),
    ],
)
def test_what_others_could_see_is_not_gone(message, expected):
    assert is_gone(message) == expected
