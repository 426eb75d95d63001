"""Stage evaluate_ave: the accuracy of one-second segments of AVE's test videos.

Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018, section
6: the share of segments with the right class, background included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.errors import DataError
from avlib.evaluation.baselines import single_class_notes
from avlib.evaluation.metrics_file import (
    origin_notes,
    videos_left_out,
    weights_entry,
    write_metrics,
)
from avlib.extractors.tables import FEATURES
from avlib.io.tables import read_table
from avlib.media.manifest import count_statuses
from avlib.media.tables import MANIFEST
from avlib.origins import Origin
from avlib.tim.recipes import Modality
from avlib.tim.scores import segment_metrics
from avlib.tim.tables import PREDICTIONS, QUERIES, read_head_classes

TEST = "test"
# The head whose predictions count, by the input modality of the model.
DECISIVE = {"audio_visual": "combined", "audio": "audio", "visual": "action"}
TITLES = {
    "asf": "Auditory SlowFast",
    "omnivore": "Omnivore",
    "vgg19": "VGG-19",
    "vggish": "VGGish",
    "tim": "TIM",
}
TRAINED_TIM = "TIM was trained here on the study's train split, as in the paper."


@dataclass(frozen=True, kw_only=True)
class EvaluatedFiles:
    """What is evaluated.

    Attributes:
        predictions: table of kind PREDICTIONS, of the test split.
        queries: table of kind QUERIES.
        classes: JSON with the names of the classes.
        manifest: table of kind MANIFEST; None where features came without videos.
        features: tables of kind FEATURES by the networks that made them.
    """

    predictions: Path
    queries: Path
    classes: Path
    manifest: Path | None
    features: Mapping[str, Path]


def evaluate_ave(
    files: EvaluatedFiles,
    *,
    study: Mapping[str, str],
    models: Mapping[Modality, Path],
    backbones: Mapping[str, Path | None],
    origins: Mapping[str, Origin],
    inputs: Mapping[str, Path],
    target: Path,
) -> None:
    """Write the metrics file of the study.

    Args:
        files: predictions and what they are of.
        study: fields that begin the file: `study` and `config_hash`.
        models: weights of TIM by the input modality of the model.
        backbones: weights of the networks that made the features, by their names; None for random
            ones, or where the features came without them.
        origins: how the weights of each backbone, and of `tim`, were made.
        inputs: further files whose hashes are written, by name.
        target: JSON file to write.

    Raises:
        DataError: if no segment of the test split has a prediction.
    """
    names = read_head_classes(files.classes)["action"]
    table = read_table(files.predictions, PREDICTIONS)
    found = {
        (m, head): rows.sort_values("annotation_id")
        for (m, head), rows in table[table["split"] == TEST].groupby(["modality", "head"])
    }
    if not found:
        raise DataError(f"{files.predictions}: no predictions; no test video has features")
    metrics = {key: _metrics(rows) for key, rows in found.items()}
    predicted = {m: found[key]["predicted_class"] for m, key in _decisive(found).items()}
    write_metrics(
        target,
        study,
        metrics=_report(metrics, names),
        counts=_counts(table, read_table(files.queries, QUERIES))
        | _videos(files.manifest, files.features),
        models={
            "tim": {m: weights_entry(path, origins["tim"]) for m, path in models.items()},
            **{name: weights_entry(path, origins[name]) for name, path in backbones.items()},
        },
        notes=[*_notes(origins), *single_class_notes(predicted, names, "test segments")],
        inputs={
            **{name: getattr(files, name) for name in ("predictions", "queries", "classes")},
            **inputs,
            **({} if files.manifest is None else {"manifest": files.manifest}),
        },
    )


def _metrics(rows: pd.DataFrame) -> dict[str, Any]:
    return segment_metrics(np.stack(rows["probs"].to_list()), rows["class_id"].to_numpy())


def _decisive(found: Mapping[tuple[str, str], Any]) -> dict[str, tuple[str, str]]:
    """Return modality and head of the predictions that count, by modality."""
    return {m: (m, head) for m, head in DECISIVE.items() if (m, head) in found}


def _report(metrics: Mapping[tuple[str, str], Mapping[str, Any]], names: list[str]) -> Any:
    """Return the metrics of each model by its modality, and those of the joint model's heads."""
    decisive = {m: metrics[key] for m, key in _decisive(metrics).items()}
    heads = {"action": "visual_head", "audio": "audio_head", "combined": "combined"}
    per_class = {
        m: dict(zip(names, found["per_class"], strict=True)) for m, found in decisive.items()
    }
    return {
        "segment_accuracy": {m: found["accuracy"] for m, found in decisive.items()},
        "segment_accuracy_top5": {m: found["top5"] for m, found in decisive.items()},
        "mean_class_accuracy": {
            m: float(np.mean([a for a in accuracies.values() if a is not None]))
            for m, accuracies in per_class.items()
        },
        "majority_share": {m: found["majority_share"] for m, found in decisive.items()},
        "joint_model": {
            title: metrics["audio_visual", head]["accuracy"]
            for head, title in heads.items()
            if ("audio_visual", head) in metrics
        },
        "class_accuracy": per_class,
        "confusion": {
            "classes": names,
            **{m: found["confusion"] for m, found in decisive.items()},
        },
    }


def _counts(predictions: pd.DataFrame, queries: pd.DataFrame) -> dict[str, int]:
    """Return how many segments there are; each is a query in both label spaces."""
    segments = queries[(queries["split"] == TEST) & (queries["modality"] == "visual")]
    has_features = segments["annotation_id"].isin(predictions["annotation_id"])
    return {
        "segments_evaluated": int(has_features.sum()),
        "segments_without_features": int((~has_features).sum()),
    }


def _videos(manifest: Path | None, features: Mapping[str, Path]) -> dict[str, Any]:
    """Return how many videos have which status, and which are left out, by what and why.

    A video with status ok in the manifest may still have no features: an audio stream is enough
    for the manifest, but not for a visual network.
    """
    indices = {name: read_table(path, FEATURES) for name, path in features.items()}
    counts: dict[str, Any] = {"features": {n: count_statuses(rows) for n, rows in indices.items()}}
    found = {TITLES[name]: rows for name, rows in indices.items()}
    if manifest is not None:
        rows = read_table(manifest, MANIFEST)
        counts["videos"] = count_statuses(rows)
        counts["test_videos"] = count_statuses(rows[rows["split"] == TEST])
        found = {"probe": rows, **found}
    return counts | {"videos_left_out": videos_left_out(found)}


def _notes(origins: Mapping[str, Origin]) -> list[str]:
    """Return what a reader must know before comparing the numbers with others."""
    notes = origin_notes(origins, TITLES)
    if origins["tim"] == "trained":
        notes["tim"] = TRAINED_TIM
    return list(notes.values())
