"""The real Snakefile on a tiny miniature of Perception Test: from videos to metrics."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from workflow_checkout import Checkout

from avlib.datasets.miniature.perception import ACTIONS, SOUNDS, miniature_plan

pytestmark = pytest.mark.slow

SIZE = {"train_videos": 3, "val_videos": 2}
TINY = f"""
perception:
  miniature: {SIZE}
  shards: 1
  feature_shards: 1
  pretraining: {{epochs: 1}}
  visual: {{pretraining: {{epochs: 1}}, views: 1}}
  views: 1
  tim: {{epochs: 2}}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the study's target on five videos."""
    checkout = Checkout(tmp_path_factory.mktemp("perception"), TINY, "perception")
    run = checkout.run()
    assert run.returncode == 0, run.stdout + run.stderr
    return checkout


def result(checkout, name):
    return checkout.folder / "results/perception" / name


def test_actions_and_sounds_of_validation_are_evaluated(finished):
    content = json.loads(result(finished, "test_metrics.json").read_text())
    events = sum(len(v.performances) for v in miniature_plan(**SIZE, seed=0) if v.split == "val")
    heads = {"audio_visual": {"action", "audio"}, "visual": {"action"}, "audio": {"audio"}}
    for model, names in heads.items():
        found = content["metrics"][model]
        assert {"action", "audio", "verb", "noun"} & found.keys() == names
        assert all(found[name]["items"] == events for name in names)
    assert content["counts"]["videos"] == {"ok": 5}
    assert content["counts"]["val_videos"] == {"ok": 2}
    assert any("validation" in note or "val" in note for note in content["notes"])


def test_classes_are_those_of_the_label_map(finished):
    classes = json.loads(result(finished, "classes.json").read_text())
    assert len(classes["action_class"]) == len(ACTIONS)
    assert len(classes["class_id"]) == len(SOUNDS)
    table = pd.read_parquet(result(finished, "predictions.parquet"))
    for head, names in (("action", ACTIONS), ("audio", SOUNDS)):
        probs = np.stack(table[table["head"] == head]["probs"].to_list())
        assert probs.shape[1] == len(names)
        assert np.allclose(probs.sum(axis=1), 1, atol=1e-5)


def test_the_sound_network_is_evaluated_as_a_classifier(finished):
    run = finished.run(target="results/perception/asf/test_metrics.json")
    assert run.returncode == 0, run.stdout + run.stderr
    content = json.loads(result(finished, "asf/test_metrics.json").read_text())
    events = sum(len(v.performances) for v in miniature_plan(**SIZE, seed=0) if v.split == "val")
    assert (content["split"], content["counts"]["events_evaluated"]) == ("val", events)
    classes = json.loads(result(finished, "classes.json").read_text())["class_id"]
    for views in ("views_1", "views_5"):
        found = content["metrics"][views]["audio"]
        assert set(found["per_class"]["AP"]) == set(classes)
        assert 0 <= found["top1"] <= found["top5"] <= 1
        assert 0 < found["mAP"] <= 1
        assert found["d_prime"] == pytest.approx(np.sqrt(2) * ndtri(found["AUC"]))
        assert f"top-1 accuracy of sounds {100 * found['top1']:.1f} %" in run.stderr


def test_figures_and_published_predictions_are_there(finished):
    for name in ("report/confusion.svg", "report/timelines.svg"):
        assert result(finished, name).read_text().startswith("<?xml")
    assert result(finished, "predictions.pkl").stat().st_size > 0


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run().stderr
