"""From predictions of annotated events to the metrics file."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up_events import CLASSES, HEADS, MODELS, write_study

from avlib.datasets.epic_kitchens import read_tail_classes
from avlib.errors import DataError
from avlib.evaluation.headline import headline
from avlib.evaluation.metrics_file import Provenance
from avlib.io.tables import write_table
from avlib.tim.event_metrics import EventFiles, evaluate_events
from avlib.tim.tables import PREDICTIONS, QUERIES

TAIL_LISTS = {"verb": "EPIC_100_tail_verbs.csv", "noun": "EPIC_100_tail_nouns.csv"}


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path)


def evaluate(paths, *, split="val", tail_classes=None, losses=None, trained="trained"):
    target = paths["queries"].parent / "test_metrics.json"
    evaluate_events(
        EventFiles(
            **paths, manifest=None, features={}, losses=losses, tail_classes=tail_classes or {}
        ),
        models={m: paths["classes"] for m in MODELS} if trained is None else {},
        provenance=Provenance(
            study={"study": "epic", "config_hash": "0123", "split": split},
            models={"asf": None, "omnivore": None},
            origins={"asf": "untrained", "omnivore": "untrained", "tim": trained or "given"},
        ),
        target=target,
    )
    return json.loads(target.read_text())


def right(predictions, model, head):
    """Whether each event is right, by annotation."""
    rows = predictions[(predictions["modality"] == model) & (predictions["head"] == head)]
    rows = rows.set_index("annotation_id")
    return (rows["predicted_class"] == rows["class_id"]).astype(bool), rows


def test_each_head_of_each_model_has_its_accuracies(study):
    paths, _, predictions = study
    metrics = evaluate(paths)["metrics"]
    assert set(metrics) == set(MODELS)
    for model, heads in MODELS.items():
        for head in heads:
            hits, rows = right(predictions, model, head)
            assert metrics[model][head]["top1"] == hits.mean()
            assert metrics[model][head]["items"] == len(rows) == 24
            by_class = hits.groupby(rows["class_id"]).mean()
            assert metrics[model][head]["mean_class_accuracy"] == pytest.approx(by_class.mean())
            for entry in metrics[model]["class_accuracy"][head]:
                assert entry["accuracy"] == by_class[entry["class_id"]]
                assert entry["label"] == CLASSES[HEADS[head]][entry["class_id"]]
            counts = np.array(metrics[model]["confusion"][head]["counts"])
            assert counts.sum() == 24 and np.trace(counts) == hits.sum()
    assert {"mAP", "AUC", "d_prime"} <= metrics["audio"]["audio"].keys()


def test_both_definitions_of_an_action_are_reported(study):
    paths, _, predictions = study
    metrics = evaluate(paths)["metrics"]
    for model in ("audio_visual", "visual"):
        verb, noun = (right(predictions, model, head)[0] for head in ("verb", "noun"))
        assert metrics[model]["verb_noun"]["top1"] == (verb & noun).mean()
        assert metrics[model]["action"]["top1"] == right(predictions, model, "action")[0].mean()
    assert "verb_noun" not in metrics["audio"]


def test_the_events_of_unseen_participants_are_reported(study):
    paths, _, predictions = study
    found = evaluate(paths)
    assert found["counts"]["unseen_participants"] == ["P18"]
    for head in ("verb", "noun", "action"):
        hits, rows = right(predictions, "visual", head)
        own = hits[rows["video_id"].str.startswith("P18_")]
        subset = found["metrics"]["visual"]["unseen_participants"][head]
        assert (subset["items"], subset["top1"]) == (len(own), own.mean())
    assert "unseen_participants" not in found["metrics"]["audio"]


def test_the_tail_is_counted_in_the_train_split(study):
    paths, queries, predictions = study
    train = queries[(queries["split"] == "train") & (queries["modality"] == "visual")]
    tail = {}
    for head, count in (("verb", 3), ("noun", 2)):
        sizes = train[f"{head}_class"].value_counts().reindex(range(count), fill_value=0)
        held = sizes.sort_values(kind="stable").cumsum()
        tail[head] = set(held.index[held <= len(train) / 5])
    assert any(tail.values())
    found = evaluate(paths)
    assert found["counts"]["tail_classes"] == {h: len(t) for h, t in tail.items()}
    truth = queries[queries["modality"] == "visual"].set_index("annotation_id")
    hits, _ = right(predictions, "visual", "action")
    is_tail = truth["verb_class"].isin(tail["verb"]) | truth["noun_class"].isin(tail["noun"])
    own = hits[is_tail[hits.index]]
    subset = found["metrics"]["visual"]["tail_classes"]["action"]
    assert (subset["items"], subset["top1"]) == (len(own), own.mean())


def test_an_official_list_of_tail_classes_takes_the_place_of_counting(study, tmp_path):
    paths, _, predictions = study
    for head in TAIL_LISTS:
        (tmp_path / TAIL_LISTS[head]).write_text(f"{head}\n1\n")
    found = evaluate(paths, tail_classes={h: tmp_path / n for h, n in TAIL_LISTS.items()})
    assert found["counts"]["tail_classes"] == {"verb": 1, "noun": 1}
    assert {"tail_verbs", "tail_nouns"} <= found["inputs"].keys()
    hits, rows = right(predictions, "visual", "verb")
    subset = found["metrics"]["visual"]["tail_classes"]["verb"]
    assert subset["top1"] == hits[rows["class_id"] == 1].mean()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("verb\n1\n97\n", "row 2: verb is 97, expected each number of 0 to 96 at most once"),
        ("verb\n4\n1\n4\n", "row 3: verb is 4"),
        ("verb\n1.5\n", "row 1"),
        ("noun\n1\n", "verb"),
    ],
)
def test_a_wrong_list_of_tail_classes_is_named(tmp_path, text, message):
    (tmp_path / "tail.csv").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_tail_classes(tmp_path / "tail.csv", "verb")
    assert str(error.value).startswith(str(tmp_path / "tail.csv"))


def test_without_train_labels_subsets_are_left_out_with_a_note(study):
    paths, queries, _ = study
    write_table(queries[queries["split"] != "train"], paths["queries"], QUERIES)
    found = evaluate(paths)
    assert "tail_classes" not in found["metrics"]["visual"]
    assert "unseen_participants" not in found["counts"]
    assert any("annotations of the train split" in note for note in found["notes"])


def test_events_without_verbs_have_no_subsets(tmp_path):
    classes = {"action_class": CLASSES["action_class"], "class_id": CLASSES["class_id"]}
    models = {"audio_visual": ("action", "audio")}
    paths, *_ = write_study(tmp_path, classes=classes, models=models)
    found = evaluate(paths)
    heads = {"action", "audio", "class_accuracy", "confusion"}
    assert found["metrics"]["audio_visual"].keys() == heads
    assert not any("tail" in note for note in found["notes"])


def test_events_that_could_not_be_evaluated_are_counted(study):
    paths, _, predictions = study
    kept = predictions[predictions["video_id"] != "P18_02"].copy()
    kept.loc[kept["annotation_id"] == "P01_11_3", ["class_id", "label"]] = None
    write_table(kept, paths["predictions"], PREDICTIONS)
    found = evaluate(paths)
    each = {"evaluated": 11, "without_class": 1, "without_features": 12}
    assert found["counts"]["events"] == {"visual": each, "audio": each}
    assert found["counts"]["videos_left_out"] == []
    assert found["metrics"]["visual"]["verb"]["items"] == 11


def test_a_label_space_that_no_model_predicts_is_not_counted(tmp_path):
    paths, *_ = write_study(tmp_path, models={"audio": ("audio",)})
    found = evaluate(paths)
    assert found["counts"]["events"].keys() == {"audio"}
    assert "unseen_participants" not in found["metrics"]["audio"]


def test_losses_and_views_stand_beside_the_accuracies(study, tmp_path):
    losses = {"audio": {"audio": {"loss": 1.5, "views": 70}}}
    (tmp_path / "losses.json").write_text(json.dumps(losses))
    metrics = evaluate(study[0], losses=tmp_path / "losses.json")["metrics"]
    assert metrics["audio"]["audio"]["loss"] == 1.5
    assert metrics["audio"]["audio"]["views"] == 70
    assert "loss" not in metrics["visual"]["verb"]


def test_that_the_reported_split_chose_the_epoch_is_noted(study):
    chosen = "The epoch whose weights are kept was chosen by the split that is reported, val"
    assert any(note.startswith(chosen) for note in evaluate(study[0])["notes"])
    given = evaluate(study[0], trained=None)
    assert not any(note.startswith(chosen) for note in given["notes"])
    assert given["models"]["tim"]["audio"]["weights"] == "given"


def test_a_head_that_predicts_one_class_is_called_that(study):
    paths, _, predictions = study
    is_verb = (predictions["head"] == "verb") & (predictions["modality"] == "visual")
    predictions.loc[is_verb, "predicted_class"] = 2
    write_table(predictions, paths["predictions"], PREDICTIONS)
    (note,) = [n for n in evaluate(paths)["notes"] if n.startswith("visual, verb: ")]
    assert "one class, 'wash', for all 24 val events" in note


def test_a_split_without_labels_is_refused(tmp_path):
    paths, *_ = write_study(tmp_path, split="test")
    with pytest.raises(DataError, match="no test video has features"):
        evaluate(paths, split="test")


def test_the_same_predictions_are_the_same_bytes(study):
    paths, _, predictions = study
    target = paths["queries"].parent / "test_metrics.json"
    evaluate(paths)
    first = target.read_bytes()
    evaluate(paths)
    assert target.read_bytes() == first
    assert pd.isna(predictions["class_id"]).sum() == 0


def test_a_run_ends_with_a_line_for_each_model_and_subset(study):
    lines = headline(evaluate(study[0]))
    assert lines[0].startswith("audio-visual: top-1 accuracy of actions ")
    assert "verb and noun" in lines[0] and "sounds" in lines[0]
    assert lines[1].startswith("audio-visual, unseen participants: ")
    assert lines[2].startswith("audio-visual, tail classes: ")
    assert any(line.startswith("visual: top-1 accuracy of actions ") for line in lines)
    assert any(line.startswith("audio: top-1 accuracy of sounds ") for line in lines)
