"""Packs of scored seconds, written block by block and read across shards."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from scored_packs import KINDS, random_rows, write_packs

from avlib.errors import DataError
from avlib.tagging import archive
from avlib.tagging.archive import Archive
from avlib.tagging.pack_writer import PackWriter

DRAW = np.random.default_rng(2)


def rows(leg, seconds):
    return random_rows(leg, seconds, DRAW)


@pytest.fixture
def shards():
    both = {"sound": rows("sound", 5), "picture": rows("picture", 5)}
    return [
        {"a": both, "b": {"sound": rows("sound", 3)}},
        {},
        {"ç-1": {"picture": rows("picture", 4)}},
    ]


def test_an_archive_has_the_seconds_of_all_shards_in_order(tmp_path, shards):
    write_packs(tmp_path, shards)
    with Archive(tmp_path) as seconds:
        assert (len(seconds), seconds.video_ids) == (12, ["a", "b", "ç-1"])
        assert (seconds.seconds.tolist(), seconds.firsts.tolist()) == ([5, 3, 4], [0, 5, 8])
        assert seconds.legs == KINDS
        assert seconds.numbers["ç-1"] == 2
        assert seconds.has_leg("sound").tolist() == [True] * 8 + [False] * 4
        np.testing.assert_array_equal(
            seconds.scores("sound", 3, 12),
            np.concatenate(
                [shards[0]["a"]["sound"][0][3:], shards[0]["b"]["sound"][0], np.zeros((4, 3))]
            ),
        )
        np.testing.assert_array_equal(
            seconds.embeddings("picture", 0, 12)[8:], shards[2]["ç-1"]["picture"][1]
        )
        assert seconds.scores("picture", 4, 4).shape == (0, 4)


@pytest.mark.parametrize("rows_at_once", [1, 5, 8, 100])
def test_videos_are_the_same_however_many_rows_are_read_at_once(
    tmp_path, shards, monkeypatch, rows_at_once
):
    write_packs(tmp_path, shards)
    monkeypatch.setattr(archive, "ROWS_AT_ONCE", rows_at_once)
    expected = {video: legs for shard in shards for video, legs in shard.items()}
    with Archive(tmp_path) as seconds:
        for video in seconds.videos():
            assert video.scores.keys() == expected[video.video_id].keys()
            for leg, scores in video.scores.items():
                np.testing.assert_array_equal(scores, expected[video.video_id][leg][0])
        assert [(v.video_id, v.first) for v in seconds.videos()] == [("a", 0), ("b", 5), ("ç-1", 8)]
        assert sum(last - first for first, last in seconds.blocks()) == len(seconds)


def test_the_order_of_videos_does_not_depend_on_shards(tmp_path):
    found = {name: {"sound": rows("sound", 3)} for name in "abcdef"}
    write_packs(tmp_path / "one", [found])
    halves = [{name: found[name] for name in names} for names in ("adf", "bce")]
    write_packs(tmp_path / "two", halves)
    for folder in ("one", "two"):
        with Archive(tmp_path / folder) as seconds:
            videos = list(seconds.videos())
            assert [video.video_id for video in videos] == list("abcdef")
            for video in videos:
                np.testing.assert_array_equal(
                    video.scores["sound"], found[video.video_id]["sound"][0]
                )


def test_a_video_that_was_given_up_leaves_no_trace(tmp_path):
    (tmp_path / "seconds").mkdir()
    sound = rows("sound", 4)
    with h5py.File(tmp_path / "seconds" / "0.h5", "w") as file:
        writer = PackWriter(file, KINDS, 1)
        writer.add("picture", 0, *rows("picture", 6))
        writer.discard()
        writer.add("sound", 0, *sound)
        writer.finish("b", 4, "", {"sound": True, "picture": False})
        writer.add("sound", 0, *rows("sound", 2))
        writer.close()
    with Archive(tmp_path) as seconds:
        assert seconds.video_ids == ["b"]
        np.testing.assert_array_equal(seconds.scores("sound", 0, 4), sound[0])
        assert not seconds.scores("picture", 0, 4).any()


def test_packs_of_a_larger_number_of_shards_are_not_read(tmp_path, shards):
    write_packs(tmp_path, shards)
    write_packs(tmp_path, shards[:1])
    with Archive(tmp_path) as seconds:
        assert seconds.video_ids == ["a", "b"]


def test_an_archive_without_packs_names_the_command(tmp_path):
    with pytest.raises(
        DataError, match=r"no scores; run make see VIDEOS=FOLDER, or .*seconds/0\.h5"
    ):
        Archive(tmp_path)


def test_packs_that_do_not_belong_together_are_refused(tmp_path, shards):
    write_packs(tmp_path, shards)
    (tmp_path / "seconds" / "1.h5").unlink()
    with pytest.raises(DataError, match=r"1\.h5: this pack of seconds is missing"):
        Archive(tmp_path)
    other = KINDS | {"sound": replace(KINDS["sound"], weights="cc")}
    write_packs(tmp_path / "other", [{}] * 3, other)
    (tmp_path / "other" / "seconds" / "1.h5").rename(tmp_path / "seconds" / "1.h5")
    with pytest.raises(DataError, match="other weights"):
        Archive(tmp_path)


def test_a_damaged_pack_is_named(tmp_path, shards):
    write_packs(tmp_path, shards)
    (tmp_path / "seconds" / "2.h5").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match=r"2\.h5"):
        Archive(tmp_path)


def test_the_bytes_of_a_pack_do_not_depend_on_the_blocks_in_which_rows_come(tmp_path):
    kinds = {leg: replace(kind, channels=1024) for leg, kind in KINDS.items()}  # as real ones
    scores, _ = random_rows("sound", 700, DRAW)
    embedding = DRAW.normal(size=(700, 1024)).astype(np.float16)
    packs = []
    for size in (16, 4096):
        path = tmp_path / f"{size}.h5"
        with h5py.File(path, "w") as file:
            writer = PackWriter(file, kinds, 1)
            for video_id in ("a", "b", "c"):
                for first in range(0, 700, size):
                    part = slice(first, first + size)
                    writer.add("sound", first, scores[part], embedding[part])
                writer.finish(video_id, 700, "key", {"sound": True, "picture": False})
            writer.close()
        packs.append(path.read_bytes())
    assert packs[0] == packs[1]
