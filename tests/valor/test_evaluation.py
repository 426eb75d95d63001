"""The metrics file of a variant of event parsing."""

import json

import numpy as np
import pytest

from avlib.datasets.llp import CLASSES, LABEL_FILES
from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.evaluation.metrics_file import Provenance
from avlib.io.arrays import write_arrays
from avlib.io.tables import read_table
from avlib.valor.evaluation import evaluate_llp
from avlib.valor.recipes import ParserEvaluation

VIDEO_IDS = ("-aaaaaaaaaa", "bb_bbbbbbbb")


@pytest.fixture
def evaluate(tmp_path):
    """Return what evaluates a dog in seconds 2 to 5 of some videos; the truth is 2 to 6."""
    labels = {name: tmp_path / LABEL_FILES[name] for name in ("test", "audio", "visual")}
    weak = "".join(f"{video_id}_0_10\tDog\n" for video_id in VIDEO_IDS)
    labels["test"].write_text(f"filename\tevent_labels\n{weak}")
    dense = "".join(f"{video_id}_0_10\t2\t6\tDog\n" for video_id in VIDEO_IDS)
    for name in ("audio", "visual"):
        labels[name].write_text(f"filename\tonset\toffset\tevent_labels\n{dense}")

    def run(video_ids):
        whole = np.zeros((len(video_ids), len(CLASSES)), np.float32)
        segments = np.zeros((len(video_ids), 10, 2, len(CLASSES)), np.float32)
        dog = CLASSES.index("Dog")
        whole[:, dog], segments[:, 2:5, :, dog] = 0.5, 0.5
        arrays = {"video_ids": np.array(video_ids), "video_probs": whole}
        write_arrays(arrays | {"segment_probs": segments}, tmp_path / "predictions.npz")
        evaluate_llp(
            labels | {"predictions": tmp_path / "predictions.npz"},
            provenance=Provenance({"study": "llp", "variant": "han"}, models={}, origins={}),
            evaluation=ParserEvaluation(),
            status={},
            events_target=tmp_path / "events.parquet",
            target=tmp_path / "metrics.json",
        )
        return json.loads((tmp_path / "metrics.json").read_text())

    return run


def test_scores_and_events_are_those_of_the_answers(evaluate, tmp_path):
    content = evaluate(VIDEO_IDS)
    assert content["metrics"]["test"]["Seg-a"] == pytest.approx(100 * 6 / 7)
    assert content["metrics"]["test"]["Event-av"] == 100
    assert content["counts"] == {"videos": {"listed": 2, "evaluated": 2}, "left_out": []}
    # Both videos get the same events, as by a parser that does not look at its input.
    assert content["notes"] == [
        f"han, {modality}: the parser finds the same events in all 2 test videos."
        for modality in ("audio", "visual")
    ]
    events = read_table(tmp_path / "events.parquet", EVENTS)
    assert len(events) == 4 and set(events["label"]) == {"Dog"}
    assert set(zip(events["start_s"], events["stop_s"], strict=True)) == {(2.0, 5.0)}


def test_a_video_without_an_answer_is_named(evaluate):
    counts = evaluate(VIDEO_IDS[:1])["counts"]
    assert counts["videos"] == {"listed": 2, "evaluated": 1}
    assert [(r["video_id"], r["status"]) for r in counts["left_out"]] == [
        ("bb_bbbbbbbb", "missing")
    ]


def test_an_answer_for_a_video_that_is_not_listed_is_refused(evaluate):
    with pytest.raises(DataError, match="'cc_cccccccc' is not in the test list"):
        evaluate(["cc_cccccccc"])
