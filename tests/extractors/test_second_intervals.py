from avlib.extractors.intervals import second_intervals
from avlib.extractors.tables import INTERVALS
from avlib.io.tables import read_table, write_table


def test_each_second_is_an_interval(tmp_path):
    write_table(second_intervals(["b", "a"], 3), tmp_path / "a.parquet", INTERVALS)
    table = read_table(tmp_path / "a.parquet", INTERVALS)
    assert table["interval_id"].to_list() == ["b_1", "b_2", "b_3", "a_1", "a_2", "a_3"]
    assert table["start_s"].to_list() == [0.0, 1.0, 2.0] * 2
    assert table["stop_s"].to_list() == [1.0, 2.0, 3.0] * 2
    assert table["centre_s"].to_list() == [0.5, 1.5, 2.5] * 2
    assert table[["start_frame", "stop_frame"]].isna().all(axis=None)


def test_no_videos_have_no_intervals(tmp_path):
    write_table(second_intervals([], 10), tmp_path / "a.parquet", INTERVALS)
    assert read_table(tmp_path / "a.parquet", INTERVALS).empty
