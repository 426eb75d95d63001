"""The files of a study of LLP are checked before any work."""

import json

import numpy as np
import pytest

from avlib.datasets.llp import LABEL_FILES
from avlib.errors import ConfigError, DataError
from avlib.studies import load_config
from avlib.studies.base import Place
from avlib.valor.check import check_llp

VIDEO_IDS = {"train": "-aaaaaaaaaa", "val": "_bbbbbbbbbb", "test": "cc_cccccccc"}


@pytest.fixture
def files(tmp_path):
    """Label files of three videos by name."""
    paths = {name: tmp_path / file for name, file in LABEL_FILES.items() if name != "full"}
    for split, video_id in VIDEO_IDS.items():
        paths[split].write_text(f"filename\tevent_labels\n{video_id}_30_40\tDog,Cat\n")
    for modality in ("audio", "visual"):
        rows = f"{VIDEO_IDS['val']}_30_40\t1\t4\tDog\n{VIDEO_IDS['test']}_30_40\t9\t9\tCat\n"
        paths[modality].write_text(f"filename\tonset\toffset\tevent_labels\n{rows}")
    return paths


def save(folder, names, array):
    folder.mkdir()
    for name in names:
        np.save(folder / f"{name}.npy", array)
    return folder


def check(files, tmp_path, **given):
    folders = {"features": {}, "pseudo_labels": {}, "skips_missing": False} | given
    check_llp(files, **folders, target=tmp_path / "labels.json")


def test_what_disagrees_is_counted(files, tmp_path):
    check(files, tmp_path)
    content = json.loads((tmp_path / "labels.json").read_text())
    assert content["train"] == {"videos": 1}
    assert content["dense"]["audio"]["empty"] == ["cc_cccccccc_30_40 9-9 Cat"]
    assert content["splits"]["val"]["differing"] == ["_bbbbbbbbbb_30_40"]


def test_files_of_a_given_folder_are_counted(files, tmp_path):
    array = np.zeros((64, 5), np.float32)
    folder = save(tmp_path / "clap", [VIDEO_IDS["train"], VIDEO_IDS["val"], "other"], array)
    check(files, tmp_path, features={"clap": folder}, skips_missing=True)
    assert json.loads((tmp_path / "labels.json").read_text())["folders"]["features.clap"] == {
        "found": 3,
        "used": 2,
        "left_out": {"missing": {"count": 1, "names": [VIDEO_IDS["test"]]}},
        "passed_over": {".npy": 1},
    }


def test_an_unknown_class_is_named_with_its_row(files, tmp_path):
    files["test"].write_text("filename\tevent_labels\ncc_cccccccc_30_40\tDogg\n")
    with pytest.raises(DataError, match=r"AVVP_test_pd\.csv: line 2: .*'Dogg'.*'Dog'"):
        check(files, tmp_path)
    assert not (tmp_path / "labels.json").exists()


def test_features_that_are_missing_or_short_are_named(files, tmp_path):
    folder = save(tmp_path / "clap", VIDEO_IDS.values(), np.zeros((64, 5), np.float32))
    check(files, tmp_path, features={"clap": folder})
    (folder / "cc_cccccccc.npy").unlink()
    with pytest.raises(DataError, match="1 of 3 videos have no clap feature: 'cc_cccccccc'"):
        check(files, tmp_path, features={"clap": folder})
    check(files, tmp_path, features={"clap": folder}, skips_missing=True)
    np.save(folder / "cc_cccccccc.npy", np.zeros((63, 5), np.float32))
    with pytest.raises(DataError, match=r"cc_cccccccc\.npy: .*\(63, 5\), expected \(64, 5\)"):
        check(files, tmp_path, features={"clap": folder})


def test_pseudo_labels_of_another_number_of_classes_are_named(files, tmp_path):
    folder = save(tmp_path / "audio", [VIDEO_IDS["train"]], np.zeros((10, 24), np.int64))
    with pytest.raises(DataError, match=r"-aaaaaaaaaa\.npy: .*\(10, 24\), expected 10 segments"):
        check(files, tmp_path, pseudo_labels={"audio": folder})


@pytest.mark.parametrize("key", ["thresholds", "texts"])
def test_a_list_of_another_length_is_an_error_of_the_configuration(key):
    wrong = {"teachers": {"audio": {key: ["1"] * 24}}}
    with pytest.raises(ConfigError, match=f"llp.teachers.audio.{key}: .*at least 25 items"):
        load_config({"llp": wrong})


def test_videos_are_those_of_the_lists(files, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "-aaaaaaaaaa.mp4").touch()
    section = {"source": "official", "labels": tmp_path, "videos": tmp_path / "videos"}
    videos = load_config({"llp": section}).llp.list_videos(Place(tmp_path, seed=0))
    assert {video.video_id: (video.split, video.path is None) for video in videos} == {
        "-aaaaaaaaaa": ("train", False),
        "_bbbbbbbbbb": ("val", True),
        "cc_cccccccc": ("test", True),
    }


def test_a_missing_table_is_named(files, tmp_path):
    files["visual"].unlink()
    config = load_config({"llp": {"source": "official", "labels": tmp_path, "videos": tmp_path}})
    with pytest.raises(ConfigError, match=r"llp\.labels: .*AVVP_eval_visual\.csv is no file"):
        config.llp.list_videos(Place(tmp_path, seed=0))
