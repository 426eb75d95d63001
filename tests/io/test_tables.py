import pandas as pd
import pytest

from avlib.errors import DataError
from avlib.extractors.tables import INTERVALS
from avlib.io.tables import read_table, write_parts, write_table


def rows(**changes):
    row = {
        "interval_id": "a_1",
        "video_id": "a",
        "start_s": 0.0,
        "stop_s": 1.1,
        "centre_s": 0.55,
        "start_frame": None,
        "stop_frame": None,
    }
    return pd.DataFrame([row | changes])


def test_a_table_comes_back_as_written(tmp_path):
    write_table(rows(video_id="-ä b"), tmp_path / "a.parquet", INTERVALS)
    table = read_table(tmp_path / "a.parquet", INTERVALS)
    assert table["video_id"].to_list() == ["-ä b"]
    assert table["start_frame"].isna().all()


def test_equal_rows_are_equal_bytes(tmp_path):
    for name in "ab":
        write_table(rows(), tmp_path / name, INTERVALS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_empty_table_keeps_its_columns(tmp_path):
    write_table(rows().iloc[:0], tmp_path / "a.parquet", INTERVALS)
    assert read_table(tmp_path / "a.parquet", INTERVALS).empty


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (rows().drop(columns="start_s"), "lacks .*start_s"),
        (rows(colour="red"), "does not know .*colour"),
        (rows(start_s=None), "column start_s .* empty"),
        (rows(start_s="soon"), "intervals table"),
    ],
)
def test_a_wrong_table_is_not_written(tmp_path, table, message):
    with pytest.raises(DataError, match=message):
        write_table(table, tmp_path / "a.parquet", INTERVALS)
    assert not list(tmp_path.iterdir())


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(DataError, match=r"a\.parquet: not a readable intervals table"):
        read_table(tmp_path / "a.parquet", INTERVALS)


def test_chosen_columns_and_rows_of_a_table_are_those_of_the_whole(tmp_path):
    parts = [rows(video_id=name, start_s=s) for s, name in enumerate("abac")]
    write_parts(parts, tmp_path / "t.parquet", INTERVALS)
    whole = read_table(tmp_path / "t.parquet", INTERVALS)
    columns = ("video_id", "start_s")
    found = read_table(tmp_path / "t.parquet", INTERVALS, columns=columns)
    pd.testing.assert_frame_equal(found, whole[list(columns)])
    for name in ("a", "b", "absent"):
        where = {"video_id": name}
        expected = whole[whole["video_id"] == name].reset_index(drop=True)
        found = read_table(tmp_path / "t.parquet", INTERVALS, where=where)
        pd.testing.assert_frame_equal(found, expected, check_dtype=name != "absent")
        found = read_table(tmp_path / "t.parquet", INTERVALS, columns=columns, where=where)
        pd.testing.assert_frame_equal(found, expected[list(columns)])
