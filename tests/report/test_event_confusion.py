import json

import numpy as np
import pytest
from printed_figures import check_print

from avlib.report.confusion import draw_study_confusion
from avlib.report.event_confusion import commonest
from avlib.tim.event_scores import OTHERS


def confusion(n, seed=0, others=True):
    rng = np.random.default_rng(seed)
    names = [f"turn-off number {k} of many" for k in range(n)] + ([OTHERS] if others else [])
    counts = rng.poisson(3, (len(names), len(names))) + 20 * np.eye(len(names), dtype=int)
    return {"classes": names, "counts": counts.tolist()}


def metrics_file(tmp_path, models):
    metrics = {
        model: {
            **{head: {"top1": 0.456, "items": 9} for head in heads},
            "confusion": {head: confusion(n) for head, n in heads.items()},
        }
        for model, heads in models.items()
    }
    content = {"study": "epic", "split": "val", "metrics": metrics}
    (tmp_path / "m.json").write_text(json.dumps(content))
    return tmp_path / "m.json"


EPIC = {"verb": 40, "noun": 40, "action": 40, "audio": 40}


@pytest.mark.parametrize(
    "models",
    [
        {"audio_visual": EPIC, "audio": {"audio": 40}},
        {"audio_visual": {"action": 17, "audio": 3}},
        {"actions": {"action": 20}, "sounds": {"audio": 44}},
        {"audio": {"audio": 1}},
    ],
)
def test_every_head_has_a_panel_that_fits_a_page(tmp_path, models):
    draw_study_confusion(metrics_file(tmp_path, models), tmp_path / "a.svg")
    check_print(tmp_path / "a.svg")
    picture = (tmp_path / "a.svg").read_text()
    heads = {head for found in models.values() for head in found}
    assert picture.count("45.6% right") == len(heads)


def test_the_joint_model_is_drawn_and_the_same_file_is_the_same_picture(tmp_path):
    path = metrics_file(tmp_path, {"audio": {"audio": 9}, "audio_visual": {"audio": 8}})
    for name in ("a", "b"):
        draw_study_confusion(path, tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "sounds, audio-visual: 45.6% right" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("n", [1, 20, 21, 40])
def test_the_commonest_classes_are_drawn_and_no_item_is_lost(n, others):
    given = confusion(n, others=others)
    names, counts = commonest(given)
    assert counts.sum() == np.sum(given["counts"])
    assert len(names) == len(counts) == min(n, 20) + (others or n > 20)
    totals = dict(zip(given["classes"], np.sum(given["counts"], axis=1), strict=True))
    drawn = [name for name in names if name != OTHERS]
    left = [total for name, total in totals.items() if name not in (*drawn, OTHERS)]
    assert not left or min(totals[name] for name in drawn) >= max(left)
    for row, name in enumerate(drawn):
        place = given["classes"].index(name)
        assert counts[row, row] == given["counts"][place][place]
        assert counts[row].sum() == totals[name]
