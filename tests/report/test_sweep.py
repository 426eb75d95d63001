import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from printed_figures import check_print

from avlib.report.sweep import draw_sweep


def write_fusion(folder, weight):
    weights = np.arange(500) / 1000
    top1 = 0.7 + 0.1 * np.sin(np.pi * weights / 0.499)
    rows = {"weight": weights, "top1": top1, "top5": top1 + 0.1, "mean": top1 + 0.05}
    pd.DataFrame(rows).to_csv(folder / "sweep.csv", index=False)
    shares = {
        "audio": {"top1": 0.3, "top5": 0.5},
        "video": {"top1": 0.7, "top5": 0.8},
        "fused": {"top1": 0.791, "top5": 0.887, "weight": weight},
    }
    (folder / "fusion.json").write_text(json.dumps({"scores": shares}))


def drawn(folder, name="sweep.svg", **files):
    draw_sweep(folder / "sweep.csv", folder / "fusion.json", folder / name)
    check_print(folder / name)
    return (folder / name).read_text()


def test_the_same_sweep_gives_the_same_picture(tmp_path):
    write_fusion(tmp_path, 0.2)
    assert drawn(tmp_path, "a.svg") == drawn(tmp_path, "b.svg")
    assert ElementTree.fromstring(drawn(tmp_path)).tag.endswith("svg")


def test_both_shares_are_shown_beside_those_of_each_modality(tmp_path):
    write_fusion(tmp_path, 0.2)
    picture = drawn(tmp_path)
    for text in ("fused: 79.1%", "fused: 88.7%", "top-1", "top-5"):
        assert f">{text}</text>" in picture
    for text in ("audio alone", "visual alone", "weight of the audio"):
        assert picture.count(f">{text}</text>") == 2


@pytest.mark.parametrize("other", [0.3, [0.2, 0.3]])
def test_the_chosen_weights_are_marked(tmp_path, other):
    write_fusion(tmp_path, 0.2)
    before = drawn(tmp_path)
    write_fusion(tmp_path, other)
    after = drawn(tmp_path)
    assert after != before
    if isinstance(other, list):
        assert after.count("<use ") == before.count("<use ") + 2  # one more mark a panel
