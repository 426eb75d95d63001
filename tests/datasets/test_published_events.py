import pandas as pd
import pytest

from avlib.datasets import epic_kitchens, epic_sounds, vggsound
from avlib.datasets.events import read_events
from avlib.datasets.tables import EVENTS
from avlib.errors import DataError, UnsafePickleError
from avlib.io.tables import write_table

NAMES = [column.name for column in EVENTS.columns]

SOUND = {
    "annotation_id": ["P01_11_0", "P01_11_1"],
    "video_id": ["P01_11", "P01_11"],
    "start_timestamp": ["00:00:02.069", "01:02:03.5"],
    "stop_timestamp": ["00:00:02.993", "01:02:04"],
    "class": ["rustle", "cut / chop"],
    "class_id": [4, 2],
}


def changed(row, **values):
    table = pd.DataFrame(SOUND)
    for name, value in values.items():
        table[name] = table[name].astype(object)
        table.loc[row, name] = value
    return table


@pytest.mark.parametrize("suffix", ["pkl", "csv"])
def test_epic_sounds_is_read(shared_data, tmp_path, suffix):
    path = shared_data / f"epic_sounds/EPIC_Sounds_validation.{suffix}"
    events = epic_sounds.read_events(path, "val")
    assert len(events) == 8035
    assert events["video_id"].nunique() == 137
    first = events.iloc[0]
    assert (first.event_id, first.start_s, first.stop_s) == ("P01_11_0", 2.069, 2.993)
    assert (first.label, first.class_id) == ("ceramic / wood collision", 34)
    write_table(events.reindex(columns=NAMES), tmp_path / "events.parquet", EVENTS)


@pytest.mark.parametrize("suffix", ["pkl", "csv"])
def test_epic_kitchens_is_read(shared_data, suffix):
    path = shared_data / f"epic100/EPIC_100_validation.{suffix}"
    events = epic_kitchens.read_events(path, "val")
    assert len(events) == 9668
    second = events.iloc[1]
    assert (second.start_s, second.stop_s, second.label) == (1.56, 2.45, "put-down plate")
    assert events[["verb_class", "noun_class"]].head(4).to_numpy().tolist() == [
        [0, 2],
        [1, 2],
        [0, 49],
        [2, 17],
    ]


def test_hours_and_minutes_count(tmp_path):
    pd.DataFrame(SOUND).to_csv(tmp_path / "t.csv")
    assert epic_sounds.read_events(tmp_path / "t.csv", "train")["start_s"].iloc[1] == 3723.5


def test_the_id_may_be_the_index_as_tim_has_it(tmp_path):
    pd.DataFrame(SOUND).set_index("annotation_id").to_pickle(tmp_path / "t.pkl")
    events = epic_sounds.read_events(tmp_path / "t.pkl", "train")
    assert events["event_id"].to_list() == SOUND["annotation_id"]


def test_vggsound_names_videos_without_their_suffix(tmp_path):
    pd.DataFrame({"video": ["-a b.mp4", "c_000030.mp4"], "class_id": [308, 0]}).to_pickle(
        tmp_path / "t.pkl"
    )
    events = vggsound.read_events(tmp_path / "t.pkl", "train")
    assert events["video_id"].to_list() == ["-a b", "c_000030"]
    assert events["class_id"].to_list() == [308, 0]
    write_table(events.reindex(columns=NAMES), tmp_path / "events.parquet", EVENTS)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            changed(1, stop_timestamp="01:02:03.5"),
            r"row 2: the event lasts from 3723\.5 to 3723\.5",
        ),
        (changed(0, start_timestamp="2.069"), "row 1: start_timestamp is '2.069', expected HH"),
        (changed(1, class_id="four"), "row 2: class_id is 'four', expected a number"),
        (changed(1, video_id=""), "row 2: video_id is '', expected a text"),
        (changed(1, annotation_id="P01_11_0"), "row 2: second event 'P01_11_0'"),
        (pd.DataFrame(SOUND).drop(columns="class"), "no column 'class'; the columns are"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, table, message):
    for path, write in (("t.csv", table.to_csv), ("t.pkl", table.to_pickle)):
        write(tmp_path / path)
        with pytest.raises(DataError, match=message):
            epic_sounds.read_events(tmp_path / path, "train")


@pytest.mark.parametrize("content", [b"", b'a,b\n"', b"\xff\xfe\xff"])
def test_a_damaged_csv_is_one_line(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.csv"):
        epic_sounds.read_events(tmp_path / "t.csv", "train")


def test_a_pickle_that_calls_is_refused(tmp_path):
    (tmp_path / "t.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UnsafePickleError, match=r"os\.system"):
        epic_sounds.read_events(tmp_path / "t.pkl", "train")


def test_delimiters_and_case_of_published_tables_are_forgiven(tmp_path):
    table = pd.DataFrame(SOUND).rename(columns=str.upper)
    for name, delimiter in (("a.csv", ";"), ("b.csv", "\t"), ("c.csv", ",")):
        table.to_csv(tmp_path / name, sep=delimiter, index=False, encoding="utf-8-sig")
        events = epic_sounds.read_events(tmp_path / name, "train")
        assert events["event_id"].to_list() == SOUND["annotation_id"]
        assert events["label"].to_list() == SOUND["class"]


def test_ids_that_look_like_numbers_or_nothing_stay_text(tmp_path):
    text = "video,class_id\nNA.mp4,1\n007,2\nnull,3\n1e5,4\n"
    (tmp_path / "t.csv").write_text(text)
    events = vggsound.read_events(tmp_path / "t.csv", "train")
    assert events["video_id"].to_list() == ["NA", "007", "null", "1e5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,class_id\na,1\nb\n", "line 3 has 1 fields"),
        ("video,class_id\n\na,1\nb,1.5.2\n", r"line 4, row 2: class_id is '1\.5\.2'"),
        ("video;class_id\na;1,5\n", "line 2, row 1: class_id is '1,5', .*decimal comma"),
        ('video,class_id\na,"1\nb,2\n', "line 2: a quote is not closed"),
        ("video,classid\na,1\n", ""),
        ("video,class_ids\na,1\n", "is 'class_ids' meant. Rename it to 'class_id'"),
        ("video,class_id,Class ID\na,1,1\n", "'class_id' occurs twice"),
    ],
)
def test_a_wrong_table_of_clips_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    if not message:
        assert len(vggsound.read_events(tmp_path / "t.csv", "train")) == 1
        return
    with pytest.raises(DataError, match=message) as error:
        vggsound.read_events(tmp_path / "t.csv", "train")
    assert "\n" not in str(error.value)


def test_the_official_list_of_vggsound_is_known_and_what_is_meant_is_said(tmp_path):
    text = '---g-f_I2yQ,1,people marching,test\n--0PQM4-hqg,30,"waterfall, burbling",train\n'
    (tmp_path / "vggsound.csv").write_text(text)
    with pytest.raises(DataError, match=r"VGG-Sound's own list .*columns video and class_id"):
        vggsound.read_events(tmp_path / "vggsound.csv", "train")


@pytest.mark.parametrize("value", [1.5, 1e300, -1, 309])
def test_a_class_is_a_whole_number_in_range(tmp_path, value):
    pd.DataFrame({"video": ["a", "b"], "class_id": [1, value]}).to_csv(tmp_path / "t.csv")
    wanted = "a whole number" if value in (1.5, 1e300) else "0 to 308"
    with pytest.raises(DataError, match=f"row 2: class_id is .*expected {wanted}"):
        read_events("vggsound", {"train": tmp_path / "t.csv"})
