import json
from pathlib import Path

import pandas as pd
import pytest

from avlib.datasets import ave, epic_kitchens, epic_sounds, perception_test
from avlib.errors import DataError, UnsafePickleError
from avlib.io.tables import read_table, write_table
from avlib.tim.queries import (
    CLASS_COUNTS,
    action_pairs,
    check_queries,
    join_queries,
    queries_of_actions,
    queries_of_events,
    queries_of_modalities,
    queries_of_segments,
    read_action_pairs,
    read_durations,
    read_published_queries,
)
from avlib.tim.tables import QUERIES

ACTIONS = {
    "narration_id": ["P_0", "P_1", "Q_0"],
    "video_id": ["P", "P", "Q"],
    "start_timestamp": ["00:00:01.5", "00:01:00", "01:00:00.25"],
    "stop_timestamp": ["00:00:02", "00:01:00", "01:00:01"],
    "verb_class": [1, 0, 96],
    "noun_class": [2, 299, 0],
    "action_class": [7, 0, 3805],
}
DURATIONS = {"P": 70.0, "Q": 3600.5}


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


def checked(part, source=Path("t.csv")):
    check_queries(part, source, classes=CLASS_COUNTS["epic"], durations=DURATIONS)


@pytest.mark.parametrize("suffix", ["csv", "pkl"])
def test_the_authors_table_of_actions_is_read(tmp_path, suffix):
    part = read_published_queries(saved(tmp_path / f"t.{suffix}"), "train", "visual")
    assert part["annotation_id"].to_list() == ACTIONS["narration_id"]
    assert part["start_s"].to_list() == [1.5, 60.0, 3600.25]
    assert part["stop_s"].to_list() == [2.0, 60.0, 3601.0]
    assert part["action_class"].to_list() == ACTIONS["action_class"]
    assert part["verb_class"].to_list() == ACTIONS["verb_class"]
    assert part["class_id"].isna().all()
    checked(part)


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
    checked(part)


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


def test_epic_classes_are_ranks_of_pairs():
    tables = [
        pd.DataFrame({"verb_class": [3, 0, 3], "noun_class": [1, 9, 0]}),
        pd.DataFrame({"verb_class": [0, 3], "noun_class": [2, 1]}),
    ]
    assert action_pairs(tables).tolist() == [[0, 2], [0, 9], [3, 0], [3, 1]]


def test_epic_validation_is_read(shared_data, tmp_path):
    path = shared_data / "epic100/EPIC_100_validation.pkl"
    actions = epic_kitchens.read_events(path, "val")
    sounds = epic_sounds.read_events(shared_data / "epic_sounds/EPIC_Sounds_validation.pkl", "val")
    pairs = action_pairs([actions])
    assert len(pairs) == 1352
    durations = read_durations(shared_data / "epic100/EPIC_100_video_info.csv")
    parts = [queries_of_actions(actions, pairs, path), queries_of_events(sounds, "audio")]
    for part in parts:
        check_queries(part, path, classes=CLASS_COUNTS["epic"], durations=durations)
    table = join_queries(parts)
    assert (table["modality"] == "visual").sum() == 9668 and len(table) == 9668 + 8035
    found = pairs[table["action_class"].iloc[:9668].to_numpy(int)]
    assert found.tolist() == actions[["verb_class", "noun_class"]].to_numpy().tolist()


def test_a_class_list_stands_for_the_train_table(tmp_path):
    (tmp_path / "c.csv").write_text("verb_class,noun_class\n0,2\n0,9\n3,1\n")
    pairs = read_action_pairs(tmp_path / "c.csv")
    events = pd.DataFrame(
        {
            "event_id": ["x"],
            "video_id": ["P"],
            "split": ["val"],
            "start_s": [0.0],
            "stop_s": [1.0],
            "verb_class": [3],
            "noun_class": [1],
        }
    )
    part = queries_of_actions(events, pairs, tmp_path / "e.csv")
    assert part["action_class"].to_list() == [2]
    with pytest.raises(DataError, match=r"e\.csv: row 1: verb 3 with noun 1 is none of the 2"):
        queries_of_actions(events, pairs[:2], tmp_path / "e.csv")
    (tmp_path / "c.csv").write_text("verb_class,noun_class\n0,2\n3,1\n0,2\n")
    with pytest.raises(DataError, match=r"c\.csv: row 3 repeats"):
        read_action_pairs(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_timestamp": ["1.5", "00:01:00", "01:00:00"]}, "row 1: start_timestamp is '1.5'"),
        ({"stop_timestamp": ["0:0:2", "0:1:0", "nan:0:0"]}, "row 3: stop_timestamp is 'nan:0:0'"),
        ({"action_class": [7, "x", 1]}, "row 2: action_class is 'x', expected a number"),
        ({"action_class": [7, 1.5, 1]}, "row 2: action_class is no whole number"),
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_id": ["P", "R", "Q"]}, "row 2: its video is not in the table of videos"),
        ({"narration_id": ["P_0", "Q_0", "Q_0"]}, "row 3: the id occurs twice"),
        ({"stop_timestamp": ["0:0:1", "0:1:0", "1:0:1"]}, "row 1: the event stops before"),
        ({"start_timestamp": ["0:0:1", "-1:1:0", "1:0:0"]}, "row 2: the event starts before"),
        (
            {"start_timestamp": ["0:0:1", "0:0:1", "1:0:1"], "stop_timestamp": ["1:0:2"] * 3},
            r"row 3: the event is outside its video .*video's length 3600\.5",
        ),
        ({"action_class": [7, 3806, 1]}, "row 2: action_class is not in 0 to 3805"),
        ({"verb_class": [1, 0, 97]}, "row 3: verb_class is not in 0 to 96"),
        ({"noun_class": [1, -2, 97]}, "row 2: noun_class is not in 0 to 299"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, changes, message):
    path = saved(tmp_path / "t.csv", **changes)
    part = read_published_queries(path, "train", "visual")
    with pytest.raises(DataError, match=message) as error:
        checked(part, path)
    assert str(error.value).startswith(f"{path}: row") and "\n" not in str(error.value)


def test_an_event_may_reach_beyond_the_end_of_its_video(tmp_path):
    part = read_published_queries(
        saved(tmp_path / "t.csv", stop_timestamp=["0:0:2", "0:2:0", "2:0:0"]), "train", "visual"
    )
    checked(part)


def test_labels_of_another_data_set_are_refused(tmp_path):
    part = read_published_queries(saved(tmp_path / "t.csv"), "train", "visual")
    with pytest.raises(DataError, match="row 1: has a verb_class"):
        check_queries(part, Path("t.csv"), classes=CLASS_COUNTS["perception"], durations=DURATIONS)


def test_a_pickle_that_calls_is_refused(tmp_path):
    (tmp_path / "t.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    for read in (read_durations, lambda path: read_published_queries(path, "val", "audio")):
        with pytest.raises(UnsafePickleError, match=r"os\.system"):
            read(tmp_path / "t.pkl")


def test_durations_keep_the_order_of_their_table(tmp_path):
    table = pd.DataFrame({"duration": [10.0, 3.5], "fps": [30.0, 25.0]}, index=["z", "a"])
    table.rename_axis("video_id").to_pickle(tmp_path / "v.pkl")
    table.rename_axis("video_id").to_csv(tmp_path / "v.csv")
    for name in ("v.pkl", "v.csv"):
        assert list(read_durations(tmp_path / name).items()) == [("z", 10.0), ("a", 3.5)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1\na,2\n", "row 2: the video occurs twice"),
        ("a,1\nb,0\n", "row 2: the duration is not positive"),
        ("a,1\nb,\n", "row 2: duration is '', expected a number"),
    ],
)
def test_a_wrong_row_of_the_table_of_videos_is_named(tmp_path, rows, message):
    (tmp_path / "v.csv").write_text("video_id,duration\n" + rows)
    with pytest.raises(DataError, match=message):
        read_durations(tmp_path / "v.csv")


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


def test_perception_test_has_visual_queries_of_actions_and_audio_queries_of_sounds(tmp_path):
    actions = [(40, 0, 1_500_000), (7, 65_123_457, 70_000_000)]
    found = perception_annotations(tmp_path, actions, [(17, 250_000, 9_000_001)])
    label_map = perception_test.default_label_map(found)
    events = {
        modality: perception_test.apply_label_map(table, label_map, tmp_path / "t.json")
        for modality, table in found.events.items()
    }
    visual, audio = queries_of_modalities(events)
    assert visual["annotation_id"].to_list() == ["video_9_0", "video_9_1"]
    assert visual["action_class"].to_list() == [1, 0]
    assert visual["class_id"].isna().all() and audio["action_class"].isna().all()
    assert audio["class_id"].to_list() == [0]
    path = tmp_path / "t.json"
    check_queries(visual, path, classes=CLASS_COUNTS["perception"], durations=found.durations)
    write_table(join_queries([visual, audio]), tmp_path / "q.parquet", QUERIES)


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
