import json
from xml.etree import ElementTree

import pytest
from printed_figures import check_print

from avlib.report.curves import draw_curves, network_title


def draw(log, target, network="tim/audio_visual"):
    draw_curves(log, target, study="ave", network=network)
    check_print(target)


def write_log(path, scores):
    entries, best = [], 0.0
    for epoch, score in enumerate(scores, start=1):
        entries.append({"epoch": epoch, "train_loss": 2.0 / epoch})
        if score is not None:
            entries[-1] |= {"val": {"top1": score}, "kept": score >= best}
            best = max(best, score)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def test_the_same_log_gives_the_same_picture(tmp_path):
    log = write_log(tmp_path / "log.jsonl", [None, 0.5, None, 0.75])
    draw(log, tmp_path / "a.svg")
    draw(log, tmp_path / "b.svg")
    picture = (tmp_path / "a.svg").read_bytes()
    assert picture == (tmp_path / "b.svg").read_bytes()
    assert ElementTree.fromstring(picture).tag.endswith("svg")


def test_another_score_gives_another_picture(tmp_path):
    for name, scores in (("a", [0.5, 0.75]), ("b", [0.5, 0.85])):
        draw(write_log(tmp_path / name, scores), tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() != (tmp_path / "b.svg").read_bytes()


def test_one_epoch_is_enough(tmp_path):
    draw(write_log(tmp_path / "log.jsonl", [1.0]), tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size > 1000


def test_the_epoch_whose_weights_count_is_marked(tmp_path):
    log = write_log(tmp_path / "log.jsonl", [0.5, 0.75, 0.75, 0.6])
    draw(log, tmp_path / "a.svg")
    assert (
        "weights of epoch 3 are kept, validation accuracy (top-1) 75.0%"
        in (tmp_path / "a.svg").read_text()
    )


def write_tim_log(path, select_by):
    accuracies = [{"action": 0.5, "audio": 0.9}, {"action": 0.7, "audio": 0.6}]
    lines = [
        {"epoch": i + 1, "train_loss": 2.0 - i, "val": {"select_by": select_by, "queries": {}}}
        for i in range(2)
    ]
    for line, kept in zip(lines, (True, select_by == "action"), strict=True):
        line["kept"] = kept
    for line, found in zip(lines, accuracies, strict=True):
        line["val"] |= {head: {"top1": top1, "loss": 1.0} for head, top1 in found.items()}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_each_head_has_a_curve_and_one_decides(tmp_path):
    draw(write_tim_log(tmp_path / "log.jsonl", "action"), tmp_path / "a.svg")
    picture = (tmp_path / "a.svg").read_text()
    assert ">visual head (decides)</text>" in picture
    assert ">audio head</text>" in picture
    assert "weights of epoch 2 are kept, validation accuracy (top-1) 70.0%" in picture
    draw(write_tim_log(tmp_path / "log.jsonl", "audio"), tmp_path / "b.svg")
    assert (
        "weights of epoch 1 are kept, validation accuracy (top-1) 90.0%"
        in (tmp_path / "b.svg").read_text()
    )


def test_parsers_have_scores_of_segments(tmp_path):
    for name, both in (("a", 40.0), ("b", 60.0)):
        values = {"Seg-type": 50.0, "Seg-a": 50.0, "Seg-v": 60.0, "Seg-av": both, "loss": 1.0}
        entry = {"epoch": 1, "train_loss": 2.0, "val": values, "kept": True}
        (tmp_path / name).write_text(json.dumps(entry) + "\n")
        draw(tmp_path / name, tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() != (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    ("network", "title"),
    [
        ("asf", "Auditory SlowFast"),
        ("tim/audio_visual", "TIM, audio-visual"),
        ("soundtrack/all", "soundtrack network"),
        ("soundtrack/2", "soundtrack network, fold 2"),
        ("parser/valor+", "parser of LLP, valor+"),
        ("res152", "res152"),
    ],
)
def test_the_title_says_which_network_it_is(tmp_path, network, title):
    log = write_log(tmp_path / "log.jsonl", [0.5, 0.75])
    draw(log, tmp_path / "a.svg", network=network)
    assert f">ave, {title}: " in (tmp_path / "a.svg").read_text()
    assert network_title(network) == title


def test_the_validation_loss_is_drawn_beside_that_of_training(tmp_path):
    log = write_log(tmp_path / "log.jsonl", [0.5, 0.75])
    draw(log, tmp_path / "a.svg")
    assert ">validation</text>" not in (tmp_path / "a.svg").read_text()
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for entry in entries:
        entry["val"]["loss"] = 1.5
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    draw(log, tmp_path / "a.svg")
    picture = (tmp_path / "a.svg").read_text()
    assert ">training</text>" in picture and ">validation</text>" in picture
