import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_golden import contents

from avlib.errors import DataError
from avlib.extractors.interval_shards import IntervalRule, make_shard_intervals
from avlib.extractors.intervals import (
    check_same_rows,
    interval_numbers,
    interval_rows,
    interval_table,
    numbered_at,
    read_published_ids,
    read_published_intervals,
    second_intervals,
    write_published_intervals,
)
from avlib.extractors.tables import INTERVALS
from avlib.io.tables import read_table, write_table
from avlib.media.probe import VideoInfo, manifest_rows
from avlib.media.tables import MANIFEST

CASES = contents("asf/intervals.json")
PUBLISHED_TYPES = {
    "video_id": "object",
    "start_sec": "float64",
    "stop_sec": "float64",
    "narration_sec": "float64",
    "start_frame": "int64",
    "stop_frame": "int64",
}  # of the published tables, whose index is narration_id
COLUMNS = ["interval_id", "video_id", "start_s", "stop_s", "centre_s", "start_frame", "stop_frame"]


def videos(*lengths_s: float) -> pd.DataFrame:
    """Recordings without a picture, named a, b, ..."""
    return pd.DataFrame(
        {
            "video_id": [chr(ord("a") + i) for i in range(len(lengths_s))],
            "duration_s": list(lengths_s),
            "frames": pd.Series([None] * len(lengths_s), dtype="Int64"),
            "fps": np.nan,
        }
    )


def plain_starts(length_s: float, interval_s: float, hop_s: float) -> list[float]:
    """The rule in the plainest form."""
    starts, s = [], 0.0
    while s + interval_s < length_s:
        starts.append(s)
        s += hop_s
    return starts


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_tables_are_the_published_ones(case):
    video_id, frames, fps, window, hop = case["arguments"].values()
    table = interval_rows(video_id, frames, fps, interval_s=window, hop_s=hop)
    golden = case["expected"]
    assert len(table) == golden["rows"]["value"]
    for column, published in zip(COLUMNS, ("narration_id", *PUBLISHED_TYPES), strict=True):
        (rows,) = golden[published]["index"]
        assert table[column].iloc[rows].to_list() == golden[published]["value"]
    if len(table):
        assert table["start_frame"].sum() == golden["sum_start_frame"]["value"]
        assert table["stop_frame"].sum() == golden["sum_stop_frame"]["value"]


@given(
    length_s=st.floats(0, 400),
    interval_s=st.sampled_from([0.999, 1.0, 1.1, 2.0]),
    hop_s=st.sampled_from([0.1, 0.2, 0.3, 1.0]),
)
def test_starts_are_those_of_repeated_addition(length_s, interval_s, hop_s):
    table = interval_table(videos(length_s), interval_s=interval_s, hop_s=hop_s)
    starts = plain_starts(length_s, interval_s, hop_s)
    assert table["start_s"].to_list() == [float(f"{s:.2f}") for s in starts]
    assert table["stop_s"].to_list() == [float(f"{s + interval_s:.2f}") for s in starts]


def test_many_videos_give_the_rows_of_each_alone():
    lengths = (10.0, 0.0, 1.1, 1.2, 3600.5)
    together = interval_table(videos(*lengths))
    alone = [interval_table(videos(*lengths).iloc[[i]]) for i in range(len(lengths))]
    expected = pd.concat(alone, ignore_index=True)
    pd.testing.assert_frame_equal(together, expected, check_dtype=False)


@pytest.mark.parametrize(("length_s", "rows"), [(10.0, 45), (1.1, 0), (1.2, 1), (60.0, 295)])
def test_row_counts_of_round_lengths(length_s, rows):
    assert len(interval_table(videos(length_s))) == rows


def test_a_recording_without_picture_has_no_frame_numbers(tmp_path):
    table = interval_table(videos(10.0))
    assert table["start_frame"].isna().all()
    write_table(table, tmp_path / "val.parquet", INTERVALS)
    assert read_table(tmp_path / "val.parquet", INTERVALS)["start_s"].equals(table["start_s"])


def test_frames_decide_the_length_before_the_duration():
    row = {"video_id": ["a"], "duration_s": [99.0], "frames": [300], "fps": [30.0]}
    pd.testing.assert_frame_equal(interval_table(pd.DataFrame(row)), interval_rows("a", 300, 30.0))


def test_a_video_of_unknown_length_is_named():
    with pytest.raises(DataError, match=r"^b: "):
        interval_table(videos(10.0, float("nan")))


def test_no_grid_is_made_for_a_length_that_no_video_has():
    with pytest.raises(DataError, match=r"^b: 4294967294 s long, at most 604800 s are used$"):
        interval_table(videos(10.0, 4_294_967_294.0).assign(video_id=["a", "b"]))


def test_a_video_that_is_too_long_is_left_out_and_others_are_not(tmp_path):
    rows = [
        VideoInfo("a", "a.mp4", "test", duration_s=5.0, fps=25.0, frames=125, message="a remark"),
        VideoInfo("b", "b.mp4", "test", duration_s=1e9, fps=0.5, frames=500_000_000),
        VideoInfo("c", "c.mp4", "test", duration_s=1.0, fps=25.0, frames=25, message="a remark"),
        VideoInfo("d", "d.wav", "test", audio_duration_s=3.0),
    ]
    write_table(manifest_rows(rows), tmp_path / "probe.parquet", MANIFEST)
    make_shard_intervals(
        manifest=tmp_path / "probe.parquet",
        published=None,
        rule=IntervalRule(interval_s=1.1, hop_s=0.2, seconds=None),
        intervals_target=tmp_path / "intervals.parquet",
        manifest_target=tmp_path / "manifest.parquet",
    )
    found = read_table(tmp_path / "manifest.parquet", MANIFEST).set_index("video_id")
    assert found["status"].to_list() == ["ok", "too_long", "too_short", "ok"]
    assert found["message"].to_list() == [
        "a remark",
        "longer than 7 days; split it",
        "not longer than one interval of 1.1 s; a remark",
        "",
    ]
    assert set(read_table(tmp_path / "intervals.parquet", INTERVALS)["video_id"]) == {"a", "d"}


def test_published_intervals_without_frame_numbers_get_those_of_their_times(tmp_path):
    """And those of images at no known rate are left out without them."""
    rows = [
        VideoInfo("a", "a", "test", duration_s=5.0, fps=50.0, frames=250),
        VideoInfo("b", "b", "test", frames=250),
    ]
    write_table(manifest_rows(rows), tmp_path / "probe.parquet", MANIFEST)
    published = interval_table(videos(2.0, 2.0).assign(video_id=["a", "b"]))
    published.loc[0, ["start_frame", "stop_frame"]] = 3, 40
    write_table(published, tmp_path / "published.parquet", INTERVALS)
    for table in (tmp_path / "published.parquet", None):
        make_shard_intervals(
            manifest=tmp_path / "probe.parquet",
            published=table,
            rule=IntervalRule(interval_s=1.1, hop_s=0.2, seconds=None),
            intervals_target=tmp_path / "intervals.parquet",
            manifest_target=tmp_path / "manifest.parquet",
        )
        found = read_table(tmp_path / "intervals.parquet", INTERVALS)
        statuses = read_table(tmp_path / "manifest.parquet", MANIFEST)["status"].to_list()
        if table:
            assert statuses == ["ok", "ok"]
            assert found["start_frame"].to_list()[:3] == [3, 10, 20]
            assert found["stop_frame"].to_list()[:3] == [40, 65, 75]
            assert found.loc[found["video_id"] == "b", "start_frame"].isna().all()
    assert statuses == ["ok", "no_rate"]
    assert set(found["video_id"]) == {"a"}


def test_numbers_at_another_rate():
    table = interval_table(videos(10.0))
    assert numbered_at(table, 30.0)["start_frame"].to_list()[:4] == [0, 6, 12, 18]
    assert numbered_at(table, 30.0)["stop_frame"].to_list()[:4] == [33, 39, 45, 51]
    assert list(numbered_at(table, 30.0)) == list(table)


@pytest.mark.parametrize("setting", [{"interval_s": 0.0}, {"hop_s": -0.2}])
def test_lengths_must_be_positive(setting):
    with pytest.raises(ValueError, match="must be positive"):
        interval_table(videos(10.0), **setting)


def test_row_counts_of_epic_kitchens(shared_data):
    info = pd.read_csv(shared_data / "epic100/EPIC_100_video_info.csv")
    info = info.rename(columns={"duration": "duration_s"}).assign(frames=np.nan)
    validation = pd.read_csv(shared_data / "epic100/EPIC_100_validation.csv")["video_id"].unique()
    table = interval_table(info)
    assert len(table) == 1_342_096 + 236_985 + 217_920
    assert table["video_id"].isin(validation).sum() == 236_985


@pytest.mark.parametrize("index", ["as index", "as column", "unnamed index", "as CSV"])
def test_published_tables_are_read_in_every_form(tmp_path, index):
    intervals = interval_rows("P01_01", 300, 30.0)
    write_published_intervals(intervals, tmp_path / "t.pkl")
    table = pd.read_pickle(tmp_path / "t.pkl")
    path = tmp_path / "other.pkl"
    if index == "as CSV":
        path = tmp_path / "other.csv"
        table.to_csv(path)
    else:
        if index == "as column":
            table = table.reset_index()
        elif index == "unnamed index":
            table.index.name = None
        table.to_pickle(path)
    got = read_published_intervals(path)
    pd.testing.assert_frame_equal(got, intervals, check_dtype=False)
    assert read_published_ids(path) == intervals["interval_id"].to_list()


def test_a_written_table_has_the_published_columns_and_types(tmp_path):
    rows = interval_rows("a", 300, 30.0, interval_s=1.0)
    write_published_intervals(rows, tmp_path / "t.pkl")
    table = pd.read_pickle(tmp_path / "t.pkl")
    assert table.index.name == "narration_id"
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == PUBLISHED_TYPES
    assert table.columns.to_list() == list(PUBLISHED_TYPES)


def test_tables_without_frame_numbers_are_written_and_read(tmp_path):
    intervals = interval_table(videos(3.0))
    write_published_intervals(intervals, tmp_path / "t.pkl")
    assert "start_frame" not in pd.read_pickle(tmp_path / "t.pkl")
    got = read_published_intervals(tmp_path / "t.pkl")
    pd.testing.assert_frame_equal(got, intervals, check_dtype=False)


def published(tmp_path, rows):
    names = ["narration_id", "video_id", "start_sec", "stop_sec"]
    pd.DataFrame(rows, columns=names).to_pickle(tmp_path / "t.pkl")
    return tmp_path / "t.pkl"


def test_rows_are_ordered_by_their_number_and_ids_are_not(tmp_path):
    path = published(
        tmp_path, [("b_2", "b", 0.2, 1.3), ("a_1", "a", 0.0, 1.1), ("b_1", "b", 0.0, 1.1)]
    )
    assert read_published_intervals(path)["interval_id"].to_list() == ["b_1", "b_2", "a_1"]
    assert read_published_ids(path) == ["b_2", "a_1", "b_1"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a_1", "a", 0.0, 1.1), ("a_1", "a", 0.2, 1.3)], "'a_1': its number occurs twice"),
        ([("a_1", "a", 0.4, 1.5), ("a_2", "a", 0.2, 1.3)], "'a_2': it starts before"),
        ([("a_1", "a", 1.1, 1.1)], "'a_1': the interval does not stop"),
        ([("a_x", "a", 0.0, 1.1)], "'a_x' is no interval id"),
        ([("a_1", "a", 0.0, "x")], "row 1: stop_sec is 'x'"),
        ([("a_1", "a", 0.0, 1.1), ("a_2", None, 0.2, 1.3)], "row 2: video_id is"),
    ],
)
def test_a_wrong_published_row_is_named(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_published_intervals(published(tmp_path, rows))


def test_a_missing_column_is_named(tmp_path):
    pd.DataFrame({"narration_id": ["a_1"], "video_id": ["a"]}).to_pickle(tmp_path / "t.pkl")
    with pytest.raises(DataError, match="no column 'start_sec'"):
        read_published_intervals(tmp_path / "t.pkl")


def test_numbers_are_what_follows_the_last_underscore():
    assert interval_numbers(["P01_01_2", "-_x_0010"]).tolist() == [2, 10]


def test_tables_of_the_same_rows_agree_in_any_order():
    table = interval_table(videos(10.0, 4.0))
    check_same_rows(table, table.iloc[::-1])


def test_tables_that_differ_name_the_video():
    audio, visual = interval_table(videos(10.0, 4.0)), interval_table(videos(10.0, 4.2))
    with pytest.raises(DataError, match="b: 15 audio intervals but 16 visual"):
        check_same_rows(audio, visual)
    with pytest.raises(DataError, match="b: 0 audio intervals"):
        check_same_rows(audio[audio["video_id"] == "a"], audio)
    moved = audio.assign(start_s=audio["start_s"].mask(audio["interval_id"] == "b_3", 0.41))
    with pytest.raises(DataError, match=r"b: audio interval 0\.4 to 1\.5 s, visual interval 0\.41"):
        check_same_rows(audio, moved)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"narration_id": "a_" + "9" * 30}, "is no interval id"),
        ({"narration_id": "a_" + "9" * 5000}, "is no interval id"),
        ({"start_frame": 0.5}, "start_frame is 0.5, expected a whole number"),
        ({"start_frame": 1e300}, "start_frame is .*, expected a whole number"),
    ],
)
def test_numbers_that_no_table_has_are_refused(tmp_path, change, message):
    row = {"narration_id": "a_1", "video_id": "a", "start_sec": 0.0, "stop_sec": 1.1}
    pd.DataFrame([row | {"start_frame": 0} | change]).to_pickle(tmp_path / "t.pkl")
    with pytest.raises(DataError, match=message) as error:
        read_published_intervals(tmp_path / "t.pkl")
    assert str(error.value).startswith(f"{tmp_path / 't.pkl'}: ")
