import re

import numpy as np
import pandas as pd
import pytest
from media_files import make_video
from printed_figures import check_print

from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.report.class_looks import class_looks
from avlib.report.timelines import _part, draw_timelines
from avlib.tim.tables import PREDICTIONS

CLASSES = ["bell", "dog & cat", "flute", "background"]
HEADS = {"audio_visual": "combined", "audio": "audio", "visual": "action"}


def write_predictions(path, n_events=5, modalities=tuple(HEADS), video="video"):
    """Events of successive classes, in the seconds 2 to 5; each answer is a second late."""
    rows = []
    for event in range(n_events):
        truth = np.full(10, 3)
        truth[2:5] = event % 3
        for modality in modalities:
            for second in range(10):
                predicted = int(truth[max(second - 1, 0)])
                rows.append(
                    {
                        "annotation_id": f"ave_{event:04d}_{second}",
                        "modality": modality,
                        "head": HEADS[modality],
                        "video_id": f"{video}{event}",
                        "split": "test",
                        "start_s": float(second),
                        "stop_s": second + 1.0,
                        "class_id": int(truth[second]),
                        "label": CLASSES[truth[second]],
                        "predicted_class": predicted,
                        "predicted_label": CLASSES[predicted],
                        "probs": np.eye(4, dtype=np.float32)[predicted],
                    }
                )
    write_table(pd.DataFrame(rows), path, PREDICTIONS)
    return path


def write_manifest(path, videos):
    empty = {column.name: None for column in MANIFEST.columns}
    rows = [
        empty
        | {"video_id": video_id, "split": "test", "path": str(file), "fps": 8.0}
        | {"status": "ok", "message": ""}
        for video_id, file in videos.items()
    ]
    write_table(pd.DataFrame(rows), path, MANIFEST)
    return path


def drawn(tmp_path, predictions, manifest=None, **options):
    draw_timelines(predictions, manifest, tmp_path / "t.svg", **options)
    check_print(tmp_path / "t.svg")
    return (tmp_path / "t.svg").read_text()


def titles(picture):
    """The video of each panel, of the titles."""
    return re.findall(r">(?:bell|dog &amp; cat|flute)\s+(video\d)</text>", picture)


def test_the_same_predictions_give_the_same_picture(tmp_path):
    predictions = write_predictions(tmp_path / "p.parquet")
    assert drawn(tmp_path, predictions) == drawn(tmp_path, predictions)


def test_videos_of_all_classes_come_first(tmp_path):
    predictions = write_predictions(tmp_path / "p.parquet", n_events=9)
    assert titles(drawn(tmp_path, predictions, n_videos=3)) == ["video0", "video1", "video2"]
    assert titles(drawn(tmp_path, predictions, n_videos=2)) == ["video0", "video2"]
    assert titles(drawn(tmp_path, predictions, n_videos=4)) == [
        "video0",
        "video3",
        "video1",
        "video2",
    ]


@pytest.mark.parametrize("n_events", [1, 2, 3])
def test_fewer_videos_are_all_drawn(tmp_path, n_events):
    predictions = write_predictions(tmp_path / "p.parquet", n_events=n_events)
    assert len(titles(drawn(tmp_path, predictions))) == n_events


def test_the_correct_seconds_of_each_model_are_counted(tmp_path):
    predictions = write_predictions(tmp_path / "p.parquet", n_events=1)
    assert drawn(tmp_path, predictions).count(">8/10</text>") == 3


def test_a_single_model_is_enough(tmp_path):
    predictions = write_predictions(tmp_path / "p.parquet", 1, modalities=("audio_visual",))
    picture = drawn(tmp_path, predictions)
    assert picture.count(">8/10</text>") == 1
    assert ">visual</text>" not in picture


def test_names_are_no_formulas(tmp_path):
    predictions = write_predictions(tmp_path / "p.parquet", n_events=1, video="a$_^$b")
    assert ">bell   a$_^$b0</text>" in drawn(tmp_path, predictions)


def test_a_split_of_background_alone_gives_an_empty_figure(tmp_path):
    table = read_table(write_predictions(tmp_path / "p.parquet", n_events=1), PREDICTIONS)
    write_table(table.assign(class_id=3, label="background"), tmp_path / "p.parquet", PREDICTIONS)
    picture = drawn(tmp_path, tmp_path / "p.parquet")
    assert picture.startswith("<?xml") and "truth" not in picture


def test_frames_are_shown_of_videos_that_can_be_read(tmp_path):
    predictions = write_predictions(tmp_path / "p.parquet", n_events=2)
    video = make_video(tmp_path / "v.mp4", duration_s=10.0, fps="8")
    files = {"video0": video, "video1": tmp_path / "gone.mp4"}
    manifest = write_manifest(tmp_path / "manifest.parquet", files)
    assert drawn(tmp_path, predictions, manifest).count("<image") == 10
    assert drawn(tmp_path, predictions).count("<image") == 0


def test_classes_have_letters_and_hues_of_their_own():
    looks = class_looks([f"class {i}" for i in range(28)] + ["background"])
    assert len({look.letter for look in looks.values()}) == 29
    assert len({look.color for look in looks.values()}) == 29
    assert looks["background"].letter == ""


def test_a_wrong_second_is_hatched(tmp_path):
    predictions = write_predictions(tmp_path / "p.parquet", n_events=1)
    table = read_table(predictions, PREDICTIONS)
    wrong = drawn(tmp_path, predictions).count("url(#h")
    predicted = {"predicted_class": table["class_id"], "predicted_label": table["label"]}
    write_table(table.assign(**predicted), predictions, PREDICTIONS)
    assert wrong - drawn(tmp_path, predictions).count("url(#h") == 2 * len(HEADS)


def test_of_a_long_video_the_minute_with_its_first_event_is_drawn():
    start_s = np.arange(200.0)
    label = np.where((start_s > 89) & (start_s < 95), "dog", "background")
    rows = pd.DataFrame({"start_s": start_s, "stop_s": start_s + 1, "label": label})
    assert _part(rows)["start_s"].to_list() == list(range(90, 150))
    assert _part(rows[:60]).equals(rows[:60])
    assert _part(rows.assign(label="background"))["start_s"].to_list() == list(range(140, 200))
