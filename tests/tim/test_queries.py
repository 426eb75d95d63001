import json

import pandas as pd
import pytest

from avlib.datasets import ave, perception_test
from avlib.datasets.timed_tables import read_durations
from avlib.errors import DataError, UnsafePickleError
from avlib.io.tables import read_table, write_table
from avlib.tim.queries import (
    join_queries,
    make_queries,
    queries_of_segments,
    read_published_queries,
)
from avlib.tim.tables import QUERIES, VIDEOS

ACTIONS = {
    "narration_id": ["P_0", "P_1", "Q_0"],
    "video_id": ["P", "P", "Q"],
    "start_timestamp": ["00:00:01.5", "00:01:00", "01:00:00.25"],
    "stop_timestamp": ["00:00:02", "00:01:00", "01:00:01"],
    "verb_class": [1, 0, 96],
    "noun_class": [2, 299, 0],
    "action_class": [7, 0, 3805],
}


def saved(path, **changes):
    """Write the table of actions with changed columns; None drops a column."""
    columns = {k: v for k, v in (ACTIONS | changes).items() if v is not None}
    if path.suffix == ".csv":
        pd.DataFrame(columns).to_csv(path, index=False)
    else:
        pd.DataFrame(columns).set_index(next(iter(columns))).to_pickle(path)
    return path


def annotation(number, video_id, start_s, stop_s):
    return ave.Annotation(number, "Dog", video_id, start_s, stop_s)


@pytest.mark.parametrize("suffix", ["csv", "pkl"])
def test_the_authors_table_of_actions_is_read(tmp_path, suffix):
    part = read_published_queries(saved(tmp_path / f"t.{suffix}"), "train", "visual")
    assert part["annotation_id"].to_list() == ACTIONS["narration_id"]
    assert part["start_s"].to_list() == [1.5, 60.0, 3600.25]
    assert part["stop_s"].to_list() == [2.0, 60.0, 3601.0]
    assert part["action_class"].to_list() == ACTIONS["action_class"]
    assert part["verb_class"].to_list() == ACTIONS["verb_class"]
    assert part["class_id"].isna().all()


def test_sounds_have_no_visual_labels_and_any_name_of_their_index(tmp_path):
    table = pd.DataFrame(ACTIONS).rename(columns={"action_class": "class_id"})
    table = table.set_index("narration_id").rename_axis("annotation_id")
    table.to_pickle(tmp_path / "t.pkl")
    part = read_published_queries(tmp_path / "t.pkl", "val", "audio")
    assert part["annotation_id"].to_list() == ACTIONS["narration_id"]
    assert part["class_id"].to_list() == ACTIONS["action_class"]
    assert part[["verb_class", "noun_class", "action_class"]].isna().all(axis=None)


def test_the_class_of_an_ave_table_is_its_action(tmp_path):
    path = saved(
        tmp_path / "t.csv",
        class_id=[28, 0, 3],
        verb_class=None,
        noun_class=None,
        action_class=None,
    )
    visual = read_published_queries(path, "test", "visual")
    audio = read_published_queries(path, "test", "audio")
    assert visual["action_class"].to_list() == audio["class_id"].to_list() == [28, 0, 3]
    assert visual[["verb_class", "class_id"]].isna().all(axis=None)


def test_an_unknown_class_is_empty(tmp_path):
    path = saved(tmp_path / "t.csv", action_class=[-1, 5, -1], verb_class=[-1, 5, -1])
    part = read_published_queries(path, "test", "visual")
    assert part["action_class"].isna().to_list() == [True, False, True]


def test_visual_rows_come_first_and_numbers_follow_the_rows(tmp_path):
    path = saved(tmp_path / "t.csv", class_id=[1, 2, 3])
    parts = [read_published_queries(path, "val", m) for m in ("audio", "visual")]
    table = join_queries(parts)
    assert table["query_id"].to_list() == list(range(6))
    assert table["modality"].to_list() == ["visual"] * 3 + ["audio"] * 3
    write_table(table, tmp_path / "q.parquet", QUERIES)
    found = read_table(tmp_path / "q.parquet", QUERIES)
    assert found["annotation_id"].to_list() == ACTIONS["narration_id"] * 2
    assert found["class_id"].isna().to_list() == [True] * 3 + [False] * 3


def test_modality_does_not_depend_on_names(tmp_path):
    ids = ["v_a_1", "a_v_2", "xv_a_3"]
    path = saved(tmp_path / "t.csv", narration_id=ids, class_id=[0, 1, 2])
    table = join_queries([read_published_queries(path, "val", m) for m in ("visual", "audio")])
    assert (table.groupby("modality")["annotation_id"].apply(list) == [ids, ids]).all()


def test_ave_has_ten_queries_a_line_and_modality():
    segments = ave.segments(
        {"test": [annotation(3, "a", 2, 4), annotation(9, "a", 0, 0)]}, ["Dog", "background"]
    )
    table = join_queries(queries_of_segments(segments))
    assert len(table) == 40
    visual, audio = table.iloc[:20], table.iloc[20:]
    assert visual["annotation_id"].to_list() == audio["annotation_id"].to_list()
    assert visual["annotation_id"].iloc[[0, 19]].to_list() == ["ave_0003_0", "ave_0009_9"]
    assert visual["action_class"].to_list() == [1, 1, 0, 0] + [1] * 16
    assert audio["class_id"].to_list() == visual["action_class"].to_list()
    assert (table["stop_s"] - table["start_s"] == 1.0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_timestamp": ["1.5", "00:01:00", "01:00:00"]}, "row 1: start_timestamp is '1.5'"),
        ({"stop_timestamp": ["0:0:2", "0:1:0", "nan:0:0"]}, "row 3: stop_timestamp is 'nan:0:0'"),
        ({"action_class": [7, "x", 1]}, "row 2: action_class is 'x', expected a number"),
        ({"action_class": [7, 1.5, 1]}, "row 2: action_class is '1.5', expected a whole number"),
        ({"action_class": None}, "no column 'action_class', which visual queries need"),
        ({"video_id": None}, "no column 'video_id'"),
        ({"video_id": ["P", "", "Q"]}, "row 2: video_id is ''"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, changes, message):
    path = saved(tmp_path / "t.csv", **changes)
    with pytest.raises(DataError, match=message) as error:
        read_published_queries(path, "train", "visual")
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_a_pickle_that_calls_is_refused(tmp_path):
    (tmp_path / "t.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    for read in (read_durations, lambda path: read_published_queries(path, "val", "audio")):
        with pytest.raises(UnsafePickleError, match=r"os\.system"):
            read(tmp_path / "t.pkl")


def made(folder, dataset, files):
    """Make the queries and the table of videos of annotation files."""
    make_queries(dataset, files, folder / "q.parquet", folder / "v.parquet")
    return read_table(folder / "q.parquet", QUERIES), read_table(folder / "v.parquet", VIDEOS)


def test_videos_are_in_the_order_of_the_published_table_of_videos(tmp_path):
    pd.DataFrame({"video_id": ["Q", "x", "P"], "duration": [4000.0, 5, 70]}).to_csv(
        tmp_path / "v.csv"
    )
    files = {"actions.train": saved(tmp_path / "t.csv"), "video_info": tmp_path / "v.csv"}
    queries, videos = made(tmp_path, "epic", files)
    assert queries["annotation_id"].to_list() == ACTIONS["narration_id"]
    assert videos.to_numpy().tolist() == [["Q", "train", 4000.0], ["P", "train", 70.0]]


def test_without_lengths_videos_are_in_the_order_of_their_names(tmp_path):
    path = saved(tmp_path / "t.csv", video_id=["Q", "Q", "P"])
    _, videos = made(tmp_path, "epic", {"actions.train": path})
    assert videos["video_id"].to_list() == ["P", "Q"] and videos["duration_s"].isna().all()


def test_videos_of_ave_last_ten_seconds(tmp_path):
    lines = ["Dog&b&good&0&10", "Cat&a&good&2&4", "Dog&b&good&3&4"]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    for name, kept in (("train", lines[:2]), ("test", lines[2:])):
        (tmp_path / f"{name}.txt").write_text("\n".join(kept))
    files = {"annotations": tmp_path / "a.txt"}
    files |= {name: tmp_path / f"{name}.txt" for name in ("train", "test")}
    queries, videos = made(tmp_path, "ave", files)
    expected = [["a", "train", 10.0], ["b", "train", 10.0], ["b", "test", 10.0]]
    assert len(queries) == 60 and videos.to_numpy().tolist() == expected


def perception_annotations(folder, actions, sounds):
    """Read (label id, start, stop) in microseconds, written as Perception Test publishes them."""
    tracks = {"action_localisation": actions, "sound_localisation": sounds}
    video = {"metadata": {"num_frames": 2000, "frame_rate": 25.0}}
    for key, rows in tracks.items():
        video[key] = [
            {"id": k, "label": "x", "label_id": label_id, "timestamps": times}
            for k, (label_id, *times) in enumerate(rows)
        ]
    (folder / "t.json").write_text(json.dumps({"video_9": video}))
    return perception_test.read_annotations(folder / "t.json", "train")


def test_times_of_perception_test_are_those_of_the_published_tables(tmp_path):
    """Which write HH:MM:SS.ffffff and read it by its parts."""
    times = [3_661_000_007, 59_999_999, 7_199_123_456]
    rows = ["narration_id,video_id,start_timestamp,stop_timestamp,action_class"]
    for k, t in enumerate(times):
        s, u = divmod(t, 10**6)
        text = f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}.{u:06}"
        rows.append(f"{k},video_9,{text},{text},0")
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    table = read_published_queries(tmp_path / "t.csv", "val", "visual")
    found = perception_annotations(tmp_path, [(0, t, t + 1) for t in times], [])
    assert found.events["visual"]["start_s"].to_list() == table["start_s"].to_list()
