"""A study of annotated events with predictions made up: tables of two participants and more."""

import json

import numpy as np
import pandas as pd

from avlib.io.tables import write_table
from avlib.tim.tables import PREDICTIONS, QUERIES

VERBS, NOUNS, SOUNDS = ["take", "put", "wash"], ["cup", "wooden spoon"], ["clatter", "tap", "beep"]
PAIRS = [(v, n) for v in range(3) for n in range(2)]
CLASSES = {
    "verb_class": VERBS,
    "noun_class": NOUNS,
    "action_class": [f"{VERBS[v]} {NOUNS[n]}" for v, n in PAIRS],
    "class_id": SOUNDS,
}
HEADS = {"verb": "verb_class", "noun": "noun_class", "action": "action_class", "audio": "class_id"}
MODELS = {
    "audio_visual": tuple(HEADS),
    "audio": ("audio",),
    "visual": ("verb", "noun", "action"),
}
VIDEOS = {"P01_01": "train", "P02_01": "train", "P01_11": "val", "P18_02": "val", "P02_03": "test"}


def make_queries(rng, videos=VIDEOS, n_events=12):
    """Queries of all videos, those of test without classes; visual ones first."""
    rows = []
    for modality in ("visual", "audio"):
        for video_id, split in videos.items():
            starts = np.sort(rng.uniform(0, 90, n_events)).round(2)
            for number, start_s in enumerate(starts):
                pair = min(int(rng.geometric(0.4)) - 1, len(PAIRS) - 1)
                values = (*PAIRS[pair], pair, None)
                if modality == "audio":
                    values = (None, None, None, int(rng.integers(len(SOUNDS))))
                if split == "test":
                    values = (None,) * 4
                rows.append(
                    {
                        "query_id": len(rows),
                        "annotation_id": f"{video_id}_{number}",
                        "modality": modality,
                        "video_id": video_id,
                        "split": split,
                        "start_s": start_s,
                        "stop_s": start_s + float(rng.uniform(0.5, 9).__round__(2)),
                        **dict(zip(HEADS.values(), values, strict=True)),
                    }
                )
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(HEADS.values(), "Int64"))


def make_predictions(rng, queries, split, models=MODELS, skill=0.5):
    """A row for each query and head; the true class gets some more of the probability."""
    parts = []
    for model, heads in models.items():
        for head in heads:
            column, space = HEADS[head], "audio" if head == "audio" else "visual"
            rows = queries[(queries["split"] == split) & (queries["modality"] == space)]
            names = np.array(CLASSES[column], dtype=object)
            probs = rng.dirichlet(np.ones(len(names)), len(rows))
            known = rows[column].notna().to_numpy()
            probs[known, rows[column][known].astype(int)] += skill
            probs = (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
            kept = rows[["annotation_id", "video_id", "split", "start_s", "stop_s"]]
            predicted = probs.argmax(axis=1)
            parts.append(
                kept.assign(
                    modality=model,
                    head=head,
                    class_id=rows[column],
                    label=[None if pd.isna(k) else names[k] for k in rows[column]],
                    predicted_class=predicted,
                    predicted_label=names[predicted],
                    probs=list(probs),
                )
            )
    return pd.concat(parts, ignore_index=True)


def write_study(folder, *, split="val", seed=0, classes=CLASSES, **options):
    """Write queries, predictions and classes; return the paths and both tables."""
    rng = np.random.default_rng(seed)
    queries = make_queries(rng)
    predictions = make_predictions(rng, queries, split, **options)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(queries, folder / "queries.parquet", QUERIES)
    write_table(predictions, folder / "predictions.parquet", PREDICTIONS)
    (folder / "classes.json").write_text(json.dumps(classes))
    paths = {
        "queries": folder / "queries.parquet",
        "predictions": folder / "predictions.parquet",
        "classes": folder / "classes.json",
    }
    return paths, queries, predictions
