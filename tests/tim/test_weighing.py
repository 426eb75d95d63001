"""Models of one study that answer together."""

import json

import numpy as np
import pytest
from tiny_tim import run, write_study

from avlib.io.tables import read_table
from avlib.tim.ensemble import Seconds, answer, read_ensemble
from avlib.tim.prediction import PredictionFiles, predict_tim
from avlib.tim.recipes import COMPARED
from avlib.tim.scores import combine
from avlib.tim.splits import InputFiles
from avlib.tim.tables import PREDICTIONS
from avlib.tim.weighing import weigh_models


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def study(home):
    return write_study(home / "study")


@pytest.fixture(scope="module")
def models(home, study):
    return {m: run(study, home / m, name=m, epochs=1)["model"] for m in COMPARED}


def weigh(study, models, target, windows):
    files = InputFiles(**(study | {"windows": windows}))
    weigh_models(models, files, recipe="small", device="cpu", target=target)
    return target


def predicted(study, models, target, ensemble):
    files = PredictionFiles(**study, models=models, table=target, published=None, ensemble=ensemble)
    predict_tim(files, recipe="small", split="test", device="cpu")
    rows = read_table(target, PREDICTIONS).sort_values(["video_id", "start_s"])
    keys = ["modality", "head"]
    return {key: np.stack(part["probs"].to_list()) for key, part in rows.groupby(keys)}


def test_the_combined_prediction_is_the_joint_answer_of_all_models(home, study, models):
    target = weigh(study, models, home / "ensemble.json", {"val": study["windows"]["val"]})
    accuracy = json.loads(target.read_text())["validation_accuracy"]
    assert accuracy.keys() == {*COMPARED, "default", "chosen"}
    assert accuracy["chosen"] >= accuracy["default"]
    alone = predicted(study, models, home / "alone.parquet", None)
    joint = predicted(study, models, home / "joint.parquet", target)
    key = ("audio_visual", "combined")
    assert all((alone[k] == joint[k]).all() for k in alone if k != key)
    probs = {
        "audio_visual": combine(alone["audio_visual", "action"], alone["audio_visual", "audio"]),
        "audio": alone["audio", "audio"],
        "visual": alone["visual", "action"],
    }
    at = Seconds(np.repeat(np.arange(4), 10), np.tile(np.arange(10.0), 4), 3)
    expected = answer(read_ensemble(target), probs, at)
    np.testing.assert_allclose(joint[key], expected, rtol=1e-5, atol=1e-7)


def test_without_a_validation_split_the_default_weights_are_taken(home, study, models):
    content = json.loads(weigh(study, models, home / "default.json", {}).read_text())
    assert content["weights"] == {"audio_visual": 0.4, "audio": 0.4, "visual": 0.2}
    assert content["validation_accuracy"] == {}
