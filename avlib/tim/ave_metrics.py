"""Stage evaluate_ave: the accuracy of one-second segments of AVE's test videos.

Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018, section
6: the share of segments with the right class, background included.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.errors import DataError
from avlib.evaluation.baselines import single_class_notes
from avlib.evaluation.metrics_file import Provenance, write_metrics
from avlib.io.tables import read_table
from avlib.tim.evaluated_files import EvaluatedFiles, model_entries, weights_notes
from avlib.tim.scores import segment_metrics
from avlib.tim.tables import PREDICTIONS, QUERIES, read_head_classes

TEST = "test"
# The head whose predictions count, by model.
DECISIVE = {
    "audio_visual": "combined",
    "audio": "audio",
    "visual": "action",
    "actions": "action",
    "sounds": "audio",
}


def evaluate_ave(
    files: EvaluatedFiles, *, models: Mapping[str, Path], provenance: Provenance, target: Path
) -> None:
    """Write the metrics file of the study.

    Args:
        files: predictions and what they are of.
        models: weights of TIM by the input modality of the model.
        provenance: its models are the networks that made the features, None for random weights, or
            where the features came without them; its origins are theirs and that of `tim`.
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
        provenance.study,
        metrics=_report(metrics, names),
        counts=_counts(table, read_table(files.queries, QUERIES)) | files.video_counts(TEST),
        models=model_entries(models, provenance),
        notes=[
            *weights_notes(provenance.origins),
            *single_class_notes(predicted, names, "test segments"),
        ],
        inputs=files.inputs(provenance.inputs),
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
