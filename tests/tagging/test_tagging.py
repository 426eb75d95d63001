"""From scored seconds to tables of events and a summary."""

import json

import numpy as np
import pandas as pd
import pytest
from scored_packs import KINDS, write_packs
from tiny_towers import save_clip_folder

from avlib.errors import DataError
from avlib.io.tables import read_table, write_table
from avlib.media.probe import VideoInfo, manifest_rows
from avlib.media.tables import MANIFEST
from avlib.tagging.archive import Leg
from avlib.tagging.leg_files import LegFiles
from avlib.tagging.recipes import Tagging
from avlib.tagging.scores import encoded
from avlib.tagging.tables import FOUND_EVENTS, TAGGED_SECONDS
from avlib.tagging.tagging import TagFiles, tag_videos
from avlib.tagging.text_towers import text_vectors, weights_name

STUDY = {"study": "custom", "config_hash": "0"}


def leg(name, seconds, **classes):
    """Return scores of a leg in which classes have 0.9 in some seconds, else 0.01."""
    p = np.full((seconds, len(KINDS[name].classes)), 0.01)
    for label, where in classes.items():
        p[where, KINDS[name].classes.index(label)] = 0.9
    return encoded(p), np.zeros((seconds, KINDS[name].channels), np.float16)


@pytest.fixture
def files(tmp_path):
    """Two videos and one that cannot be read."""
    b = {"sound": leg("sound", 6, Dog=slice(1, 4)), "picture": leg("picture", 6, tabby=slice(0, 5))}
    a = {"sound": leg("sound", 9, Speech=[0, 1, 3, 4, 8], Dog=[6])}
    write_packs(tmp_path, [{"b": b}, {"a": a}])
    rows = [VideoInfo(v, f"{v}.mp4", "test", content_hash="0") for v in "ab"]
    rows.append(VideoInfo("c", "c.mp4", "test").left_out("unreadable", "no video"))
    write_table(manifest_rows(rows), tmp_path / "0.parquet", MANIFEST)
    return TagFiles(
        folder=tmp_path,
        manifests=[tmp_path / "0.parquet"],
        passed_over=tmp_path / "passed_over.json",
        sentences=tmp_path / "minilm",
        cache=tmp_path / "cache",
        events=tmp_path / "events.parquet",
        csv=tmp_path / "events.csv",
        seconds=tmp_path / "seconds.parquet",
        summary=tmp_path / "tags.json",
    )


def test_classes_become_events_by_video_and_time(files):
    tag_videos(files, Tagging(), STUDY, 0.9)
    events = read_table(files.events, FOUND_EVENTS)
    found = [tuple(row)[:4] for row in events.itertuples(index=False)]
    assert found == [("a", 0, 5, "Speech"), ("b", 0, 5, "tabby"), ("b", 1, 4, "Dog")]
    np.testing.assert_allclose(events["score"], 0.9, atol=0.02)
    pd.testing.assert_frame_equal(pd.read_csv(files.csv), events)


def test_every_second_has_the_best_label_of_its_events(files):
    tag_videos(files, Tagging(gap=0, minimum=1), STUDY, 0.9)
    table = read_table(files.seconds, TAGGED_SECONDS)
    labels = table.groupby("video_id")["label"].agg(list)
    speech, nothing = "Speech", "background"
    assert labels["a"] == [speech, speech, nothing, speech, speech, nothing, "Dog", nothing, speech]
    assert set(labels["b"][:1] + labels["b"][4:5]) == {"tabby"}
    assert table["score"].isna().equals(table["label"] == nothing)
    assert (table["stop_s"] - table["start_s"] == 1).all()


def test_the_summary_says_what_is_common_and_what_became_of_the_files(files):
    files.passed_over.write_text('{".txt": 2}')
    tag_videos(files, Tagging(gap=0, minimum=1), STUDY, 0.9)
    summary = json.loads(files.summary.read_text())
    assert summary.keys() >= STUDY.keys()
    assert (summary["seconds"], summary["events"]) == (15, 6)
    assert [(e["label"], e["events"], e["seconds"]) for e in summary["commonest"]] == [
        ("Speech", 3, 5.0),
        ("Dog", 2, 4.0),
        ("tabby", 1, 5.0),
    ]
    assert summary["commonest"][1]["times"][0] == {"video_id": "a", "start_s": 6.0, "stop_s": 7.0}
    assert summary["videos"]["left_out"] == {"unreadable": {"count": 1, "names": ["c"]}}
    assert summary["videos"]["passed_over"] == {".txt": 2}
    assert summary["weights"] == {"yamnet": "aa", "efficientnet_lite0": "bb"}


def test_videos_without_events_have_seconds_all_the_same(files):
    tag_videos(files, Tagging(minimum=7), STUDY, 0.9)
    assert read_table(files.events, FOUND_EVENTS).empty
    assert files.csv.read_text() == "video_id,start_s,stop_s,label,score\n"
    assert set(read_table(files.seconds, TAGGED_SECONDS)["label"]) == {"background"}
    assert json.loads(files.summary.read_text())["commonest"] == []


def test_too_many_bad_videos_stop_the_stage(files):
    with pytest.raises(DataError, match="1 of 3 videos"):
        tag_videos(files, Tagging(), STUDY, 0.2)


def test_labels_that_no_class_is_near_are_named_and_stop_only_if_there_are_no_others(
    files, packaged_weights, tmp_path
):
    files = TagFiles(**{**vars(files), "sentences": packaged_weights / "minilm"})
    labels = tmp_path / "labels.txt"
    labels.write_text("tax return\na dog barks\n")
    tag_videos(files, Tagging(labels=labels), STUDY, 0.9)
    summary = json.loads(files.summary.read_text())
    assert summary["units"] == {"a dog barks": "probability"}  # 15 s are no archive
    assert summary["labels"]["a dog barks"]["sound"]["nearest"][0] == "Dog"
    assert ["tax return" in remark for remark in summary["left_out"]] == [True]
    assert set(read_table(files.events, FOUND_EVENTS)["label"]) == {"a dog barks"}
    labels.write_text("tax return\n")
    with pytest.raises(DataError, match=r"labels\.txt: label 'tax return': no class is near"):
        tag_videos(files, Tagging(labels=labels), STUDY, 0.9)


def test_a_text_tower_finds_what_no_class_is_near_to_beside_a_leg_of_classes(
    files, packaged_weights, tmp_path
):
    path = save_clip_folder(tmp_path / "clip")
    kind = Leg("clip", weights_name(path, 0), ("tench",), 24, 200.0)
    texts = ["tax return", "a room", "a dog barks"]
    form, room, dog = text_vectors(kind, texts, path, path.parent).astype(np.float16)
    seen = np.stack([room, form, form, form, room, room, dog, dog, room])
    videos = {
        "a": {"sound": leg("sound", 9), "picture": (encoded(np.zeros((9, 1))), seen)},
        "b": {"sound": leg("sound", 6, Dog=slice(1, 4))},
    }
    write_packs(tmp_path, [videos], {"sound": KINDS["sound"], "picture": kind})
    labels = tmp_path / "labels.txt"
    labels.write_text("tax return\na dog barks\n")
    made_by = {"sound": LegFiles("yamnet", None), "picture": LegFiles("clip", path, path.parent)}
    given = {"sentences": packaged_weights / "minilm", "legs": made_by}
    tagging = Tagging(labels=labels, probability_onset=0.25, probability_offset=0.25)
    tag_videos(TagFiles(**{**vars(files), **given}), tagging, STUDY, 0.9)
    events = read_table(files.events, FOUND_EVENTS)
    found = {tuple(row)[:4] for row in events.itertuples(index=False)}
    assert found == {
        ("a", 1, 4, "tax return"),
        ("a", 6, 8, "a dog barks"),
        ("b", 1, 4, "a dog barks"),
    }
    summary = json.loads(files.summary.read_text())
    assert summary["left_out"] == []
    assert summary["labels"]["tax return"]["picture"] == {"text_tower": "clip"}
    assert summary["labels"]["a dog barks"]["sound"]["nearest"][0] == "Dog"
