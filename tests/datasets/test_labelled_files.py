import pytest

from avlib.datasets.labelled_files import (
    read_class_folders,
    read_labelled_sounds,
    whole_file_events,
)
from avlib.errors import DataError
from avlib.io.tables import EVENTS, LABELLED_FILES, write_table


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.fixture
def sounds(tmp_path):
    return touch(tmp_path / "sounds", "a.wav", "b.flac", "deep/c d.wav")


def table(folder, text):
    (folder / "labels.csv").write_text(text)
    return folder / "labels.csv"


def test_class_folders_are_read(tmp_path, caplog):
    touch(
        tmp_path,
        "train/zumba/v_b.mp4",
        "train/abseiling/-a b.wav",
        "val/zumba/v_c.mp4",
        "val/zumba/notes.txt",
        "val/zumba/.hidden.mp4",
        "other/zumba/v_d.mp4",
    )
    files = read_class_folders(tmp_path)
    columns = ["video_id", "split", "label", "class_id"]
    assert files[columns].to_numpy().tolist() == [
        ["-a b", "train", "abseiling", 0],
        ["v_b", "train", "zumba", 1],
        ["v_c", "val", "zumba", 1],
    ]
    assert "val: 1 of 2 classes have no file, abseiling the first" in caplog.text
    write_table(files, tmp_path / "files.parquet", LABELLED_FILES)


def test_classes_may_be_given(tmp_path):
    touch(tmp_path, "val/zumba/v_c.mp4")
    files = read_class_folders(tmp_path, ["abseiling", "yoga", "zumba"])
    assert files["class_id"].to_list() == [2]
    with pytest.raises(DataError, match="'zumba' is none of the 1 classes"):
        read_class_folders(tmp_path, ["abseiling"])


def test_names_that_several_classes_share_are_told_apart(tmp_path):
    touch(tmp_path, "train/bed/0.wav", "train/cat/0.wav", "val/cat/0.wav", "val/cat/1.wav")
    files = read_class_folders(tmp_path)
    assert files["video_id"].to_list() == ["train.bed.0", "train.cat.0", "val.cat.0", "1"]


def test_two_files_of_one_name_are_named(tmp_path):
    touch(tmp_path, "train/bed/0.wav", "train/bed/0.mp4")
    with pytest.raises(DataError, match=r"0\.wav and .*0\.mp4 have one name, split and class"):
        read_class_folders(tmp_path)


@pytest.mark.parametrize("folder", ["", "train", "train/bed"])
def test_a_root_without_files_is_named(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataError, match=r"no sound or video file; expected .*train,val,test"):
        read_class_folders(tmp_path)


def test_labelled_sounds_are_read_with_folds(tmp_path, sounds):
    path = table(
        tmp_path, "fold,file,label,take\n1,a.wav,dog,x\n2,b.flac,cat,y\n1,deep/c d.wav,dog,z\n"
    )
    files = read_labelled_sounds(sounds, path)
    assert files["video_id"].to_list() == ["a", "b", "c d"]
    assert files["fold"].to_list() == ["1", "2", "1"]
    assert files["class_id"].to_list() == [1, 0, 1]
    write_table(files, tmp_path / "files.parquet", LABELLED_FILES)


def test_a_split_may_be_given_and_is_drawn_otherwise(tmp_path, sounds):
    files = read_labelled_sounds(
        sounds, table(tmp_path, "file,label,split\na.wav,dog,val\nb.flac,cat,test\n")
    )
    assert files["split"].to_list() == ["val", "test"]
    assert files["fold"].isna().all()
    touch(sounds, *(f"{i}.wav" for i in range(100)))
    rows = "".join(f"{i}.wav,dog\n" for i in range(100))
    drawn = read_labelled_sounds(sounds, table(tmp_path, "file,label\n" + rows))["split"]
    assert set(drawn) == {"train", "val", "test"}
    assert drawn.value_counts()["train"] > 60


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\n", "holds no rows"),
        ("file,name\na.wav,dog\n", "no column 'label'"),
        ("file,label\na.wav,dog\ngone.wav,cat\n", r"row 2: file 'gone\.wav' is no file in"),
        ("file,label\n../labels.csv,dog\n", r"row 1: file '\.\./labels\.csv' is no file in"),
        ("file,label\na.wav,dog\na.wav,cat\n", r"row 2: file 'a\.wav' repeats row 1"),
        ("file,label\na.wav,\n", "row 1: label is '', expected a text"),
        ("file,label,fold\na.wav,dog,\n", "row 1: fold is '', expected a text"),
        ("file,label,split\na.wav,dog,dev\n", "row 1: split is 'dev', expected"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, sounds, text, message):
    with pytest.raises(DataError, match=message):
        read_labelled_sounds(sounds, table(tmp_path, text))


def test_each_file_is_one_event_of_its_length(tmp_path, sounds):
    files = read_labelled_sounds(sounds, table(tmp_path, "file,label\na.wav,dog\nb.flac,cat\n"))
    events = whole_file_events(files, {"a": 2.5})
    assert events[["event_id", "start_s", "stop_s", "class_id"]].to_numpy().tolist() == [
        ["a", 0.0, 2.5, 1]
    ]
    write_table(events, tmp_path / "events.parquet", EVENTS)
