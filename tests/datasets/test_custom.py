import pytest

from avlib.datasets.custom import class_names, read_events, seconds_of_events
from avlib.datasets.custom_checks import check_events, split_notices
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


def test_a_new_row_renames_no_other_row(tmp_path):
    rows = [f"video {i},{i},{i + 1},tap" for i in range(20)]
    few = read_events(csv(tmp_path, "video_id,start_s,stop_s,label", *rows))
    many = read_events(csv(tmp_path, "video_id,start_s,stop_s,label", "new,0,1,tap", *rows))
    assert many["event_id"].to_list()[1:] == few["event_id"].to_list()


def test_without_a_split_each_class_has_its_share_of_videos_in_all_of_them(tmp_path):
    rows = [f"video {i // 2},{i},{i + 1},class {i // 2 % 4}" for i in range(800)]
    path = csv(tmp_path, "video_id,start_s,stop_s,label", *rows)
    events = read_events(path)
    assert (events.groupby("video_id")["split"].nunique() == 1).all()
    videos = events.drop_duplicates("video_id")
    counts = videos.groupby(["label", "split"]).size().unstack()
    assert (counts == [15, 70, 15]).all(axis=None)  # test, train, val
    assert events["modality"].unique().tolist() == ["audio_visual"]
    assert read_events(path).equals(events)
    assert not read_events(path, seed=1).equals(events)


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


def test_a_second_has_the_class_of_the_event_that_it_holds_most_of(tmp_path):
    rows = [
        "v,0.5,2.4,tap",
        "v,2.4,3,door",
        "v,4.1,4.3,bell",
        "v,5.8,6.1,tap",
        "v,5,5.2,background",
    ]
    events = read_events(csv(tmp_path, "video_id,start_s,stop_s,label", *rows))
    names = class_names(events["label"])
    assert names == ["bell", "door", "tap", "background"]
    seconds = seconds_of_events(events, {"v": 6.6, "unused": 3.0}, names)
    expected = ["tap", "tap", "door", "background", "bell", "tap", "background"]
    assert seconds["label"].to_list() == expected
    assert [names[number] for number in seconds["class_id"]] == expected
    assert seconds["start_s"].to_list() == list(range(7))
    assert seconds["event_id"].is_unique


def test_an_event_after_the_end_of_its_video_is_an_error(tmp_path):
    events = read_events(csv(tmp_path, "video_id,start_s,stop_s,label", "v,90,120,tap"))
    with pytest.raises(DataError, match=r"v: the event 'tap' begins at 90 s, .* lasts 6\.60 s"):
        seconds_of_events(events, {"v": 6.6}, ["tap", "background"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["v,0,1,a", "v,2,3,b"], "custom.annotations: all events are of one video, v; .*label"),
        (["v,0,1,a", "w,2,3,a"], "have one class, a; .*second class"),
        (["v,0,1,background", "w,2,3,background"], "no class but background"),
    ],
)
def test_events_that_train_nothing_are_refused_with_the_remedy(tmp_path, rows, message):
    events = read_events(csv(tmp_path, "video_id,start_s,stop_s,label", *rows))
    with pytest.raises(DataError, match=message):
        check_events(events, "custom.annotations")


def test_splits_that_nothing_is_trained_or_evaluated_on_are_refused(tmp_path):
    header = "video_id,start_s,stop_s,label,split"
    events = read_events(csv(tmp_path, header, "v,0,1,a,train", "w,0,1,b,val"))
    with pytest.raises(DataError, match="no event to evaluate; give a video of each class the"):
        check_events(events, "custom.annotations")


def test_classes_that_a_split_lacks_are_said_with_the_remedy(tmp_path):
    header = "video_id,start_s,stop_s,label,split"
    rows = ["v,0,1,a,train", "w,0,1,b,train", "x,0,1,a,val", "y,0,1,a,test", "y,2,3,b,test"]
    lines = split_notices(read_events(csv(tmp_path, header, *rows)))
    assert len(lines) == 1
    assert lines[0].startswith("val has no event of b; classes that it lacks do not count when")
    assert "leave the column `split` out" in lines[0]
    rows = ["v,0,1,a,train", "w,0,1,b,train", "y,0,1,a,test", "y,2,3,b,test"]
    (line,) = split_notices(read_events(csv(tmp_path, header, *rows)))
    assert line.startswith("no video is in val: the best epoch is the best one on train")
