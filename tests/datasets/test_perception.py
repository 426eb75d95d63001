"""Perception Test as a data set of TIM: public files, and the tables of TIM's authors."""

import json

import pandas as pd
import pytest

from avlib.datasets.events import make_events, read_events
from avlib.datasets.tables import EVENTS
from avlib.errors import ConfigError, DataError
from avlib.io.json_files import read_json
from avlib.io.tables import read_table

SECOND = 1_000_000  # in microseconds


def segment(number, label, label_id, start_s, stop_s):
    times = [round(start_s * SECOND), round(stop_s * SECOND)]
    return {"id": number, "label": label, "label_id": label_id, "timestamps": times}


def video(actions, sounds, n_frames=900):
    tracks = {"action_localisation": actions, "sound_localisation": sounds}
    return {"metadata": {"num_frames": n_frames, "frame_rate": 30.0}} | tracks


TRAIN = {
    "video_9": video(
        [segment(0, "Putting down", 40, 0, 1.5), segment(2, "Lifting", 7, 5.25, 40)],
        [segment(0, "Clatter", 17, 0.25, 9)],
    ),
    "video_1": video([segment(0, "Lifting", 7, 1, 2)], []),
}
VAL = {"video_5": video([segment(0, "Lifting", 7, 3, 4)], [segment(1, "Clatter", 17, 3, 4)], 600)}
ACTIONS = {
    "narration_id": ["video_9_0", "video_1_0"],
    "video_id": ["video_9", "video_1"],
    "start_timestamp": ["00:00:00.000000", "00:00:01.000000"],
    "stop_timestamp": ["00:00:01.500000", "00:00:02.000000"],
    "action_class": [62, 0],
}


def saved(path, value):
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def files(tmp_path):
    return {
        "annotations.train": saved(tmp_path / "all_train.json", TRAIN),
        "annotations.val": saved(tmp_path / "all_valid.json", VAL),
    }


@pytest.fixture
def tables(tmp_path):
    """Pickles of TIM's authors, by their keys."""
    sounds = {**ACTIONS, "class_id": [16, 3]}
    del sounds["action_class"]
    lengths = {"video_id": ["video_1", "video_9"], "duration": [30.0, 30.0]}
    frames = {"actions.train": ACTIONS, "sounds.train": sounds, "video_info": lengths}
    paths = {key: tmp_path / f"{key}.pkl" for key in frames}
    for key, columns in frames.items():
        pd.DataFrame(columns).set_index(next(iter(columns))).to_pickle(paths[key])
    return paths


def test_labels_of_train_are_numbered_for_all_splits(files, tmp_path):
    make_events("perception", files, tmp_path / "e.parquet", tmp_path / "c.json")
    assert read_json(tmp_path / "c.json") == {
        "action_class": ["Lifting", "Putting down"],
        "class_id": ["Clatter"],
    }
    events = read_table(tmp_path / "e.parquet", EVENTS)
    visual, audio = (events[events["modality"] == m] for m in ("visual", "audio"))
    assert visual["event_id"].to_list() == ["video_9_0", "video_9_2", "video_1_0", "video_5_0"]
    assert visual["action_class"].to_list() == [1, 0, 0, 0]
    assert visual["label"].to_list() == ["Putting down", "Lifting", "Lifting", "Lifting"]
    assert audio["class_id"].to_list() == [0, 0] and audio["split"].to_list() == ["train", "val"]
    assert events[["verb_class", "noun_class"]].isna().all(axis=None)


def test_a_video_lasts_as_long_as_its_frames(files):
    found = read_events("perception", files)
    assert list(found.durations.items()) == [("video_9", 30), ("video_1", 30), ("video_5", 20)]
    assert found.video_splits == [("video_9", "train"), ("video_1", "train"), ("video_5", "val")]


def test_a_label_map_and_lists_of_videos_are_used(files, tmp_path):
    label_map = {"action_class": {"7": 2, "40": 0, "5": 1}, "class_id": {"17": 1, "16": 0}}
    (tmp_path / "ids.csv").write_text("video_1,")
    given = {"label_map": saved(tmp_path / "m.json", label_map), "ids.train": tmp_path / "ids.csv"}
    found = read_events("perception", files | given)
    assert found.table["event_id"].to_list() == ["video_1_0", "video_5_0", "video_5_1"]
    assert found.table["action_class"].dropna().to_list() == [2, 2]
    assert found.classes["action_class"] == ["0", "1", "Lifting"]
    assert found.classes["class_id"] == ["0", "Clatter"]


def test_tables_of_tims_authors_have_their_own_numbers(tables):
    found = read_events("perception", tables)
    assert found.table["action_class"].dropna().to_list() == [62, 0]
    assert found.table["class_id"].dropna().to_list() == [16, 3]
    assert {column: len(names) for column, names in found.classes.items()} == {
        "action_class": 63,
        "class_id": 17,
    }
    assert list(found.durations) == ["video_1", "video_9"]


def test_what_is_not_given_is_named(files, tables):
    with pytest.raises(ConfigError, match=r"either annotations, .*or actions and sounds"):
        read_events("perception", {})
    with pytest.raises(ConfigError, match="both are given"):
        read_events("perception", files | tables)
    del files["annotations.train"]
    with pytest.raises(ConfigError, match=r"give annotations\.train, too, or a label_map"):
        read_events("perception", files)


@pytest.mark.parametrize(
    ("split", "content", "message"),
    [
        (
            "train",
            {"v": video([segment(0, "a", 1, 0, 1), segment(0, "a", 1, 2, 3)], [])},
            "segment v_0: the id occurs twice",
        ),
        (
            "train",
            {"v": video([segment(0, "a", 1, 31, 32)], [])},
            r"segment v_0: the event is outside its video; .*31.0 to 32.0 s, the video has 30.0 s",
        ),
        (
            "train",
            {"v": video([segment(4, "a", 1, 0, 60e-6), segment(5, "a", 1, 30e-6, 900e-6)], [])},
            r"v: all segments end before 0.1 s, .*are they frames\?",
        ),
        ("train", {"v": video([segment(0, "a", 1, 3, 2)], [])}, "segment v_0: the event stops"),
        ("train", {"v": video([segment(0, "a", 1, -1, 2)], [])}, "segment v_0: the event starts"),
        ("train", {"v": video([], [])}, "holds no events of the split train"),
        ("train", {}, "holds no events of the split train"),
        ("val", {"v": video([], [segment(3, "a", 99, 0, 1)])}, "v_3: the label 99 has no class_id"),
        ("val", {"video_9": VAL["video_5"]}, "segment video_9_0: video_9 is in the split val, but"),
    ],
)
def test_a_wrong_segment_is_named_before_any_work(files, tmp_path, split, content, message):
    path = saved(files[f"annotations.{split}"], content)
    if split == "train":
        del files["annotations.val"]
    with pytest.raises(DataError, match=message) as error:
        make_events("perception", files, tmp_path / "e.parquet", tmp_path / "c.json")
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "changes", "message"),
    [
        ("actions.train", {"action_class": [63, 0]}, "row 1: action_class is 63, expected 0 to 62"),
        ("actions.train", {"action_class": [1, -1]}, "row 2: action_class is -1, expected 0 to 62"),
        ("actions.train", {"start_timestamp": [0, 30]}, "row 1: start_timestamp is 0, expected"),
        ("actions.train", {"video_id": ["a", "video_1"]}, "row 1: its video is not in the table"),
        ("sounds.train", {"class_id": [3, 17]}, "row 2: class_id is 17, expected 0 to 16"),
        ("sounds.train", {"narration_id": ["video_9_0"] * 2}, "row 2: the id occurs twice"),
    ],
)
def test_a_wrong_row_of_the_authors_tables_is_named(tables, key, changes, message):
    table = pd.read_pickle(tables[key]).reset_index().assign(**changes)
    table.set_index("narration_id").to_pickle(tables[key])
    with pytest.raises(DataError, match=message) as error:
        read_events("perception", tables)
    assert str(error.value).startswith(f"{tables[key]}: ") and "\n" not in str(error.value)
