"""The public validation tables of EPIC-KITCHENS-100 and EPIC-SOUNDS through the evaluation."""

import json

import numpy as np
import pandas as pd
import pytest

from avlib.datasets import epic_kitchens, epic_sounds
from avlib.datasets.epic_kitchens import read_tail_classes
from avlib.evaluation.metrics_file import Provenance
from avlib.io.tables import write_parts, write_table
from avlib.tim.event_metrics import EventFiles, evaluate_events
from avlib.tim.event_scores import participant, tail_classes
from avlib.tim.tables import PREDICTIONS, QUERIES

UNSEEN = ("P18", "P32")  # participants of validation without a train video
HEADS = {"verb": "verb_class", "noun": "noun_class", "action": "action_class", "audio": "class_id"}


@pytest.fixture(scope="module")
def actions(shared_data):
    table = epic_kitchens.read_events(shared_data / "epic100/EPIC_100_validation.csv", "val")
    pairs = table[["verb_class", "noun_class"]]
    return table.assign(action_class=pairs.groupby(["verb_class", "noun_class"]).ngroup())


@pytest.fixture(scope="module")
def sounds(shared_data):
    return epic_sounds.read_events(shared_data / "epic_sounds/EPIC_Sounds_validation.csv", "val")


@pytest.fixture(scope="module")
def tail_files(shared_data):
    return {head: shared_data / f"epic100/EPIC_100_tail_{head}s.csv" for head in ("verb", "noun")}


def queries_of(events, modality):
    names = ("video_id", "split", "start_s", "stop_s")
    rows = events[list(names)].assign(annotation_id=events["event_id"], modality=modality)
    for head, column in HEADS.items():
        is_given = (head == "audio") == (modality == "audio")
        rows[column] = pd.array(events[column] if is_given else [None] * len(rows), dtype="Int64")
    return rows


def predictions_of(rng, events, head, count):
    """Random scores, of which the true class has somewhat more."""
    truth = events[HEADS[head]].to_numpy()
    probs = rng.random((len(events), count), dtype=np.float32)
    probs[np.arange(len(events)), truth] += rng.random(len(events)).astype(np.float32)
    predicted = probs.argmax(axis=1)
    return pd.DataFrame(
        {
            **{name: events[name] for name in ("video_id", "split", "start_s", "stop_s")},
            "annotation_id": events["event_id"],
            "modality": "audio_visual",
            "head": head,
            "class_id": pd.array(truth, dtype="Int64"),
            "label": truth.astype(str),
            "predicted_class": predicted,
            "predicted_label": predicted.astype(str),
            "probs": list(probs / probs.sum(axis=1, keepdims=True)),
        }
    )


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, actions, sounds, tail_files):
    folder, rng = tmp_path_factory.mktemp("epic"), np.random.default_rng(0)
    counts = {"verb": 97, "noun": 300, "action": actions["action_class"].max() + 1, "audio": 44}
    names = {HEADS[head]: list(map(str, range(count))) for head, count in counts.items()}
    (folder / "classes.json").write_text(json.dumps(names))
    is_seen = ~participant(actions["video_id"]).isin(UNSEEN)
    train = actions[is_seen].assign(split="train", event_id=lambda t: "train_" + t["event_id"])
    parts = [
        queries_of(train, "visual"),
        queries_of(actions, "visual"),
        queries_of(sounds, "audio"),
    ]
    queries = pd.concat(parts, ignore_index=True)
    write_table(queries.assign(query_id=range(len(queries))), folder / "q.parquet", QUERIES)
    tables = (
        predictions_of(rng, sounds if head == "audio" else actions, head, count)
        for head, count in counts.items()
    )
    write_parts(tables, folder / "p.parquet", PREDICTIONS)
    evaluate_events(
        EventFiles(
            predictions=folder / "p.parquet",
            queries=folder / "q.parquet",
            classes=folder / "classes.json",
            manifest=None,
            features={},
            tail_classes=tail_files,
        ),
        models={},
        provenance=Provenance(
            {"study": "epic", "config_hash": "0", "split": "val"}, {}, {"tim": "given"}
        ),
        target=folder / "test_metrics.json",
    )
    return json.loads((folder / "test_metrics.json").read_text())


def test_all_public_events_are_evaluated(evaluated):
    events = evaluated["counts"]["events"]
    assert (events["visual"]["evaluated"], events["audio"]["evaluated"]) == (9668, 8035)
    metrics = evaluated["metrics"]["audio_visual"]
    assert {h: metrics[h]["items"] for h in ("verb", "noun", "action")} == dict.fromkeys(
        ("verb", "noun", "action"), 9668
    )
    assert metrics["audio"]["items"] == 8035 and metrics["audio"]["classes"] == 44


def test_the_subsets_have_the_published_sizes(evaluated):
    assert evaluated["counts"]["unseen_participants"] == list(UNSEEN)
    assert evaluated["counts"]["tail_classes"] == {"verb": 86, "noun": 228}
    metrics = evaluated["metrics"]["audio_visual"]
    unseen = metrics["unseen_participants"]
    assert {found["items"] for found in unseen.values()} == {1065}
    sizes = {head: found["items"] for head, found in metrics["tail_classes"].items()}
    assert sizes == {"verb": 1760, "noun": 1900, "action": 3105, "verb_noun": 3105}


def test_a_fifth_of_the_events_is_about_what_the_official_tail_holds(actions, tail_files):
    """Its classes are those of the train split, so that validation gives nearly the same."""
    for head, count in (("verb", 97), ("noun", 300)):
        official = read_tail_classes(tail_files[head], head)
        labels = actions[HEADS[head]]
        assert labels.isin(official).mean() == pytest.approx(0.2, abs=0.02)
        counted = tail_classes(labels, count)
        assert len(set(counted) ^ set(official)) <= count / 10
