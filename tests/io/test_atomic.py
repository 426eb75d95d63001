import json

import pytest

from avlib.io.atomic import atomic_path, keep_copy, write_json


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "folder" / "a.txt"
    with atomic_path(target) as partial:
        partial.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_the_old_file_survives_a_failure(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as partial:
        partial.write_text("half of the n")
        raise RuntimeError("failed")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_long_name_can_be_written(tmp_path):
    target = tmp_path / ("ä" * 120 + ".npy")
    with atomic_path(target) as partial:
        partial.write_bytes(b"x")
    assert target.exists()


def test_equal_content_is_equal_json(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "ä\udcff"})
    write_json(tmp_path / "b.json", {"a": "ä\udcff", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": "ä\udcff", "b": 1}


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_copy_outlives_its_original(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"content")
    keep_copy(tmp_path / "a.h5", tmp_path / "cache" / "a.h5")
    (tmp_path / "a.h5").unlink()
    assert (tmp_path / "cache" / "a.h5").read_bytes() == b"content"
