"""EPIC-KITCHENS-100 with EPIC-SOUNDS: official tables and those of TIM's authors."""

import numpy as np
import pandas as pd
import pytest

from avlib.datasets.epic_kitchens import action_pairs, read_action_pairs
from avlib.datasets.events import make_events, read_events
from avlib.datasets.tables import EVENTS
from avlib.errors import ConfigError, DataError
from avlib.io.json_files import read_json
from avlib.io.tables import read_table

TRAIN = {
    "narration_id": ["P_0", "P_1", "Q_0"],
    "video_id": ["P", "P", "Q"],
    "start_timestamp": ["00:00:01.5", "00:01:00", "01:00:00.25"],
    "stop_timestamp": ["00:00:02", "00:01:01", "01:00:01"],
    "verb": ["take", "put-down", "put"],
    "verb_class": [0, 1, 1],
    "noun": ["plate", "tap", "tap"],
    "noun_class": [2, 0, 0],
}
VAL = {name: values[:1] for name, values in TRAIN.items()} | {
    "narration_id": ["V_0"],
    "video_id": ["V"],
    "verb": ["turn"],
    "verb_class": [5],
}
SOUNDS = {
    "annotation_id": ["Q_0", "P_0"],
    "participant_id": ["Q", "P"],
    "video_id": ["Q", "P"],
    "start_timestamp": ["00:00:00.5", "00:00:03.250"],
    "stop_timestamp": ["00:00:02", "00:00:04"],
    "class": ["rustle", "cut / chop"],
    "class_id": [4, 43],
}
SECONDS = {"P": 70.0, "Q": 3600.5, "V": 12.0}
CLASSES = ("verb", "verb_class", "noun", "noun_class", "class", "class_id")


def saved(path, columns, **changes):
    """Write a table with changed columns; None drops a column."""
    table = pd.DataFrame({k: v for k, v in (columns | changes).items() if v is not None})
    table.to_pickle(path) if path.suffix == ".pkl" else table.to_csv(path, index=False)
    return path


@pytest.fixture
def files(tmp_path):
    table = pd.DataFrame({"video_id": list(SECONDS), "duration": list(SECONDS.values())})
    table.to_csv(tmp_path / "EPIC_100_video_info.csv", index=False)
    return {
        "actions.train": saved(tmp_path / "EPIC_100_train.csv", TRAIN),
        "actions.val": saved(tmp_path / "EPIC_100_validation.csv", VAL),
        "sounds.train": saved(tmp_path / "EPIC_Sounds_train.csv", SOUNDS),
        "video_info": tmp_path / "EPIC_100_video_info.csv",
    }


def test_actions_and_sounds_are_events_of_two_modalities(files, tmp_path):
    make_events("epic", files, tmp_path / "e.parquet", tmp_path / "classes.json")
    events = read_table(tmp_path / "e.parquet", EVENTS)
    visual, audio = (events[events["modality"] == m] for m in ("visual", "audio"))
    assert visual["event_id"].to_list() == ["P_0", "P_1", "Q_0", "V_0"]
    assert visual["split"].to_list() == ["train"] * 3 + ["val"]
    # Classes are ranks of the pairs (0, 2), (1, 0) and (5, 2).
    assert visual["action_class"].to_list() == [0, 1, 1, 2]
    assert visual["label"].to_list() == ["take plate", "put tap", "put tap", "turn plate"]
    assert visual["class_id"].isna().all() and audio["verb_class"].isna().all()
    assert audio["class_id"].to_list() == [4, 43]
    assert audio["label"].to_list() == ["rustle", "cut / chop"]
    assert audio["start_s"].to_list() == [0.5, 3.25]
    classes = read_json(tmp_path / "classes.json")
    sizes = {column: len(names) for column, names in classes.items()}
    assert sizes == {"verb_class": 97, "noun_class": 300, "action_class": 3, "class_id": 44}
    assert classes["verb_class"][:3] == ["take", "put", "2"] and classes["class_id"][5] == "5"


def test_lengths_and_splits_are_those_of_the_files(files):
    found = read_events("epic", files)
    assert list(found.durations.items()) == list(SECONDS.items())
    assert found.video_splits == [("P", "train"), ("Q", "train"), ("V", "val")]


def test_the_commonest_text_of_a_class_names_it_or_the_official_list(files, tmp_path):
    saved(files["actions.train"], TRAIN, verb=["take", "put", "lay"], verb_class=[1, 1, 1])
    saved(files["actions.val"], VAL, verb=["put"], verb_class=[1])
    assert read_events("epic", files).classes["verb_class"][1] == "put"
    (tmp_path / "verbs.csv").write_text("id,key,instances,category\n1,place,\"['a', 'b']\",x\n")
    listed = read_events("epic", files | {"verb_classes": tmp_path / "verbs.csv"})
    assert listed.classes["verb_class"][:2] == ["0", "place"]
    assert listed.classes["action_class"] == ["place tap", "place plate"]
    (tmp_path / "verbs.csv").write_text("id,key\n0,take\n97,place\n")
    with pytest.raises(DataError, match=r"verbs\.csv: row 2: id is 97, expected 0 to 96"):
        read_events("epic", files | {"verb_classes": tmp_path / "verbs.csv"})


@pytest.mark.parametrize("suffix", ["csv", "pkl"])
def test_a_test_split_without_classes_has_unknown_ones(files, tmp_path, suffix):
    given = {name: None for name in CLASSES}
    ids = {"video_id": ["T", "T", "T"]}
    actions = saved(tmp_path / f"a.{suffix}", TRAIN, **given, **ids)
    sounds = saved(tmp_path / f"s.{suffix}", SOUNDS, **given, video_id=["T", "T"])
    (tmp_path / "EPIC_100_video_info.csv").write_text("video_id,duration\nP,70\nQ,3601\nV,9\nT,4e3")
    found = read_events("epic", files | {"actions.test": actions, "sounds.test": sounds})
    test = found.table[found.table["split"] == "test"]
    columns = ["verb_class", "noun_class", "action_class", "class_id"]
    assert len(test) == 5 and test[columns].isna().all(axis=None)
    assert set(test["label"]) == {""}


def test_tables_of_tims_authors_number_the_actions_themselves(files, tmp_path):
    train = saved(tmp_path / "t.csv", TRAIN, action_class=[3805, 7, 7])
    pd.read_csv(train).set_index("narration_id").to_pickle(tmp_path / "t.pkl")
    found = read_events("epic", {"actions.train": tmp_path / "t.pkl"})
    assert found.table["action_class"].to_list() == [3805, 7, 7]
    names = found.classes["action_class"]
    assert (len(names), names[0], names[7], names[3805]) == (3806, "0", "put tap", "take plate")
    with pytest.raises(DataError, match=r"t\.csv: row 1: verb 0 with noun 2 is action class 0, b"):
        read_events("epic", files | {"actions.train": train})


def test_a_list_of_action_classes_stands_for_the_train_table(files, tmp_path):
    (tmp_path / "c.csv").write_text("verb_class,noun_class\n0,2\n0,9\n5,2\n")
    given = {"actions.val": files["actions.val"], "action_classes": tmp_path / "c.csv"}
    found = read_events("epic", given)
    assert found.table["action_class"].to_list() == [2]
    assert found.classes["action_class"] == ["0 plate", "0 9", "turn plate"]
    (tmp_path / "c.csv").write_text("verb_class,noun_class\n0,2\n0,9\n")
    with pytest.raises(DataError, match=r"validation\.csv: row 1: verb 5 with noun 2 is none of"):
        read_events("epic", given)
    (tmp_path / "c.csv").write_text("verb_class,noun_class\n0,2\n3,1\n0,2\n")
    with pytest.raises(DataError, match=r"c\.csv: row 3 repeats"):
        read_action_pairs(tmp_path / "c.csv")


def test_what_action_classes_follow_from_must_be_given(files):
    with pytest.raises(ConfigError, match=r"give actions\.train, too, or a list"):
        read_events("epic", {"actions.val": files["actions.val"]})
    with pytest.raises(ConfigError, match="epic needs actions or sounds"):
        read_events("epic", {"video_info": files["video_info"]})
    sounds = read_events("epic", {"sounds.train": files["sounds.train"]})
    assert sounds.classes["action_class"] == [] and len(sounds.table) == 2


def test_action_classes_are_ranks_of_pairs():
    tables = [
        pd.DataFrame({"verb_class": [3, 0, 3], "noun_class": [1, 9, 0]}),
        pd.DataFrame({"verb_class": [0, 3], "noun_class": [2, 1]}),
    ]
    expected = np.array([[0, 2], [0, 9], [3, 0], [3, 1]])
    np.testing.assert_array_equal(action_pairs(tables), expected)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("actions.train", {"narration_id": ["P_0", "Q_0", "Q_0"]}, "row 3: the id occurs twice"),
        (
            "actions.train",
            {"video_id": ["P", "R", "Q"]},
            r"row 2: its video is not in the table of videos \(P_1 of R, ",
        ),
        (
            "actions.train",
            {"start_timestamp": ["00:01:30", "00:01:00", "01:00:00"]},
            "row 1: the event stops before it starts",
        ),
        (
            "actions.train",
            {"start_timestamp": ["00:00:01", "-1:1:0", "1:0:0"]},
            "row 2: the event starts before its video",
        ),
        (
            "actions.train",
            {"start_timestamp": ["0:0:1", "0:0:1", "1:0:1"], "stop_timestamp": ["1:0:2"] * 3},
            r"row 3: the event is outside its video; are the times in frames\? .*has 3600\.5 s",
        ),
        (
            "actions.train",
            {"start_timestamp": [90, 3600, 215_982]},
            "row 1: start_timestamp is '90', expected HH:MM:SS.sss",
        ),
        ("actions.train", {"verb_class": [0, 1, 97]}, "row 3: verb_class is 97, expected 0 to 96"),
        ("actions.train", {"noun_class": [0, -2, 9]}, "row 2: noun_class is -2, expected 0 to 299"),
        (
            "actions.train",
            {"action_class": [0, 3806, 1]},
            "row 2: action_class is 3806, expected 0 to 3805",
        ),
        ("actions.train", {"verb_class": [0, -1, 1]}, "row 2: verb_class is -1, expected 0 to 96"),
        ("actions.train", {"verb_class": None}, "no column 'verb_class'"),
        ("sounds.train", {"class_id": [4, 44]}, "row 2: class_id is 44, expected 0 to 43"),
        ("sounds.train", {"class_id": [4, 1.5]}, "row 2: class_id is '1.5', expected a whole"),
        ("sounds.train", {"annotation_id": ["P_0", "P_0"]}, "row 2: the id occurs twice"),
        (
            "actions.val",
            {"video_id": ["Q"]},
            "row 1: Q is in the split val, but .*train.csv has it in train; splits overlap",
        ),
        ("actions.val", {name: [] for name in VAL}, "holds no events"),
    ],
)
def test_a_wrong_row_is_named_before_any_work(files, tmp_path, file, changes, message):
    columns = {"actions.train": TRAIN, "actions.val": VAL, "sounds.train": SOUNDS}[file]
    saved(files[file], columns, **changes)
    with pytest.raises(DataError, match=message) as error:
        make_events("epic", files, tmp_path / "e.parquet", tmp_path / "c.json")
    assert str(error.value).startswith(f"{files[file]}: ") and "\n" not in str(error.value)
    assert not (tmp_path / "e.parquet").exists()


def test_an_empty_test_table_is_named(files, tmp_path):
    empty = saved(tmp_path / "EPIC_100_test_timestamps.csv", {name: [] for name in TRAIN})
    with pytest.raises(DataError, match=r"EPIC_100_test_timestamps\.csv: holds no events"):
        read_events("epic", files | {"actions.test": empty})


def test_an_event_may_reach_beyond_the_end_of_its_video(files):
    saved(files["actions.train"], TRAIN, stop_timestamp=["0:0:2", "0:2:0", "2:0:0"])
    assert len(read_events("epic", files).table) == 6
