import json

import numpy as np
import pytest
from tiny_golden import contents

from avlib.datasets.llp import (
    CLASSES,
    DenseRow,
    WeakVideo,
    class_id_of,
    class_ids_of,
    dense_labels,
    read_dense,
    read_splits,
    read_videos,
    video_id_of,
    weak_labels,
)
from avlib.errors import DataError
from avlib.valor.check import check_labels

LISTS = {"train": "AVVP_train.csv", "val": "AVVP_val_pd.csv", "test": "AVVP_test_pd.csv"}
WEAK = "filename\tevent_labels\n"
DENSE = "filename\tonset\toffset\tevent_labels\n"
A, B = "-a_b-c_d-e1_20_30", "AP0061o0Nvk_101.8_111.8"


def save(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def real(shared_data):
    """Videos of each split and dense rows of each modality of the real files."""
    folder = shared_data / "llp"
    if not folder.is_dir():
        pytest.skip(f"the label files of LLP are absent: {folder}")
    splits = read_splits({split: folder / name for split, name in LISTS.items()})
    dense = {m: read_dense(folder / f"AVVP_eval_{m}.csv") for m in ("audio", "visual")}
    return folder, splits, dense


def test_splits_of_the_data_set_make_up_its_full_list(real):
    folder, splits, _ = real
    assert {split: len(videos) for split, videos in splits.items()} == {
        "train": 10_000,
        "val": 649,
        "test": 1200,
    }
    full = read_videos(folder / "AVVP_dataset_full.csv")
    assert full == [video for videos in splits.values() for video in videos]
    assert sum("_" in video.video_id for video in splits["test"]) == 165


def test_classes_of_the_data_set_are_counted(real):
    splits = real[1]
    assert weak_labels(splits["train"]).sum(axis=0).tolist() == [
        *(4988, 624, 528, 761, 192, 343, 455, 218, 299, 602, 186, 1172, 437, 1457, 495, 146, 445),
        *(224, 411, 587, 503, 99, 430, 291, 164),
    ]
    most = {split: max(len(v.class_ids) for v in videos) for split, videos in splits.items()}
    assert most == {"train": 3, "val": 4, "test": 7}
    names = {class_id for videos in splits.values() for v in videos for class_id in v.class_ids}
    assert names == set(range(25))


def test_traps_of_the_data_set_are_counted_and_listed(real):
    _, splits, dense = real
    found = check_labels({split: splits[split] for split in ("val", "test")}, dense)
    audio, visual = found["dense"]["audio"], found["dense"]["visual"]
    assert audio["empty"] == [
        "CaC2xvdLC34_250_260 9-9 Speech",
        "CSWQ_HzQ_10_20 9-9 Basketball_bounce",
        "Gg3pK71kApY_30_40 10-10 Speech",
        "H5WcJwyjxIg_2_12 0-0 Baby_cry_infant_cry",
        "Baue01N86wE_10_20 1-1 Dog",
        "8DF2PxdT5tE_390_400 9-0 Cheering",
    ]
    counts = ("rows", "repeated", "overlapping", "touching")
    assert [audio[name] for name in counts] == [4131, 8, 20, 11]
    assert [visual[name] for name in counts] == [2495, 0, 0, 3]
    assert visual["empty"] == []
    assert len(audio["unknown"]) == 8 and sum(audio["unknown"].values()) == 14
    assert set(visual["unknown"]) < set(audio["unknown"]) and sum(visual["unknown"].values()) == 11
    lists = ("without_audio", "without_visual", "differing")
    sizes = {s: [len(found["splits"][s][name]) for name in lists] for s in ("val", "test")}
    assert sizes == {"val": [4, 70, 30], "test": [5, 121, 51]}
    assert found["splits"]["test"]["repeated_label"] == ["LcFWKgFphXI_20_30"]
    json.dumps(found)
    for videos in found["splits"].values():
        assert not set(videos["without_audio"]) & set(videos["without_visual"])


def test_test_videos_without_events_are_those_of_the_data_set(real):
    _, splits, dense = real
    names = [video.filename for video in splits["test"]]
    audio, visual = (dense_labels(names, dense[m]) for m in ("audio", "visual"))
    without = [int((~x.any(axis=(1, 2))).sum()) for x in (audio, visual, audio * visual)]
    assert without == [6, 121, 174]


def test_ids_are_the_first_eleven_characters():
    assert video_id_of("BjCEufrlXm4_20_30") == "BjCEufrlXm4"
    assert WeakVideo(A, ()).video_id == "-a_b-c_d-e1"


def test_weak_lists_are_read_in_order(tmp_path):
    text = f"{WEAK}{B}\tDog,Clapping,Clapping\r\n{A}\tSpeech\n\n"
    videos = read_videos(save(tmp_path / "list.csv", text))
    assert [video.filename for video in videos] == [B, A]
    labels = weak_labels(videos)
    assert labels.shape == (2, 25) and labels.sum() == 3
    assert labels[0, [3, 24]].all() and labels[1, 0]


def test_a_spreadsheet_may_have_saved_the_list(tmp_path):
    text = f'Filename;Event labels\r\n{B};"Dog,Clapping"\r\n{A};Speech\r\n'
    (tmp_path / "list.csv").write_bytes(text.encode("utf-16"))
    assert [v.class_ids for v in read_videos(tmp_path / "list.csv")] == [(3, 24), (0,)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{WEAK}{A}\tSpeech\n{B}\tdog\n", "line 3: event_labels: 'dog' .* mean 'Dog'"),
        (f"{WEAK}{A}\tSpeech, Dog\n", "line 2: event_labels: ' Dog'"),
        (f"{WEAK}{A}\t\n", "line 2: event_labels: '' is none"),
        (f'{WEAK}{A}\t"Speech\n{B}\tDog\n', "line 2: a quote is not closed"),
        (f"{WEAK}{A}\n", "line 2 has 1 fields"),
        (f"{WEAK}\n{A}\tDog\tCat\n", "line 3 has 3 fields"),
        (f"{WEAK}CSWQ_HzQ_10_20\tDog\n", "line 2: filename is 'CSWQ_HzQ_10_20', expected an id"),
        (f"{WEAK}../../abcde_10_20\tDog\n", "line 2: filename"),
        (f"{WEAK}{A[:11]}_20_50\tDog\n", "line 2: filename"),
        (f"{WEAK}{A}\tDog\n{A[:11]}_0_10\tDog\n", "line 3: second video"),
        (WEAK, "lists no videos"),
        ("", "no column 'filename'; the file is empty"),
        (f"filename,event_labels\n{A},Dog,Cat\n", "line 2 has 3 fields"),
        (f"{A}\tDog\n", "no column 'filename'; the columns are"),
    ],
)
def test_wrong_weak_lists_are_refused(tmp_path, text, message):
    path = save(tmp_path / "list.csv", text)
    with pytest.raises(DataError, match=f"(?s)^{path}: .*{message}"):
        read_videos(path)


def test_unreadable_lists_are_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_videos(tmp_path / "absent.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_dense(tmp_path / "bytes.csv")


def test_a_video_of_two_splits_is_refused(tmp_path):
    lists = {
        "val": save(tmp_path / "val.csv", f"{WEAK}{A}\tDog\n"),
        "test": save(tmp_path / "test.csv", f"{WEAK}{B}\tDog\n{A}\tDog\n"),
    }
    with pytest.raises(DataError, match=r"test\.csv: row 2: .* already in .*val\.csv"):
        read_splits(lists)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0\t11\tDog", "offset is '11', expected a whole second from 0 to 10"),
        ("-1\t3\tDog", "onset is '-1'"),
        ("0.5\t3\tDog", "onset is '0.5'"),
        ("\t3\tDog", "onset is ''"),
        ("0\t3\tDgo", "'Dgo' is none of the 25 classes of LLP, did you mean 'Dog'"),
        ("0\t3\tDog,Cat", "'Dog,Cat' is none"),
        ("0\t3", "3 fields, the header has 4"),
    ],
)
def test_wrong_dense_rows_are_refused(tmp_path, row, message):
    path = save(tmp_path / "dense.csv", f"{DENSE}damaged_0_10\t0\t1\tCat\n{A}\t{row}\n")
    with pytest.raises(DataError, match=f"^{path}: line 3.*{message}"):
        read_dense(path)


def test_dense_rows_paint_their_seconds_and_nothing_else(tmp_path):
    rows = [
        *((A, 0, 2, "Dog"), (A, 2, 4, "Dog"), (A, 3, 5, "Dog"), (A, 3, 5, "Dog")),
        *((A, 9, 9, "Cat"), (A, 9, 0, "Car"), (A[:11] + "_0_10", 0, 10, "Speech")),
        (B, 9, 10, "Clapping"),
    ]
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    labels = dense_labels([B, A], read_dense(save(tmp_path / "dense.csv", DENSE + text)))
    expected = np.zeros((2, 25, 10), dtype=np.uint8)
    expected[1, 3, :5] = 1
    expected[0, 24, 9] = 1
    np.testing.assert_array_equal(labels, expected)


def test_disagreements_are_told_by_video():
    videos = {"test": [WeakVideo(A, class_ids_of("Dog,Cat")), WeakVideo(B, class_ids_of("Car"))]}
    dense = {
        "audio": [DenseRow(A, 0, 4, class_id_of("Dog")), DenseRow(A, 2, 6, class_id_of("Dog"))],
        "visual": [DenseRow(A, 1, 1, class_id_of("Cat")), DenseRow("other", 0, 1, 0)],
    }
    found = check_labels(videos, dense)
    assert found["splits"]["test"] == {
        "videos": 2,
        "repeated_label": [],
        "without_audio": [B],
        "without_visual": [B],
        "differing": [B],
    }
    assert found["dense"]["audio"]["overlapping"] == 1 and not found["dense"]["audio"]["unknown"]
    assert found["dense"]["visual"]["unknown"] == {"other": 1}


def test_class_names_are_those_of_the_golden_rows():
    expected = contents("valor/eval_chain.json")["eval_chain"]["expected"]
    records = expected["records/audio/0"]["value"]
    assert list(dict.fromkeys(record[3] for record in records)) == list(CLASSES)
