import json

import pandas as pd
import pytest

from avlib.datasets.miniature.k600 import render_miniature
from avlib.io.tables import read_table, write_table
from avlib.media.probe import VideoInfo, manifest_rows
from avlib.media.tables import MANIFEST
from avlib.soundtracks.labelling import label_files, read_labelled_files, span_events
from avlib.soundtracks.tables import LABELLED_FILES
from avlib.studies import load_config
from avlib.studies.base import Place


@pytest.fixture
def sounds(tmp_path):
    """Two classes with two files each."""
    for name in ("cat/a", "cat/b", "dog/c", "dog/d"):
        path = tmp_path / "sounds" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "sounds"


def test_labels_and_classes_are_written(sounds, tmp_path):
    targets = {"files_target": tmp_path / "l.parquet", "classes_target": tmp_path / "c.json"}
    label_files({"layout": "sounds", "folder": str(sounds), "table": None}, **targets)
    labels = read_table(tmp_path / "l.parquet", LABELLED_FILES)
    assert dict(zip(labels["video_id"], labels["label"], strict=True)) == {
        "a": "cat",
        "b": "cat",
        "c": "dog",
        "d": "dog",
    }
    assert json.loads((tmp_path / "c.json").read_text()) == {"class_id": ["cat", "dog"]}


def test_a_class_of_the_list_without_files_keeps_its_number(sounds, tmp_path):
    sounds.rename(tmp_path / "train")
    (tmp_path / "val/dog").mkdir(parents=True)
    (tmp_path / "val/dog/e.wav").touch()
    (tmp_path / "classes.txt").write_text("0\tape\n1\tcat\n2\tdog\n")
    source = {
        "layout": "kinetics",
        "folder": str(tmp_path),
        "classes": str(tmp_path / "classes.txt"),
        "validation_share": 0.0,
    }
    targets = {"files_target": tmp_path / "l.parquet", "classes_target": tmp_path / "c.json"}
    label_files(source, **targets)
    assert json.loads((tmp_path / "c.json").read_text()) == {"class_id": ["ape", "cat", "dog"]}
    labels = read_table(tmp_path / "l.parquet", LABELLED_FILES)
    assert set(labels["class_id"]) == {1, 2}
    assert labels.set_index("video_id")["split"]["e"] == "test"


def test_the_planned_miniature_is_the_one_that_is_rendered(tmp_path):
    size = {"classes": 2, "train_videos": 3, "val_videos": 2}
    study = load_config({"k600": {"miniature": size, "validation_share": 0.5}}).k600
    place = Place(tmp_path, seed=3)
    planned = study.list_videos(place)
    render_miniature(tmp_path / "miniature", **study.miniature.as_arguments(), seed=3)
    found = read_labelled_files(study.label_source(place))
    rows = zip(found["video_id"], found["split"], found["path"], strict=True)
    assert sorted((v.video_id, v.split, v.path) for v in planned) == sorted(rows)


def test_usable_videos_are_events_as_long_as_they_are(sounds, tmp_path):
    write_table(
        read_labelled_files({"layout": "sounds", "folder": str(sounds), "table": None}),
        tmp_path / "l",
        LABELLED_FILES,
    )
    videos = [
        VideoInfo("a", "x", "train", duration_s=2.5),
        VideoInfo("c", "x", "test").left_out("unreadable", "cut"),
    ]
    write_table(manifest_rows(videos), tmp_path / "m", MANIFEST)
    span_events(
        labelled_files=tmp_path / "l", manifest=tmp_path / "m", target=tmp_path / "e.parquet"
    )
    event = pd.read_parquet(tmp_path / "e.parquet").iloc[0]
    assert (event.video_id, event.start_s, event.stop_s, event.label) == ("a", 0, 2.5, "cat")
    assert len(pd.read_parquet(tmp_path / "e.parquet")) == 1
