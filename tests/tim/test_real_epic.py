"""The public annotations of EPIC-KITCHENS-100 and EPIC-SOUNDS, from their files to metrics.

Counts are those that the authors' program finds in the same files.
"""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from avlib.datasets.events import make_events
from avlib.datasets.tables import EVENTS
from avlib.evaluation.metrics_file import Provenance
from avlib.extractors.intervals import interval_table
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.json_files import read_json
from avlib.io.tables import read_table, write_table
from avlib.tim.checkpoint import new_tim
from avlib.tim.event_metrics import EventFiles, evaluate_events
from avlib.tim.plan import make_windows
from avlib.tim.prediction import PredictionFiles, predict_tim
from avlib.tim.queries import make_queries
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.splits import read_split
from avlib.tim.tables import QUERIES, VIDEOS, read_head_classes
from avlib.tim.weights import model_arguments, save_model
from avlib.tim.windows import WindowIndex

WIDTHS = {"visual": 3, "audio": 2}
PAIRS = 3806  # of verb and noun, of which the validation split has 1352


@pytest.fixture(scope="module")
def files(shared_data, tmp_path_factory):
    """Official files; the list of action classes holds the pairs of validation and any others."""
    folder, kitchens = tmp_path_factory.mktemp("classes"), shared_data / "epic100"
    columns = ["verb_class", "noun_class"]
    found = pd.read_csv(kitchens / "EPIC_100_validation.csv")[columns]
    others = pd.DataFrame([(verb, noun) for verb in range(97) for noun in range(300)])
    listed = pd.concat([found, others.set_axis(columns, axis=1)]).drop_duplicates()[:PAIRS]
    listed.sort_values(columns).to_csv(folder / "actions.csv", index=False)
    return {
        "actions.val": kitchens / "EPIC_100_validation.csv",
        "sounds.val": shared_data / "epic_sounds/EPIC_Sounds_validation.pkl",
        "sounds.test": shared_data / "epic_sounds/EPIC_Sounds_recognition_test_timestamps.csv",
        "video_info": kitchens / "EPIC_100_video_info.csv",
        "verb_classes": kitchens / "EPIC_100_verb_classes.csv",
        "noun_classes": kitchens / "EPIC_100_noun_classes.csv",
        "action_classes": folder / "actions.csv",
    }


@pytest.fixture(scope="module")
def study(files, tmp_path_factory):
    """The tables of the study and the windows of both splits, in one folder."""
    folder = tmp_path_factory.mktemp("epic")
    make_events("epic", files, folder / "events.parquet", folder / "classes.json")
    make_queries("epic", files, folder / "queries.parquet", folder / "videos.parquet")
    videos = read_table(folder / "videos.parquet", VIDEOS)
    for split, rows in videos.groupby("split"):
        intervals = interval_table(rows.assign(frames=np.nan, fps=np.nan))
        write_table(intervals, folder / f"{split}.parquet", INTERVALS)
        whole = {c.name: "" if str(c.type) == "string" else 1 for c in FEATURES.columns}
        index = pd.DataFrame(whole | {"split": split, "status": "ok"}, index=rows.index)
        index = index.assign(video_id=rows["video_id"])
        write_table(index, folder / f"{split}_features.parquet", FEATURES)
        make_windows(
            queries=folder / "queries.parquet",
            videos=folder / "videos.parquet",
            intervals=folder / f"{split}.parquet",
            indices=[folder / f"{split}_features.parquet"],
            split=split,
            recipe="epic",
            target=folder / f"{split}.npz",
        )
    return folder


def test_the_windows_are_as_many_as_published(study):
    assert len(read_table(study / "val.parquet", INTERVALS)) == 236_985
    assert WindowIndex.load(study / "val.npz").counts() == {
        "windows": 43_608,
        "videos": 138,
        "queries": 17_703,
        "visual_views": 291_416,
        "audio_views": 254_892,
        "largest_visual_queries": 26,
        "largest_audio_queries": 28,
    }


def test_the_events_have_the_published_classes(study):
    names = read_json(study / "classes.json")
    assert {column: len(classes) for column, classes in names.items()} == {
        "verb_class": 97,
        "noun_class": 300,
        "action_class": 3806,
        "class_id": 44,
    }
    events = read_table(study / "events.parquet", EVENTS)
    counts = events.groupby(["split", "modality"])["video_id"].agg(["size", "nunique"])
    assert counts.loc["val"].to_numpy().tolist() == [[8035, 137], [9668, 138]]
    assert events["class_id"].nunique() == 44 and events["action_class"].nunique() == 1352
    first = events[events["modality"] == "visual"].iloc[1]
    # The narration says "put-down", of which the class is "put".
    assert (first["event_id"], first["label"]) == ("P01_11_1", "put plate")
    actions = events[events["modality"] == "visual"]
    assert (
        actions["label"] == [names["action_class"][int(k)] for k in actions["action_class"]]
    ).all()


def test_the_test_split_has_no_classes_but_windows(study):
    queries = read_table(study / "queries.parquet", QUERIES).query("split == 'test'")
    assert len(queries) == 5131 and queries["class_id"].isna().all()
    assert WindowIndex.load(study / "test.npz").counts()["queries"] == 5131


@pytest.mark.slow
def test_random_features_are_recognised_by_chance(study):
    """Every window goes through a network, and every event is scored."""
    rng = np.random.default_rng(0)
    intervals = read_table(study / "val.parquet", INTERVALS)
    for video_id, n_rows in intervals["video_id"].value_counts().items():
        for modality, width in WIDTHS.items():
            (study / modality / "val").mkdir(parents=True, exist_ok=True)
            features = rng.standard_normal((n_rows, 1, width), dtype=np.float32)
            np.save(study / modality / "val" / f"{video_id}.npy", features)
    files = PredictionFiles(
        queries=study / "queries.parquet",
        windows={"val": study / "val.npz"},
        intervals={"val": study / "val.parquet"},
        visual=[study / "visual"],
        audio=[study / "audio"],
        classes=study / "classes.json",
        models={"audio_visual": study / "model.safetensors"},
        table=study / "predictions.parquet",
        published=study / "predictions.pkl",
        losses=study / "losses.json",
    )
    recipe = replace(TIM_RECIPES["epic"], d_model=8, nhead=2, num_layers=1, feedforward_scale=1)
    names = read_head_classes(files.classes)
    arguments = model_arguments(recipe, names, read_split("val", files, recipe, names))
    weights = new_tim(0, **arguments).state_dict()
    save_model(files.models["audio_visual"], weights, recipe, arguments, names)
    predict_tim(files, recipe="epic", split="val", device="cpu")
    evaluate_events(
        EventFiles(
            predictions=files.table,
            queries=files.queries,
            classes=files.classes,
            manifest=None,
            features={},
            losses=files.losses,
        ),
        models=files.models,
        provenance=Provenance(
            {"study": "epic", "config_hash": "0", "split": "val"}, {}, {"tim": "untrained"}
        ),
        target=study / "test_metrics.json",
    )
    found = json.loads((study / "test_metrics.json").read_text())["metrics"]["audio_visual"]
    items = {head: found[head]["items"] for head in ("verb", "noun", "action", "audio")}
    assert items == {"verb": 9668, "noun": 9668, "action": 9668, "audio": 8035}
    assert found["action"]["top1"] < 0.05
    views = {h: v["views"] for h, v in read_json(files.losses)["audio_visual"].items()}
    assert views["action"] == 291_416 and views["audio"] == 254_892
