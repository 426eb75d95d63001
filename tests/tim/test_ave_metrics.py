"""From trained models to predictions and the metrics file of AVE."""

import json
import shutil
from itertools import islice

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_tim import CLASSES, run, write_study
from tiny_weights import saved_again

from avlib.errors import CheckpointError, DataError
from avlib.evaluation.metrics_file import Provenance
from avlib.evaluation.recognition import top_k_hits
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.checkpoints import load_state_dict
from avlib.io.hashes import file_hash
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.tim.ave_metrics import evaluate_ave
from avlib.tim.evaluated_files import EvaluatedFiles
from avlib.tim.prediction import PredictionFiles, predict_tim
from avlib.tim.published_predictions import read_predictions
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.tables import PREDICTIONS, QUERIES
from avlib.tim.windows import build_windows

MODALITIES = ("audio_visual", "audio", "visual")
SEGMENTS = 40


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def study(home):
    return write_study(home / "study")


@pytest.fixture(scope="module")
def models(home, study):
    """A model of each modality after one epoch."""
    return {m: run(study, home / m, name=m, epochs=1)["model"] for m in MODALITIES}


def predict(
    study, models, target, *, recipe="small", mixed=False, published_target=None, **changes
):
    predict_tim(
        PredictionFiles(
            **(study | changes), models=models, table=target, published=published_target
        ),
        recipe=recipe,
        split="test",
        device="cpu",
        mixed_precision=mixed,
    )
    return target


@pytest.fixture(scope="module")
def predictions(home, study, models):
    return predict(study, models, home / "predictions.parquet")


def manifest(path, statuses):
    """A manifest in which some videos are bad."""
    columns = {column.name: None for column in MANIFEST.columns}
    rows = [
        columns
        | {"video_id": video_id, "split": "test", "path": f"{video_id}.mp4"}
        | {"status": status, "message": "" if status == "ok" else "what is wrong"}
        for video_id, status in statuses.items()
    ]
    write_table(pd.DataFrame(rows), path, MANIFEST)
    return path


def feature_index(path, statuses):
    """The index of a network that could not read some videos."""
    columns = {column.name: 0 for column in FEATURES.columns}
    rows = [
        columns
        | {"video_id": video_id, "split": "test", "path": "", "content_hash": ""}
        | {"status": status, "message": "" if status == "ok" else "no picture in the file"}
        for video_id, status in statuses.items()
    ]
    write_table(pd.DataFrame(rows), path, FEATURES)
    return path


def evaluate(study, trained, predictions, folder, **changes):
    files = {
        "predictions": predictions,
        "queries": study["queries"],
        "classes": study["classes"],
        "manifest": None,
        "features": {"asf": feature_index(folder / "index.parquet", {"test0": "ok"})},
    }
    files |= {name: changes.pop(name) for name in list(changes) if name in files}
    models = changes.pop("models", trained)
    made = {
        "study": {"study": "ave", "config_hash": "0123"},
        "models": changes.pop("backbones", {"asf": trained["audio"], "omnivore": None}),
        "origins": {"asf": "trained", "omnivore": "untrained", "tim": "trained"},
        "inputs": {"windows": study["windows"]["test"]},
    }
    provenance = Provenance(**(made | changes))
    target = folder / "test_metrics.json"
    evaluate_ave(EvaluatedFiles(**files), models=models, provenance=provenance, target=target)
    return json.loads((folder / "test_metrics.json").read_text())


def test_each_segment_has_a_row_for_each_head_of_each_model(predictions):
    table = read_table(predictions, PREDICTIONS)
    counts = table.groupby(["modality", "head"]).size().to_dict()
    joint = {("audio_visual", head): SEGMENTS for head in ("action", "audio", "combined")}
    assert counts == joint | {("audio", "audio"): SEGMENTS, ("visual", "action"): SEGMENTS}
    assert not table.duplicated(["annotation_id", "modality", "head"]).any()
    probs = np.stack(table["probs"].to_list())
    assert probs.shape == (len(table), len(CLASSES))
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-5)
    assert (table["predicted_class"] == probs.argmax(axis=1)).all()
    assert [CLASSES[i] for i in table["predicted_class"]] == table["predicted_label"].to_list()
    assert [CLASSES[i] for i in table["class_id"]] == table["label"].to_list()


def test_the_combined_prediction_is_the_mean_of_both_heads(predictions):
    table = read_table(predictions, PREDICTIONS).query("modality == 'audio_visual'")
    by_head = {
        head: np.stack(rows.sort_values("annotation_id")["probs"].to_list())
        for head, rows in table.groupby("head")
    }
    mean = (by_head["action"] + by_head["audio"]) / 2
    np.testing.assert_allclose(by_head["combined"], mean, rtol=1e-6)


def test_predictions_do_not_depend_on_the_order_of_models_or_on_repetition(
    study, models, predictions, tmp_path
):
    backwards = dict(reversed(models.items()))
    published = {"published_target": tmp_path / "again.pkl"}
    again = predict(study, backwards, tmp_path / "again.parquet", **published)
    assert again.read_bytes() == predictions.read_bytes()
    found = read_predictions(tmp_path / "again.pkl")
    assert set(found.probs) == {"action", "audio"}


def test_the_published_pickle_holds_the_same_predictions(study, models, predictions, tmp_path):
    joint = {"audio_visual": models["audio_visual"]}
    predict(study, joint, tmp_path / "p.parquet", published_target=tmp_path / "p.pkl")
    found = read_predictions(tmp_path / "p.pkl")
    table = read_table(tmp_path / "p.parquet", PREDICTIONS)
    for head, ids in (("action", found.visual_ids), ("audio", found.audio_ids)):
        rows = table[table["head"] == head]
        assert rows["annotation_id"].to_list() == ids
        np.testing.assert_array_equal(np.stack(rows["probs"].to_list()), found.probs[head])


def test_losses_and_views_are_written_by_model_and_head(study, models, tmp_path):
    predict(study, models, tmp_path / "p.parquet", losses=tmp_path / "losses.json")
    losses = json.loads((tmp_path / "losses.json").read_text())
    heads = {m: set(found) for m, found in losses.items()}
    assert heads == {"audio_visual": {"action", "audio"}, "audio": {"audio"}, "visual": {"action"}}
    for found in losses.values():
        assert all(loss["loss"] > 0 and loss["views"] >= SEGMENTS for loss in found.values())


def test_weights_that_were_saved_again_give_the_same_predictions(study, models, tmp_path):
    ours = predict(study, {"audio_visual": models["audio_visual"]}, tmp_path / "b.parquet")
    for path in islice(saved_again(models["audio_visual"], tmp_path), 3):  # in full precision
        given = predict(study, {"audio_visual": path}, tmp_path / "a.parquet")
        assert given.read_bytes() == ours.read_bytes()
    bare = tmp_path / "bare.pth.tar"
    torch.save({"state_dict": load_state_dict(models["audio_visual"])}, bare)
    with pytest.raises(CheckpointError, match=r"its `recipe`.* is missing"):
        predict(study, {"audio_visual": bare}, tmp_path / "a.parquet")


def test_a_model_for_another_modality_is_refused(study, models, tmp_path):
    with pytest.raises(CheckpointError, match="weights of model audio, expected visual"):
        predict(study, {"visual": models["audio"]}, tmp_path / "p.parquet")


def test_a_model_for_other_windows_is_refused(study, models, tmp_path):
    with pytest.raises(CheckpointError, match=r"recipe small.* set tim\.recipe: small"):
        predict(study, models, tmp_path / "p.parquet", recipe="ave_vgg")


def test_a_model_for_other_features_is_refused(study, models, tmp_path):
    shutil.copytree(study["visual"][0], tmp_path / "visual")
    for path in tmp_path.glob("visual/test/*.npy"):
        np.save(path, np.load(path)[..., :4])
    with pytest.raises(CheckpointError, match="visual_input_dim is 6, not 4"):
        predict(study, models, tmp_path / "p.parquet", visual=[tmp_path / "visual"])


def test_a_model_for_other_classes_is_refused(study, models, tmp_path):
    other = tmp_path / "classes.json"
    other.write_text(json.dumps({"class_id": ["bell", "cat", "flute", "background"]}))
    with pytest.raises(CheckpointError, match="class 1 is 'dog', that of the study is 'cat'"):
        predict(study, models, tmp_path / "p.parquet", classes=other)


def test_the_metrics_file_keeps_its_contract(study, models, predictions, tmp_path):
    result = evaluate(study, models, predictions, tmp_path)
    assert result["study"] == "ave"
    assert result["config_hash"] == "0123"
    accuracy = result["metrics"]["segment_accuracy"]
    assert set(accuracy) == set(MODALITIES)
    assert all(0 <= value <= 1 for value in accuracy.values())
    segments = {"segments_evaluated": SEGMENTS, "segments_without_features": 0}
    assert result["counts"] == segments | {"features": {"asf": {"ok": 1}}, "videos_left_out": []}
    assert set(result["metrics"]["class_accuracy"]["audio"]) == set(CLASSES)
    assert set(result["metrics"]["joint_model"]) == {"combined", "visual_head", "audio_head"}
    assert result["metrics"]["joint_model"]["combined"] == accuracy["audio_visual"]
    assert {"avlib", "torch", "ffmpeg"} <= result["versions"].keys()
    assert result["inputs"]["predictions"] == file_hash(predictions)
    assert set(result["inputs"]) == {"predictions", "queries", "classes", "windows"}


def test_the_accuracies_are_those_of_the_predictions(study, models, predictions, tmp_path):
    metrics = evaluate(study, models, predictions, tmp_path)["metrics"]
    table = read_table(predictions, PREDICTIONS)
    for modality, head in (("audio_visual", "combined"), ("audio", "audio"), ("visual", "action")):
        rows = table[(table["modality"] == modality) & (table["head"] == head)]
        right = rows["predicted_class"] == rows["class_id"]
        assert metrics["segment_accuracy"][modality] == pytest.approx(right.mean())
        top5 = top_k_hits(np.stack(rows["probs"].to_list()), rows["class_id"], 5)
        assert metrics["segment_accuracy_top5"][modality] == top5.mean()
        by_class = right.groupby(rows["label"]).mean()
        for label, value in metrics["class_accuracy"][modality].items():
            assert value == by_class.get(label)
        assert metrics["mean_class_accuracy"][modality] == pytest.approx(by_class.mean())
        most_frequent = rows["label"].value_counts().max()
        assert metrics["majority_share"][modality] == most_frequent / SEGMENTS
        confusion = np.array(metrics["confusion"][modality])
        assert confusion.sum() == SEGMENTS
        assert np.trace(confusion) == right.sum()


def test_where_the_weights_come_from_is_said(study, models, predictions, tmp_path):
    result = evaluate(study, models, predictions, tmp_path)
    assert result["models"]["asf"] == {"weights": "trained", "sha256": file_hash(models["audio"])}
    assert result["models"]["omnivore"] == {"weights": "untrained", "sha256": None}
    joint = result["models"]["tim"]["audio_visual"]
    assert joint == {"weights": "trained", "sha256": file_hash(models["audio_visual"])}
    first, second, third = result["notes"][:3]
    assert "Auditory SlowFast was trained here" in first
    assert "Omnivore has random weights" in second
    assert "TIM was trained here" in third


def test_a_model_that_predicts_one_class_is_called_that(study, models, predictions, tmp_path):
    table = read_table(predictions, PREDICTIONS)
    table["predicted_class"] = table["predicted_class"].where(table["modality"] != "audio", 3)
    write_table(table, tmp_path / "one.parquet", PREDICTIONS)
    notes = evaluate(study, models, tmp_path / "one.parquet", tmp_path)["notes"]
    (note,) = [note for note in notes if note.startswith("audio: ")]
    assert f"one class, 'background', for all {SEGMENTS} test segments" in note


def test_of_given_weights_nothing_is_noted(study, models, predictions, tmp_path):
    joint = {"audio_visual": models["audio_visual"]}
    table = predict(study, joint, tmp_path / "p.parquet")
    given = {
        "models": joint,
        "backbones": {"asf": models["audio"]},
        "origins": {"asf": "given", "tim": "given"},
    }
    result = evaluate(study, models, table, tmp_path, **given)
    assert not [note for note in result["notes"] if "weights" in note or "trained" in note]
    assert set(result["metrics"]["segment_accuracy"]) == {"audio_visual"}


def test_segments_of_videos_without_features_are_counted(study, models, tmp_path):
    """Their windows were not made, since the video could not be read."""
    queries = read_table(study["queries"], QUERIES)
    usable = queries[(queries["split"] == "test") & (queries["video_id"] != "test2")]
    intervals = read_table(study["intervals"]["test"], INTERVALS)
    durations = dict.fromkeys(usable["video_id"].unique(), 10.0)
    index = build_windows(usable, intervals, durations, TIM_RECIPES["small"])
    index.save(tmp_path / "test.npz")
    table = predict(study, models, tmp_path / "p.parquet", windows={"test": tmp_path / "test.npz"})
    statuses = {"test0": "ok", "test1": "ok", "test2": "unreadable", "test3": "ok"}
    videos = manifest(tmp_path / "manifest.parquet", statuses)
    counts = evaluate(study, models, table, tmp_path, manifest=videos)["counts"]
    assert counts["segments_evaluated"] == 30
    assert counts["segments_without_features"] == 10
    assert counts["videos"] == counts["test_videos"] == {"ok": 3, "unreadable": 1}
    (left_out,) = counts["videos_left_out"]
    assert left_out["video_id"] == "test2"
    assert left_out["message"] == "what is wrong"
    assert left_out["left_out_by"] == "probe"


def test_videos_of_which_a_network_has_no_features_are_named(study, models, predictions, tmp_path):
    """A sound track is enough for the manifest."""
    videos = {"test0": "ok", "test1": "too_short", "test2": "ok"}
    features = {
        "omnivore": {"test0": "unreadable", "test2": "ok"},
        "asf": {"test0": "ok", "test2": "unreadable"},
    }
    files = {
        "manifest": manifest(tmp_path / "manifest.parquet", videos),
        "features": {n: feature_index(tmp_path / f"{n}.parquet", s) for n, s in features.items()},
    }
    counts = evaluate(study, models, predictions, tmp_path, **files)["counts"]
    each = {"ok": 1, "unreadable": 1}
    assert counts["features"] == {"omnivore": each, "asf": each}
    assert [(v["video_id"], v["left_out_by"]) for v in counts["videos_left_out"]] == [
        ("test0", "Omnivore"),
        ("test1", "probe"),
        ("test2", "Auditory SlowFast"),
    ]
    assert counts["videos_left_out"][0]["message"] == "no picture in the file"


def test_a_split_without_windows_is_refused(study, models, tmp_path):
    queries = read_table(study["queries"], QUERIES)
    intervals = read_table(study["intervals"]["test"], INTERVALS)
    none = build_windows(queries[:0], intervals, {}, TIM_RECIPES["small"])
    none.save(tmp_path / "test.npz")
    with pytest.raises(DataError, match="no test video has features"):
        predict(study, models, tmp_path / "p.parquet", windows={"test": tmp_path / "test.npz"})


def test_without_any_prediction_there_are_no_metrics(study, models, predictions, tmp_path):
    table = read_table(predictions, PREDICTIONS)
    write_table(table[:0], tmp_path / "none.parquet", PREDICTIONS)
    with pytest.raises(DataError, match="no test video has features"):
        evaluate(study, models, tmp_path / "none.parquet", tmp_path)


def test_mixed_precision_predicts_alike(study, models, predictions, tmp_path):
    mixed = read_table(predict(study, models, tmp_path / "p.parquet", mixed=True), PREDICTIONS)
    full = read_table(predictions, PREDICTIONS)
    pairs = np.stack([mixed["probs"].to_list(), full["probs"].to_list()])
    assert not np.array_equal(*pairs)
    np.testing.assert_allclose(*pairs, atol=0.01)
