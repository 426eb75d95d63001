import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_events import make_predictions, make_queries
from printed_figures import check_print

from avlib.io.tables import write_table
from avlib.report.event_timelines import lanes
from avlib.report.timelines import draw_timelines
from avlib.tim.tables import PREDICTIONS

JOINT = {"audio_visual": ("verb", "noun", "action", "audio")}


def predictions(tmp_path, *, models=None, n_videos=2, n_events=12, split="val", **options):
    rng = np.random.default_rng(0)
    videos = {f"P{k:02d}_01": split for k in range(n_videos)}
    queries = make_queries(rng, videos, n_events)
    given_models = {} if models is None else {"models": models}
    table = make_predictions(rng, queries, split, **given_models, **options)
    write_table(table, tmp_path / "p.parquet", PREDICTIONS)
    return table


def drawn(tmp_path):
    draw_timelines(tmp_path / "p.parquet", None, tmp_path / "t.svg")
    check_print(tmp_path / "t.svg")
    return (tmp_path / "t.svg").read_text()


def plain_lanes(starts, stops):
    """Try the lanes from the first on, until no event of the lane overlaps."""
    placed = []
    for start, stop in zip(starts, stops, strict=True):
        lane = 0
        while any(k == lane and a < stop and start < b for a, b, k in placed):
            lane += 1
        placed.append((start, stop, lane))
    return [lane for _, _, lane in placed]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=15))
def test_events_at_one_time_lie_in_different_lanes(spans):
    spans = sorted((start, start + length) for start, length in spans)
    starts, stops = (
        (np.array(side, dtype=float) for side in zip(*spans, strict=True))
        if spans
        else (
            np.zeros(0),
            np.zeros(0),
        )
    )
    assert lanes(starts, stops).tolist() == plain_lanes(starts, stops)


def test_truth_and_every_model_have_a_row_for_actions_and_one_for_sounds(tmp_path):
    predictions(tmp_path, n_videos=1)
    picture = drawn(tmp_path)
    titles = re.findall(
        r">(actions, truth|sounds, truth|audio-visual|visual|audio)</text>", picture
    )
    models = ["actions, truth", "audio-visual", "visual", "sounds, truth", "audio-visual", "audio"]
    assert titles == models


def test_the_right_events_of_the_minute_are_counted(tmp_path):
    predictions(tmp_path, models=JOINT, n_videos=1, n_events=9, skill=100)
    shares = re.findall(r">(\d+)/(\d+)</text>", drawn(tmp_path))
    assert len(shares) == 2
    assert all(right == shown and 0 < int(shown) <= 9 for right, shown in shares)


def test_the_same_predictions_give_the_same_picture(tmp_path):
    predictions(tmp_path)
    assert drawn(tmp_path) == drawn(tmp_path)


@pytest.mark.parametrize(
    "models", [{"actions": ("action",), "sounds": ("audio",)}, {"audio": ("audio",)}]
)
def test_models_of_one_label_space_are_drawn(tmp_path, models):
    predictions(tmp_path, models=models)
    picture = drawn(tmp_path)
    assert ("actions, truth" in picture) == ("actions" in models)
    assert "sounds, truth" in picture


def test_of_many_videos_some_are_drawn(tmp_path):
    predictions(tmp_path, n_videos=11, n_events=60)
    found = re.findall(r">(P\d\d_01)</text>", drawn(tmp_path))
    assert found[0] == "P00_01" and 1 <= len(found) <= 4


def test_events_without_a_class_are_drawn_as_such(tmp_path):
    predictions(tmp_path, split="test")
    assert "another class" in drawn(tmp_path)


def test_a_wrong_event_is_hatched(tmp_path):
    table = predictions(tmp_path, models=JOINT)
    wrong = drawn(tmp_path).count("url(#h")
    right = {"predicted_class": table["class_id"], "predicted_label": table["label"]}
    write_table(table.assign(**right), tmp_path / "p.parquet", PREDICTIONS)
    assert wrong > drawn(tmp_path).count("url(#h") == 1  # the legend's
