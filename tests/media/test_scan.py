import os
from pathlib import Path

import pytest

from avlib.media.scan import read_scan, scan, shard_list, shard_of
from avlib.media.videos import Video


def videos(folder: Path, names: str = "abcdefgh") -> list[Video]:
    folder.mkdir(exist_ok=True)
    for name in names:
        path = folder / f"{name}.mp4"
        if not path.exists():
            path.write_bytes(name.encode() * 300_000)
    return [Video(name, "test", str(folder / f"{name}.mp4")) for name in names]


def test_every_video_is_in_the_list_of_its_shard(tmp_path):
    scan(videos(tmp_path / "videos"), shards=4, folder=tmp_path / "lists")
    for shard in range(4):
        for video in read_scan(shard_list(tmp_path / "lists", shard)):
            assert shard_of(video.video_id, 4) == shard
            assert video.content_hash


def test_shards_nest():
    for video_id in map(str, range(200)):
        assert shard_of(video_id, 4) == shard_of(video_id, 64) % 4


def test_a_changed_video_changes_its_own_shard_only(tmp_path):
    members = videos(tmp_path / "videos")
    before = scan(members, shards=4, folder=tmp_path / "lists")
    (tmp_path / "videos" / "c.mp4").write_bytes(b"other")
    after = scan(members, shards=4, folder=tmp_path / "lists")
    assert {s for s in before if before[s] != after[s]} == {shard_of("c", 4)}


def test_an_added_video_changes_its_own_shard_only(tmp_path):
    before = scan(videos(tmp_path / "videos"), shards=4, folder=tmp_path / "lists")
    after = scan(videos(tmp_path / "videos", "abcdefghi"), shards=4, folder=tmp_path / "lists")
    assert {s for s in before if before[s] != after[s]} == {shard_of("i", 4)}


def test_a_touched_video_changes_nothing(tmp_path):
    members = videos(tmp_path / "videos")
    before = scan(members, shards=2, folder=tmp_path / "lists")
    os.utime(tmp_path / "videos" / "c.mp4", (1, 1))
    lists = [shard_list(tmp_path / "lists", shard).stat().st_mtime_ns for shard in range(2)]
    assert scan(members, shards=2, folder=tmp_path / "lists") == before
    assert lists == [shard_list(tmp_path / "lists", s).stat().st_mtime_ns for s in range(2)]


def test_a_change_in_the_middle_of_a_large_file_is_seen(tmp_path):
    members = videos(tmp_path / "videos", "a")
    before = scan(members, shards=1, folder=tmp_path / "lists")
    content = bytearray((tmp_path / "videos" / "a.mp4").read_bytes())
    content[len(content) // 2 + 10] ^= 1
    (tmp_path / "videos" / "a.mp4").write_bytes(content)
    assert scan(members, shards=1, folder=tmp_path / "lists") != before


def test_a_missing_file_is_listed_without_a_hash(tmp_path):
    gone = Video("a", "test", str(tmp_path / "gone.mp4"))
    scan([gone], shards=1, folder=tmp_path)
    assert read_scan(shard_list(tmp_path, 0))[0].content_hash is None


def test_names_that_are_not_utf8_survive_the_list(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")
    Path(path).write_bytes(b"x")
    scan([Video("odd", "test", path)], shards=1, folder=tmp_path)
    assert read_scan(shard_list(tmp_path, 0))[0].path == path


@pytest.mark.parametrize("torn", [b"", b'{"a": [1, 2', b"\x00" * 40, b"null", b'{"%s": [1]}', b"7"])
def test_torn_caches_are_made_again(tmp_path, torn):
    members = videos(tmp_path / "videos")
    before = scan(members, shards=1, folder=tmp_path / "lists")
    kept = read_scan(shard_list(tmp_path / "lists", 0))
    for cache in (tmp_path / "lists").iterdir():
        cache.write_bytes(torn.replace(b"%s", str(tmp_path / "videos" / "a.mp4").encode()))
    assert scan(members, shards=1, folder=tmp_path / "lists") == before
    assert read_scan(shard_list(tmp_path / "lists", 0)) == kept
