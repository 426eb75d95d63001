import pytest

from avlib.datasets.custom import read_events
from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.io.tables import read_table, write_table

NAMES = [column.name for column in EVENTS.columns]

HEADER = "video_id,start_s,stop_s,label,split,modality"
ROWS = ['"-a, b",0,1.5,tap,train,audio', "ü,2,3,door,val,visual", "ü,2,3,tap,val,audio_visual"]


def csv(tmp_path, *lines, newline="\n"):
    path = tmp_path / "events.csv"
    path.write_bytes(newline.join(lines).encode())
    return path


def test_events_are_read_with_classes_in_sorted_order(tmp_path):
    events = read_events(csv(tmp_path, HEADER, *ROWS))
    assert events["video_id"].to_list() == ["-a, b", "ü", "ü"]
    assert events["label"].to_list() == ["tap", "door", "tap"]
    assert events["class_id"].to_list() == [1, 0, 1]
    assert events["split"].to_list() == ["train", "val", "val"]
    assert events["modality"].to_list() == ["audio", "visual", "audio_visual"]
    assert events["event_id"].is_unique
    write_table(events.reindex(columns=NAMES), tmp_path / "events.parquet", EVENTS)
    assert len(read_table(tmp_path / "events.parquet", EVENTS)) == 3


def test_columns_in_any_order_with_a_mark_and_blank_lines_are_the_same(tmp_path):
    expected = read_events(csv(tmp_path, "video_id,start_s,stop_s,label", "a,0,1,tap"))
    other = csv(
        tmp_path, "\ufefflabel, stop_s ,start_s,video_id", "tap,1.0, 0 ,a", "", newline="\r\n"
    )
    assert read_events(other).equals(expected)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_delimiter_and_encoding_are_found(tmp_path, delimiter, encoding):
    path = tmp_path / "events.csv"
    rows = [
        ("Video_ID", " START_S", "stop_s", "Label"),
        ("007", "0", "1", "NA"),
        ("1e5", 1, 2, "ü"),
    ]
    text = "\r\n".join(delimiter.join(map(str, row)) for row in rows)
    path.write_bytes(text.encode(encoding))
    events = read_events(path)
    assert events["video_id"].to_list() == ["007", "1e5"]
    assert events["label"].to_list() == ["NA", "ü"]
    assert events["stop_s"].to_list() == [1.0, 2.0]


def test_ids_are_the_same_text_however_their_letters_are_composed(tmp_path):
    decomposed = csv(tmp_path, "video_id,start_s,stop_s,label", "u\u0308,0,1,tap")
    assert read_events(decomposed)["video_id"].to_list() == ["\u00fc"]


def test_a_new_row_changes_no_other_row(tmp_path):
    rows = [f"video {i},{i},{i + 1},tap" for i in range(20)]
    few = read_events(csv(tmp_path, "video_id,start_s,stop_s,label", *rows))
    many = read_events(csv(tmp_path, "video_id,start_s,stop_s,label", "new,0,1,tap", *rows))
    assert many.iloc[1:].reset_index(drop=True).equals(few)


def test_without_a_split_one_video_in_five_is_held_out(tmp_path):
    rows = [f"video {i // 2},{i},{i + 1},tap" for i in range(4000)]
    events = read_events(csv(tmp_path, "video_id,start_s,stop_s,label", *rows))
    assert (events.groupby("video_id")["split"].nunique() == 1).all()
    shares = events["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.8, abs=0.03)
    assert shares["val"] == pytest.approx(0.1, abs=0.03)
    assert events["modality"].unique().tolist() == ["audio_visual"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no column 'video_id'"),
        ([HEADER], "holds no events"),
        (["video_id,start,stop_s,label", "a,0,1,x"], "column 'start', did you mean 'start_s'"),
        (["video_id,start_s,stop_s,label,zzz"], r"column 'zzz'; there are \('video_id'"),
        (["video_id,start_s,stop_s"], "no column 'label'"),
        (["video_id,start_s,stop_s,label,label"], "'label' occurs twice"),
        ([HEADER, ROWS[0], "ü,3,3,door,val,visual"], r"line 3: the event lasts from 3\.0 to 3\.0"),
        ([HEADER, "ü,-1,3,door,val,visual"], r"line 2: the event lasts from -1\.0 to 3\.0"),
        ([HEADER, "ü,0,inf,door,val,visual"], "line 2: the event lasts from"),
        ([HEADER, "ü,nan,1,door,val,visual"], "line 2: the event lasts from"),
        ([HEADER, "ü,0:01,3,door,val,visual"], "line 2: the event lasts from '0:01' to '3'"),
        ([HEADER, ROWS[0], ROWS[1], ROWS[0]], "line 4 repeats line 2"),
        (
            [HEADER, ROWS[0], '"-a, b",3,4,tap,test,audio'],
            "line 3: -a, b is in the split test, but",
        ),
        ([HEADER, "ü,0,1,door,dev,visual"], "line 2: split is 'dev', expected one of"),
        ([HEADER, "ü,0,1,door,val,sound"], "line 2: modality is 'sound'"),
        ([HEADER, "ü,0,1,door"], "line 2 has 4 fields, the header has 6"),
        ([HEADER, ROWS[0], 'ü,0,1,"door,val,audio', ROWS[1]], "line 3: a quote is not closed"),
        (["video_id;start_s;stop_s;label", "a;0,5;1,5;tap"], "line 2: .*decimal comma"),
        (["v1,0,1,dog", "v2,0,1,cat"], "no column 'video_id'; .*is the header missing"),
        ([HEADER, ",0,1,door,val,audio"], "line 2: video_id and label must not be empty"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, lines, message):
    with pytest.raises(DataError, match=message) as error:
        read_events(csv(tmp_path, *lines))
    assert "events.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_or_binary_file_is_one_line(tmp_path):
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("absent.csv", "b.csv"):
        with pytest.raises(DataError, match="cannot be read"):
            read_events(tmp_path / name)
