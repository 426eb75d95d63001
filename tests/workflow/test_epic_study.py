"""The real Snakefile on a tiny miniature of EPIC-KITCHENS-100: from videos to the submission."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from workflow_checkout import Checkout

from avlib.datasets.miniature.epic import ANNOTATION_FILES, miniature_plan
from avlib.tim.published_predictions import read_predictions
from avlib.tim.submission_check import check_submission

pytestmark = pytest.mark.slow

SIZE = {"train_videos": 2, "val_videos": 2, "test_videos": 1}
TINY = f"""
epic:
  miniature: {SIZE}
  shards: 1
  feature_shards: 1
  pretraining: {{epochs: 1}}
  visual: {{pretraining: {{epochs: 1}}, views: 1}}
  views: 1
  tim: {{epochs: 2, models: [audio_visual, visual, audio, actions, sounds]}}
"""
MODELS = ("audio_visual", "visual", "audio", "actions", "sounds")
HEADS = {
    "audio_visual": {"verb", "noun", "action", "audio"},
    "visual": {"verb", "noun", "action"},
    "audio": {"audio"},
    "actions": {"verb", "noun", "action"},
    "sounds": {"audio"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the study's target on five videos."""
    checkout = Checkout(tmp_path_factory.mktemp("epic"), TINY, "epic")
    run = checkout.run()
    assert run.returncode == 0, run.stdout + run.stderr
    return checkout


@pytest.fixture(scope="module")
def planned():
    """What happens in the videos, by split."""
    plan = miniature_plan(**SIZE, seed=0)
    return {
        split: [p for video in plan if video.split == split for p in video.performances]
        for split in ("train", "val", "test")
    }


def result(checkout, name):
    return checkout.folder / "results/epic" / name


def test_every_model_is_evaluated_on_the_labels_that_it_predicts(finished, planned):
    content = json.loads(result(finished, "test_metrics.json").read_text())
    assert set(content["metrics"]) == set(MODELS)
    for model, heads in HEADS.items():
        found = content["metrics"][model]
        assert heads <= found.keys()
        assert {"verb", "noun", "action", "audio"} - heads == (
            {"verb", "noun", "action", "audio"} - found.keys()
        )
        for head in heads:
            assert found[head]["items"] == len(planned["val"])
            assert 0 <= found[head]["top1"] <= found[head]["top5"] <= 1
    assert content["counts"]["unseen_participants"] == ["P02"]
    assert content["counts"]["videos"] == {"ok": 5}
    assert content["counts"]["val_videos"] == {"ok": 2}


def test_the_metrics_are_those_of_the_predictions(finished):
    content = json.loads(result(finished, "test_metrics.json").read_text())
    table = pd.read_parquet(result(finished, "predictions.parquet"))
    for model, heads in HEADS.items():
        for head in heads:
            rows = table[(table["modality"] == model) & (table["head"] == head)]
            share = (rows["class_id"] == rows["predicted_class"]).mean()
            assert share == pytest.approx(content["metrics"][model][head]["top1"])


def test_the_submission_has_every_action_of_the_test_split(finished, planned):
    ids = pd.read_csv(result(finished, f"miniature/{ANNOTATION_FILES['actions.test']}"))
    ids = ids["narration_id"].to_list()
    assert len(ids) == len(planned["test"])
    check_submission(result(finished, "submission.zip"), ids)
    with zipfile.ZipFile(result(finished, "submission.zip")) as archive:
        assert set(json.loads(archive.read("test.json"))["results"]) == set(ids)


def test_the_sound_network_is_evaluated_as_a_classifier(finished, planned):
    run = finished.run(target="results/epic/asf/test_metrics.json")
    assert run.returncode == 0, run.stdout + run.stderr
    content = json.loads(result(finished, "asf/test_metrics.json").read_text())
    assert (content["split"], content["counts"]["events_evaluated"]) == ("val", len(planned["val"]))
    classes = json.loads(result(finished, "classes.json").read_text())["class_id"]
    for views in ("views_1", "views_5"):
        found = content["metrics"][views]["audio"]
        assert set(found["per_class"]["AP"]) == set(classes)
        assert 0 <= found["top1"] <= found["top5"] <= 1
        assert 0 < found["mAP"] <= 1
        assert found["d_prime"] == pytest.approx(np.sqrt(2) * ndtri(found["AUC"]))
        assert f"top-1 accuracy of sounds {100 * found['top1']:.1f} %" in run.stderr


def test_the_figures_of_the_report_are_there(finished):
    for name in ("report/confusion.svg", "report/timelines.svg", "model/tim/audio/curves.svg"):
        assert result(finished, name).read_text().startswith("<?xml")


def test_the_predictions_are_also_as_the_authors_write_them(finished, planned):
    published = read_predictions(result(finished, "predictions.pkl"))
    table = pd.read_parquet(result(finished, "predictions.parquet"))
    assert set(published.probs) == HEADS["audio_visual"]
    for head, probs in published.probs.items():
        ids = list(published.audio_ids if head == "audio" else published.visual_ids)
        assert len(ids) == len(planned["val"])
        rows = table[(table["modality"] == "audio_visual") & (table["head"] == head)]
        found = rows.set_index("annotation_id").loc[ids, "probs"]
        np.testing.assert_array_equal(np.stack(found.to_list()), probs)


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run().stderr
