import hashlib

import h5py
import numpy as np
import pytest
from tiny_golden import contents

from avlib.datasets import ave
from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.io.tables import read_table, write_table

NAMES = [column.name for column in EVENTS.columns]

SPLITS = ("train", "val", "test")
LINES = ["Dog&-a&good&0&10", "Cat&b_&good&3&7", "Dog&c&good&9&10", "Cat&-a&good&0&0"]


def lines(path, rows):
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def annotations(tmp_path):
    return ave.read_annotations(lines(tmp_path / "Annotations.txt", LINES))


@pytest.fixture(scope="module")
def real(shared_data):
    """Classes and splits of the whole data set."""
    annotations = ave.read_annotations(shared_data / "ave/Annotations.txt")
    lists = {split: shared_data / f"ave/{split}_order.h5" for split in SPLITS}
    return ave.class_names(annotations), ave.read_splits(lists, annotations)


FACTS = ("rows", "sha256", "class_counts")


@pytest.fixture(scope="module")
def facts():
    expected = contents("tim_recognition/facts.json")["ave"]["expected"]
    return {name: entry["value"] for name, entry in expected.items()}


def test_classes_are_numbered_by_first_appearance(real, facts):
    assert real[0] == facts["classes"]


@pytest.mark.parametrize("split", SPLITS)
def test_segments_of_the_data_set_are_the_authors(real, facts, split):
    classes, splits = real
    expected = {name: facts[f"{split}/visual/{name}"] for name in FACTS}
    table = ave.segments({split: splits[split]}, classes)
    rows = [
        f"{row.event_id},{row.video_id},{row.start_s:.0f},{row.stop_s:.0f},{row.class_id}\n"
        for row in table.itertuples()
    ]
    assert len(rows) == expected["rows"]
    assert hashlib.sha256("".join(rows).encode()).hexdigest() == expected["sha256"]
    assert table["class_id"].value_counts().sort_index().to_list() == expected["class_counts"]


def test_videos_of_the_data_set_may_be_in_several_splits(real, facts):
    members = {split: set() for split in SPLITS}
    for video_id, split in ave.video_splits(real[1]):
        assert video_id not in members[split]
        members[split].add(video_id)
    for split in SPLITS:
        assert len(members[split]) == facts[f"{split}/visual/unique_videos"]
    assert len(members["train"] & members["test"]) == 8
    assert len(members["train"] & members["val"]) == 10
    assert not members["val"] & members["test"]


def test_events_of_the_data_set_are_its_lines_but_the_empty_one(real):
    table = ave.events(real[1], real[0])
    assert len(table) == 4143 - 1
    assert table["event_id"].is_unique
    assert (table["stop_s"] > table["start_s"]).all()


def test_the_official_layout_of_real_clips_is_read(shared_data):
    folder = shared_data / "real_clips"
    annotations = ave.read_annotations(folder / "Annotations.txt")
    splits = ave.read_splits({s: folder / f"{s}Set.txt" for s in SPLITS}, annotations)
    assert len(annotations) == 18
    assert {split: len(rows) for split, rows in splits.items()} == dict.fromkeys(SPLITS, 6)
    assert ave.class_names(annotations)[0] == "Cat"
    videos = ave.video_splits(splits)
    assert ("-c03_clock0", "train") in videos
    assert all((folder / "AVE" / f"{video_id}.mp4").is_file() for video_id, _ in videos)


def test_seconds_outside_the_event_are_background(annotations):
    table = ave.segments({"test": annotations[1:2]}, ave.class_names(annotations))
    assert table["label"].to_list() == ["background"] * 3 + ["Cat"] * 4 + ["background"] * 3
    assert table["class_id"].to_list() == [2] * 3 + [1] * 4 + [2] * 3
    assert table["event_id"].iloc[3] == "ave_0001_3"


def test_tables_have_the_schema_of_events(annotations, tmp_path):
    classes = ave.class_names(annotations)
    for table in (ave.events, ave.segments):
        rows = table({"train": annotations}, classes).reindex(columns=NAMES)
        write_table(rows, tmp_path / "e.parquet", EVENTS)
    assert len(read_table(tmp_path / "e.parquet", EVENTS)) == 40


@pytest.mark.parametrize("header", ["", "Category&VideoID&Quality&StartTime&EndTime"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_header_and_the_line_endings_do_not_matter(tmp_path, header, ending, annotations):
    path = tmp_path / "other.txt"
    rows = [header, *LINES] if header else LINES
    path.write_bytes(("\ufeff" + ending.join(rows) + ending + ending).encode())
    assert ave.read_annotations(path) == annotations
    assert ave.read_splits({"val": path}, annotations) == {"val": annotations}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheet_may_have_saved_the_lines(tmp_path, annotations, delimiter):
    rows = ["Category&Video ID&Quality&StartTime&EndTime", *LINES]
    text = "\n".join(row.replace("&", delimiter) for row in rows)
    (tmp_path / "t.csv").write_bytes(text.encode("utf-16"))
    assert ave.read_annotations(tmp_path / "t.csv") == annotations


@pytest.mark.parametrize("order", [np.zeros((2, 2)), np.arange(2**20), np.array([b"a"])])
def test_an_order_that_is_no_row_of_numbers_is_refused(tmp_path, annotations, order):
    with h5py.File(tmp_path / "o.h5", "w") as file:
        file["order"] = order
    with pytest.raises(DataError, match=r"o\.h5: no HDF5 file with a data set 'order'"):
        ave.read_splits({"train": tmp_path / "o.h5"}, annotations)


def test_order_files_number_the_lines_without_the_header(tmp_path, annotations):
    with h5py.File(tmp_path / "train_order.h5", "w") as file:
        file["order"] = np.array([2, 0])
    splits = ave.read_splits({"train": tmp_path / "train_order.h5"}, annotations)
    assert [a.video_id for a in splits["train"]] == ["c", "-a"]


def test_a_video_with_two_lines_has_them_both(annotations):
    splits = {"train": annotations, "test": []}
    assert ave.video_splits(splits).count(("-a", "train")) == 1
    assert (ave.segments(splits, ave.class_names(annotations))["video_id"] == "-a").sum() == 20


def test_an_event_of_no_length_is_background_only(annotations):
    table = ave.segments({"train": annotations[3:]}, ave.class_names(annotations))
    assert set(table["label"]) == {"background"}
    assert ave.events({"train": annotations[3:]}, ave.class_names(annotations)).empty


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Dog&x&good&0", "line 2: found 'Dog&x&good&0', expected class&video_id"),
        ("Dog&x&good&0&ten", "line 2: found 'Dog&x&good&0&ten'"),
        ("Dog&x&good&0.5&3", "whole seconds"),
        ("Dog&x&good&3&11", "line 2: the event of x lasts from 3 to 11 s"),
        ("Dog&x&good&5&4", "lasts from 5 to 4 s"),
        ("Dog&x&good&-1&4", "lasts from -1 to 4 s"),
        ("&x&good&0&1", "expected a class and a video"),
        ("Dog&-a&bad&0&10", "line 2 repeats an earlier line"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    path = lines(tmp_path / "Annotations.txt", [LINES[0], line])
    with pytest.raises(DataError, match=message) as error:
        ave.read_annotations(path)
    assert str(error.value).startswith(f"{path}: line 2")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Cap&b_&good&3&7", "no annotation has the class 'Cap', did you mean 'Cat'"),
        ("Cat&b_&good&3&8", "no such annotation: Cat&b_, 3 to 8 s"),
        (LINES[0], "Dog&-a is already in"),
    ],
)
def test_a_wrong_row_of_a_list_is_named(tmp_path, annotations, line, message):
    train = lines(tmp_path / "trainSet.txt", LINES[:1])
    test = lines(tmp_path / "testSet.txt", [LINES[1], line])
    with pytest.raises(DataError, match=message) as error:
        ave.read_splits({"train": train, "test": test}, annotations)
    assert str(error.value).startswith(f"{test}: line 2: ")


@pytest.mark.parametrize("number", [4, -1])
def test_an_order_file_of_another_data_set_is_refused(tmp_path, annotations, number):
    with h5py.File(tmp_path / "test_order.h5", "w") as file:
        file["order"] = np.array([0, number])
    with pytest.raises(DataError, match=f"row 1 is {number}, expected a line number below 4"):
        ave.read_splits({"test": tmp_path / "test_order.h5"}, annotations)


@pytest.mark.parametrize("content", [b"", b"Category&VideoID&Quality&StartTime&EndTime\n", b"\xff"])
def test_a_file_without_annotations_is_refused(tmp_path, content):
    (tmp_path / "Annotations.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"Annotations\.txt"):
        ave.read_annotations(tmp_path / "Annotations.txt")


def test_a_missing_or_foreign_list_is_refused(tmp_path, annotations):
    (tmp_path / "val_order.h5").write_bytes(b"no HDF5")
    for name in ("absent.txt", "absent.h5", "val_order.h5"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            ave.read_splits({"val": tmp_path / name}, annotations)
