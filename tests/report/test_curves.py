import json
from xml.etree import ElementTree

from avlib.report.curves import draw_curves


def write_log(path, scores):
    entries = [
        {"epoch": i + 1, "train_loss": 2.0 / (i + 1)} | ({} if s is None else {"val": {"top1": s}})
        for i, s in enumerate(scores)
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def test_the_same_log_gives_the_same_picture(tmp_path):
    log = write_log(tmp_path / "log.jsonl", [None, 0.5, None, 0.75])
    draw_curves(log, tmp_path / "a.svg")
    draw_curves(log, tmp_path / "b.svg")
    picture = (tmp_path / "a.svg").read_bytes()
    assert picture == (tmp_path / "b.svg").read_bytes()
    assert ElementTree.fromstring(picture).tag.endswith("svg")


def test_another_score_gives_another_picture(tmp_path):
    for name, scores in (("a", [0.5, 0.75]), ("b", [0.5, 0.85])):
        draw_curves(write_log(tmp_path / name, scores), tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() != (tmp_path / "b.svg").read_bytes()


def test_one_epoch_is_enough(tmp_path):
    draw_curves(write_log(tmp_path / "log.jsonl", [1.0]), tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size > 1000
