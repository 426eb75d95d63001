import json

import pytest

from avlib.datasets import perception_test
from avlib.errors import DataError


def segment(number, label_id, start, stop):
    return {"id": number, "label": "x", "label_id": label_id, "timestamps": [start, stop]}


def content():
    video = {
        "metadata": {"num_frames": 300, "frame_rate": 29.97},
        "action_localisation": [
            segment(0, 40, 0, 1_500_000),
            segment(2, 7, 65_123_457, 70_000_000),
        ],
        "sound_localisation": [segment(0, 17, 250_000, 9_000_001)],
    }
    silent = {"metadata": {"num_frames": 2000, "frame_rate": 25.0}, "action_localisation": []}
    return {"video_9": video, "video_1": silent}


def saved(path, value):
    path.write_text(json.dumps(value))
    return path


def test_segments_become_events(tmp_path):
    found = perception_test.read_annotations(saved(tmp_path / "t.json", content()), "train")
    visual, audio = found.events["visual"], found.events["audio"]
    assert visual["event_id"].to_list() == ["video_9_0", "video_9_2"]
    assert visual["start_s"].to_list() == [0.0, 65.123457]
    assert visual["class_id"].to_list() == [40, 7]
    assert visual["modality"].to_list() == ["visual", "visual"]
    assert audio["stop_s"].to_list() == [9.000001]
    assert audio["class_id"].to_list() == [17]
    assert audio["label"].to_list() == ["x"]
    assert found.durations == {"video_9": 300 / 29.97, "video_1": 80.0}


def test_a_list_of_videos_chooses_them(tmp_path):
    path = saved(tmp_path / "t.json", content())
    (tmp_path / "ids.csv").write_text("video_1\n")
    ids = perception_test.read_video_ids(tmp_path / "ids.csv")
    found = perception_test.read_annotations(path, "val", ids)
    assert list(found.durations) == ["video_1"] and found.events["visual"].empty
    (tmp_path / "ids.csv").write_text("video_1,video_3,video_9")
    ids = perception_test.read_video_ids(tmp_path / "ids.csv")
    with pytest.raises(DataError, match=r"t\.json: no video 'video_3'"):
        perception_test.read_annotations(path, "val", ids)
    (tmp_path / "ids.csv").write_text("\n")
    with pytest.raises(DataError, match=r"ids\.csv: holds no ids"):
        perception_test.read_video_ids(tmp_path / "ids.csv")


def test_label_ids_of_train_are_numbered_in_order(tmp_path):
    path = saved(tmp_path / "t.json", content())
    train = perception_test.read_annotations(path, "train")
    label_map = perception_test.default_label_map(train)
    assert label_map == {"action_class": {7: 0, 40: 1}, "class_id": {17: 0}}
    visual = perception_test.apply_label_map(train.events["visual"], label_map, path)
    assert visual["action_class"].to_list() == [1, 0] and "class_id" not in visual


def test_a_label_that_train_does_not_have_is_named(tmp_path):
    path = saved(tmp_path / "t.json", content())
    val = perception_test.read_annotations(path, "val")
    with pytest.raises(DataError, match="video_9_2: the label 7 has no action_class"):
        perception_test.apply_label_map(
            val.events["visual"], {"action_class": {40: 0}, "class_id": {}}, path
        )


def test_a_label_map_is_read(tmp_path):
    path = saved(tmp_path / "m.json", {"action_class": {"7": 1, "40": 0}, "class_id": {"17": 0}})
    assert perception_test.read_label_map(path)["action_class"] == {7: 1, 40: 0}
    saved(path, {"action_class": {"7": 1, "40": 1}, "class_id": {}})
    with pytest.raises(DataError, match=r"m\.json: the classes of action_class are not 0 to 1"):
        perception_test.read_label_map(path)
    saved(path, {"action": {}})
    with pytest.raises(DataError, match=r"m\.json: no label map"):
        perception_test.read_label_map(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["video_9"].pop("metadata"), "video_9: no positive metadata"),
        (lambda c: c["video_1"]["metadata"].update(frame_rate=0), "video_1: no positive metadata"),
        (
            lambda c: c["video_9"]["sound_localisation"][0].pop("label_id"),
            "video_9: sound_localisation .* expected id, label_id and two timestamps",
        ),
        (
            lambda c: c["video_9"]["action_localisation"][1].update(timestamps=[1]),
            "video_9: action_localisation .* expected id",
        ),
        (lambda c: c["video_1"]["metadata"].update(num_frames=10**400), "video_1: no positive"),
        (
            lambda c: c["video_9"]["action_localisation"][0].update(label_id=10**30),
            "video_9: action_localisation .* expected id",
        ),
        (
            lambda c: c["video_9"]["action_localisation"][0].update(timestamps=[0, float("inf")]),
            "video_9: action_localisation .* expected id",
        ),
        (lambda c: c["video_9"].update(action_localisation={"id": 3}), "video_9: action_local"),
        (lambda c: c["video_9"].update(action_localisation=[3]), "video_9: action_localisation 3"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, change, message):
    annotations = content()
    change(annotations)
    with pytest.raises(DataError, match=message) as error:
        perception_test.read_annotations(saved(tmp_path / "t.json", annotations), "train")
    assert "\n" not in str(error.value)


def test_a_mark_and_other_encodings_are_read(tmp_path):
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "t.json").write_text(json.dumps(content()), encoding=encoding)
        assert len(perception_test.read_annotations(tmp_path / "t.json", "val").durations) == 2


@pytest.mark.parametrize("text", ["{", "[]", "\xff", '{"a": 1, "a": 2}', "[" * 100_000])
def test_another_file_is_named(tmp_path, text):
    (tmp_path / "t.json").write_bytes(text.encode("latin1"))
    with pytest.raises(DataError, match=r"t\.json"):
        perception_test.read_annotations(tmp_path / "t.json", "train")
