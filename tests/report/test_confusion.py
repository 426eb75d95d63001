import json

import numpy as np
import pytest
from printed_figures import check_print

from avlib.report.confusion import draw_confusion, draw_study_confusion

CLASSES = ["bell", "dog & cat", "background"]
COUNTS = [[3, 1, 0], [0, 0, 0], [1, 0, 9]]


def test_the_same_matrix_gives_the_same_picture(tmp_path):
    for name in ("a", "b"):
        draw_confusion(COUNTS, CLASSES, "test", tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_another_matrix_gives_another_picture(tmp_path):
    draw_confusion(COUNTS, CLASSES, "test", tmp_path / "a.svg")
    draw_confusion(np.array(COUNTS).T, CLASSES, "test", tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() != (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("n", [3, 29, 70])
def test_any_number_of_classes_fits_a_page_in_legible_type(tmp_path, n):
    names = [f"class number {i}" for i in range(n)]
    draw_confusion(np.eye(n, dtype=int), names, "test", tmp_path / "a.svg")
    check_print(tmp_path / "a.svg")


def test_the_joint_model_of_a_study_is_drawn(tmp_path):
    confusion = {"classes": CLASSES, "audio_visual": COUNTS, "audio": np.eye(3).tolist()}
    metrics = {"segment_accuracy": {"audio_visual": 0.857}, "confusion": confusion}
    (tmp_path / "m.json").write_text(json.dumps({"study": "ave", "metrics": metrics}))
    draw_study_confusion(tmp_path / "m.json", tmp_path / "a.svg")
    picture = (tmp_path / "a.svg").read_text()
    assert "85.7% of the test segments" in picture
    assert ">75</text>" in picture


def test_of_many_classes_the_most_confused_are_drawn_as_shares_of_all(tmp_path):
    counts = 100 * np.eye(70, dtype=int)
    counts[69, :67], counts[69, 69] = 1, 34  # some of classes that are not shown
    counts[68, 3] = counts[69, 4] = 300
    names = [f"class number {i}" for i in range(70)]
    draw_confusion(counts, names, "test", tmp_path / "a.svg", items="videos")
    picture = (tmp_path / "a.svg").read_text()
    assert ">test; the 45 most confused of 70 classes</text>" in picture
    assert ">class number 69  (400)</text>" in picture
    assert "class number 67" not in picture
    assert "true class (videos)" in picture
