import hashlib
import os

import pytest

from avlib.datasets.splits import split_of
from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.io.tables import write_table
from avlib.soundtracks.kinetics_files import kinetics_files
from avlib.soundtracks.labelling import whole_file_events
from avlib.soundtracks.own_sounds import labelled_sounds
from avlib.soundtracks.tables import LABELLED_FILES

COLUMNS = ["video_id", "split", "label", "class_id"]


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.fixture
def sounds(tmp_path):
    return touch(tmp_path / "sounds", "a.wav", "b.flac", "deep/c d.wav", "deep/e.mp4")


def table(folder, text):
    (folder / "labels.csv").write_text(text)
    return folder / "labels.csv"


def splits(files):
    return dict(zip(files["video_id"], files["split"], strict=True))


def test_folders_of_kinetics_are_read(tmp_path, caplog):
    root = touch(
        tmp_path,
        "train/zumba/v_b.mp4",
        "train/abseiling/-a b.wav",
        "val/zumba/v_c.mp4",
        "val/zumba/notes.txt",
        "val/zumba/.hidden.mp4",
        "test/zumba/v_d.mp4",
    )
    (root / "train/empty").mkdir()
    files = kinetics_files(root, None, 0)
    assert files[COLUMNS].to_numpy().tolist() == [
        ["-a b", "train", "abseiling", 0],
        ["v_b", "train", "zumba", 1],
        ["v_c", "test", "zumba", 1],
    ]
    assert files["path"][0] == str(root / "train/abseiling/-a b.wav")
    assert caplog.messages == [f"{root}: test: 1 of 2 classes have no file, abseiling the first"]
    write_table(files, tmp_path / "files.parquet", LABELLED_FILES)


def test_a_share_of_the_folder_train_is_the_split_val(tmp_path):
    touch(tmp_path, *(f"train/zumba/v_{i}.mp4" for i in range(300)), "val/zumba/v_x.mp4")
    found = splits(kinetics_files(tmp_path, None, 0.2))
    val = {name for name, split in found.items() if split == "val"}
    assert 40 <= len(val) <= 80
    assert found["v_x"] == "test"
    touch(tmp_path, *(f"train/zumba/v_{i}.mp4" for i in range(300, 400)))
    more = splits(kinetics_files(tmp_path, None, 0.3))
    assert all(more[name] == "val" for name in val)
    later = splits(kinetics_files(tmp_path, None, 0.2))
    assert {name for name in found if later[name] == "val"} == val
    shares = {name: int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) for name in found}
    assert val == {name for name in found if shares[name] < 0.2 * 16**16 and name != "v_x"}


def test_a_split_without_a_class_is_warned_of(tmp_path, caplog):
    touch(tmp_path, "train/zumba/v_b.mp4", "val/zumba/v_c.mp4")
    kinetics_files(tmp_path, None, 1e-9)
    assert "val: 1 of 1 classes have no file, zumba the first" in caplog.text


def test_classes_may_be_given(tmp_path):
    touch(tmp_path, "train/zumba/v_b.mp4", "val/zumba/v_c.mp4")
    (tmp_path / "list.txt").write_text("0\tabseiling\n1\tyoga\n2\tzumba\n")
    files = kinetics_files(tmp_path, tmp_path / "list.txt", 0)
    assert files["class_id"].to_list() == [2, 2]
    (tmp_path / "list.txt").write_text("0\tabseiling\n")
    with pytest.raises(DataError, match="'zumba' is none of the 1 classes"):
        kinetics_files(tmp_path, tmp_path / "list.txt", 0)


@pytest.mark.parametrize("missing", ["train", "val"])
def test_a_missing_folder_of_kinetics_is_named(tmp_path, missing):
    touch(tmp_path, "train/zumba/v_b.mp4", "val/zumba/v_c.mp4")
    (tmp_path / missing).rename(tmp_path / "other")
    with pytest.raises(DataError, match=f"no folder {missing}; expected .*{missing}/<class>"):
        kinetics_files(tmp_path, None, 0)
    (tmp_path / missing).mkdir()
    with pytest.raises(DataError, match=f"no sound or video file {missing}/<class>/<file>"):
        kinetics_files(tmp_path, None, 0)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    touch(tmp_path, "train/bed/0.wav", "train/cat/0.wav", "val/cat/0.wav", "val/cat/1.wav")
    files = kinetics_files(tmp_path, None, 1)
    assert splits(files) == {
        "train.bed.0": "val",
        "train.cat.0": "val",
        "val.cat.0": "test",
        "1": "test",
    }


def test_two_files_of_one_name_in_one_folder_are_named(tmp_path):
    touch(tmp_path, "train/bed/0.wav", "train/bed/0.mp4", "val/bed/1.wav")
    with pytest.raises(DataError, match=r"0\.wav and .*0\.mp4 have one name; rename one"):
        kinetics_files(tmp_path, None, 0)


def test_names_that_are_not_utf_8_stay_in_the_table(tmp_path):
    touch(tmp_path, "train/bed/a.wav", "val/bed/b.wav")
    (tmp_path / "train/bed" / os.fsdecode(b"\xff.wav")).touch()
    files = kinetics_files(tmp_path, None, 0)
    assert files["video_id"].to_list() == ["a", "\\xff", "b"]
    write_table(files, tmp_path / "files.parquet", LABELLED_FILES)


def test_folders_of_classes_are_read_and_their_splits_drawn(tmp_path, monkeypatch):
    names = [f"v{i}" for i in range(100)]
    touch(tmp_path, *(f"cat/{name}.ogg" for name in names), "train/x.mp4", ".git/y.wav")
    files = labelled_sounds(tmp_path, None)
    assert set(files["label"]) == {"cat", "train"}
    assert splits(files) == {name: split_of(name) for name in (*names, "x")}
    assert set(files["split"]) == {"train", "val", "test"}
    monkeypatch.chdir(tmp_path)
    assert labelled_sounds(tmp_path.relative_to(tmp_path), None)[COLUMNS].equals(files[COLUMNS])


def test_folders_called_after_splits_are_splits_where_there_are_no_others(tmp_path, caplog):
    touch(tmp_path, "test/cat/a.wav", "train/cat/b.wav", "train/dog/c.wav", "readme.txt")
    files = labelled_sounds(tmp_path, None)
    assert splits(files) == {"a": "test", "b": "train", "c": "train"}
    assert caplog.messages == [f"{tmp_path}: test: 1 of 2 classes have no file, dog the first"]
    touch(tmp_path, "more/d.wav")
    files = labelled_sounds(tmp_path, None)
    assert files[["video_id", "label"]].to_numpy().tolist() == [["d", "more"]]
    lying = f"3 lie elsewhere, {tmp_path}/test/cat/a.wav the first"
    assert f"1 sound or video files <class>/<file> are used; {lying}" in caplog.text


@pytest.mark.parametrize("name", ["a.wav", "one/two/a.wav", "train/a.wav", "cat/a.txt"])
def test_a_folder_without_files_of_classes_is_named(tmp_path, name):
    touch(tmp_path, name)
    with pytest.raises(DataError, match=r"no sound or video file .*<class>/<file>"):
        labelled_sounds(tmp_path, None)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone is no folder"):
        labelled_sounds(tmp_path / "gone", None)


def test_a_table_is_read_with_folds(tmp_path, sounds):
    text = "fold,file,label,take\n1,a.wav,dog,x\n2,b.flac,cat,y\n1,deep/c d.wav,dog,z\n"
    files = labelled_sounds(sounds, table(tmp_path, text + f"10,{sounds}/deep/e.mp4,cat,z\n"))
    assert files["video_id"].to_list() == ["a", "b", "c d", "e"]
    assert files["fold"].to_list() == ["1", "2", "1", "10"]
    assert files["class_id"].to_list() == [1, 0, 1, 0]
    write_table(files, tmp_path / "files.parquet", LABELLED_FILES)


def test_the_table_of_esc_50_is_read_as_it_is(tmp_path):
    touch(tmp_path, "audio/1-100032-A-0.wav", "audio/1-100038-A-14.wav")
    path = table(
        tmp_path,
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n"
        "1-100038-A-14.wav,2,14,chirping_birds,False,100038,A\n",
    )
    files = labelled_sounds(tmp_path, path)
    assert files["video_id"].to_list() == ["1-100032-A-0", "1-100038-A-14"]
    assert files["label"].to_list() == ["dog", "chirping_birds"]
    assert files["fold"].to_list() == ["1", "2"]
    assert files["path"][0] == str(tmp_path / "audio/1-100032-A-0.wav")


@pytest.fixture
def in_folds(tmp_path):
    return touch(tmp_path / "urban", *(f"fold{n % 2 + 1}/{n}.wav" for n in range(4)))


@pytest.mark.parametrize(
    "text",
    [
        "file, label, fold\n0.wav, dog, 1\n1.wav, cat, 2\n2.wav, cat, 1\n3.wav, dog, 2\n",
        "FILE;Label ;Fold\n0.wav;dog;1\n1.wav;cat;2\n2.wav;cat;1\n3.wav;dog;2\n",
        "\ufefffile name\tclass\tFOLD\n0.wav\tdog\t1\n"
        "1.wav\tcat\t2\n2.wav\tcat\t1\n3.wav\tdog\t2\n",
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n0.wav,1,0,4,1,1,0,dog\n"
        "1.wav,1,0,4,1,2,1,cat\n2.wav,1,0,4,1,1,1,cat\n3.wav,1,0,4,1,2,0,dog\n",
    ],
)
def test_columns_that_are_named_a_little_otherwise_are_understood(tmp_path, in_folds, text):
    files = labelled_sounds(in_folds, table(tmp_path, text))
    assert files["label"].to_list() == ["dog", "cat", "cat", "dog"]
    assert files["fold"].to_list() == ["1", "2", "1", "2"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("filename,folds,category", "unknown column 'folds', did you mean 'fold'"),
        ("filename,fold,lable", "unknown column 'lable', did you mean 'label'"),
        ("filename,fold,classes", "unknown column 'classes', did you mean 'class'"),
        ("filename,fold,species", "no column 'label', and .*no labels: .*'fold1' the first"),
        ("files,fold,label", "no column 'file'; .*'files' meant"),
        ("file,fold,label,splits", "unknown column 'splits', did you mean 'split'"),
    ],
)
def test_columns_are_not_dropped_without_a_word(tmp_path, in_folds, header, message):
    rows = "0.wav,1,dog\n1.wav,2,cat\n2.wav,1,cat\n3.wav,2,dog\n"
    if header.endswith("splits"):
        rows = rows.replace("\n", ",train\n")
    with pytest.raises(DataError, match=message):
        labelled_sounds(in_folds, table(tmp_path, f"{header}\n{rows}"))


def test_a_split_may_be_given_and_is_drawn_otherwise(tmp_path, sounds):
    text = "file,label,split\na.wav,dog,val\nb.flac,cat,test\n"
    files = labelled_sounds(sounds, table(tmp_path, text))
    assert files["split"].to_list() == ["val", "test"]
    assert files["fold"].isna().all()
    files = labelled_sounds(sounds, table(tmp_path, "file,label\na.wav,dog\nb.flac,cat\n"))
    assert splits(files) == {"a": split_of("a"), "b": split_of("b")}


def test_without_labels_the_folders_of_the_files_are_theirs(tmp_path, sounds):
    files = labelled_sounds(sounds, table(tmp_path, "file\ne.mp4\ndeep/c d.wav\n"))
    assert files["label"].to_list() == ["deep", "deep"]


def test_a_listed_file_may_have_any_suffix(tmp_path, sounds):
    touch(sounds, "deep/f.opus")
    files = labelled_sounds(sounds, table(tmp_path, "file\ndeep/f.opus\n"))
    assert files[["video_id", "path"]].to_numpy().tolist() == [["f", str(sounds / "deep/f.opus")]]


def test_rows_without_a_file_and_files_without_a_row_are_left_out(tmp_path, sounds, caplog):
    touch(sounds, "other/e.mp4")  # so that the name e.mp4 alone says nothing
    path = table(tmp_path, "file,label\ngone.wav,x\na.wav,dog\ne.mp4,cat\n")
    files = labelled_sounds(sounds, path)
    assert files["video_id"].to_list() == ["a"]
    assert files["label"].to_list() == ["dog"]
    rows = f"{path}: line 2: no file 'gone.wav' in {sounds}; 2 of 3 rows are without a file"
    unused = f"{path}: 4 files of {sounds} are not listed and not used, {sounds}/b.flac the first"
    assert caplog.messages == [f"{rows} and left out", unused]
    with pytest.raises(DataError, match=r"line 2: no file 'gone\.wav' in .*; 1 of 1 rows"):
        labelled_sounds(sounds, table(tmp_path, "file,label\ngone.wav,x\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'file'; the file is empty"),
        ("file,label\n", "holds no rows"),
        ("path,label\na.wav,dog\n", "no column 'file'; the columns are"),
        ("file,name\na.wav,dog\n", r"line 2: .*a\.wav is in no folder of a class; add a column"),
        ("file,label\n../labels.csv,dog\n", r"line 2: file '\.\./labels\.csv' is not below"),
        ("file,label\na.wav,dog\n./a.wav,cat\n", r"line 3: file '\./a\.wav' repeats line 2"),
        ("file,label\ne.mp4,dog\ndeep/e.mp4,cat\n", r"line 3: file 'deep/e\.mp4' repeats line 2"),
        ("file,label\na.wav,\n", "line 2: label is '', expected a text"),
        ("file,label,fold\na.wav,dog,\n", "line 2: fold is '', expected a text"),
        ("file,label,split\na.wav,dog,dev\n", "line 2: split is 'dev', expected"),
        ("file,label,fold\na.wav,dog,1\nb.flac,dog,all\n", "line 3: fold is 'all', expected"),
        ("file,label,fold\na.wav,dog,..\n", r"line 2: fold is '\.\.', expected"),
        ("file,label,fold\na.wav,dog,a b\n", "line 2: fold is 'a b', expected"),
        ("file,label,fold\na.wav,dog,a/b\n", "line 2: fold is 'a/b', expected"),
        ("file,label,fold\na.wav,dog,é\n", "line 2: fold is 'é', expected"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, sounds, text, message):
    with pytest.raises(DataError, match=message):
        labelled_sounds(sounds, table(tmp_path, text))


def test_each_file_is_one_event_of_its_length(tmp_path, sounds):
    files = labelled_sounds(sounds, table(tmp_path, "file,label\na.wav,dog\nb.flac,cat\n"))
    events = whole_file_events(files, {"a": 2.5})
    assert events[["event_id", "start_s", "stop_s", "class_id"]].to_numpy().tolist() == [
        ["a", 0.0, 2.5, 1]
    ]
    write_table(events, tmp_path / "events.parquet", EVENTS)
