"""Stage evaluate_k600: accuracy of audio, visual and fused scores.

Source: the published soundtrack classification of Kinetics-600, whose figures are those of
`reference`; the others leave out soundtracks without scores, and their weight of the fusion is not
chosen on the videos that are reported.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.evaluation.baselines import single_class_notes
from avlib.evaluation.class_names import read_classes
from avlib.evaluation.metrics_file import (
    Provenance,
    origin_notes,
    weights_entries,
    write_metrics,
)
from avlib.io.json_files import read_json
from avlib.io.tables import read_table
from avlib.origins import Origin
from avlib.soundtracks.counts import MadeImages
from avlib.soundtracks.folds import Labels
from avlib.soundtracks.metrics import prediction_metrics, soundtrack_metrics
from avlib.soundtracks.score_files import FusionFiles, ScoreFiles, read_soundtracks
from avlib.soundtracks.tables import FUSED_ANSWERS

SPLIT = "test"
MODALITIES = ("audio", "video", "fusion")
ITEMS = "test videos"
TITLES = {"soundtrack": "The soundtrack network", "video": "Omnivore"}
TRAINED_SOUND = (
    "The soundtrack network was trained here on the study's train split; no weights are published."
)
GIVEN_VIDEO = (
    "The visual scores were given; which videos their network was trained on is not known."
)
WEIGHT_NOTES = {
    "other_half": "The weight of the fusion was chosen on each half of the evaluated videos for "
    "the other half.",
    "evaluation": "The weight of the fusion was chosen on the videos that it is reported on, as "
    "published; the fused numbers are higher than those of other videos would be.",
}


def evaluate_k600(
    labels: Labels,
    made: MadeImages,
    *,
    audio: ScoreFiles,
    fusion: FusionFiles,
    provenance: Provenance,
    target: Path,
) -> None:
    """Write the metrics file of the study.

    Args:
        labels: of the study's files.
        made: what became of the files.
        audio: scores of the soundtracks, rows of kind SOUNDTRACKS.
        fusion: files of `fuse_scores`; the path of the sweep is reported.
        provenance: its models are `soundtrack` and `video`, None where visual scores were given.
        target: JSON file to write; all but `audio` is of the videos that have both scores.

    Raises:
        DataError: if a table cannot be read, or scores and classes do not match.
    """
    names, report = read_classes(labels.classes), read_json(fusion.report)
    files, fused = labels.read(), read_table(fusion.predictions, FUSED_ANSWERS)
    test_ids = set(files["video_id"][files["split"] == SPLIT])
    notes = _notes(provenance.origins, report["scores"]["fused"]["weight_from"])
    write_metrics(
        target,
        {**provenance.study, "split": SPLIT},
        metrics={
            **_shares(report["scores"]),
            **_by_class(fused, names),
            "audio": _all_soundtracks(audio, len(names)),
            "fusion": _fusion(report, fusion.sweep),
        },
        counts=_counts(made, report, test_ids),
        models=weights_entries(provenance.models, provenance.origins),
        notes=[*notes, *single_class_notes({m: fused[m] for m in MODALITIES}, names, ITEMS)],
        inputs={**_inputs(labels, audio, fusion), **provenance.inputs},
    )


def _counts(
    made: MadeImages, report: Mapping[str, Any], test_ids: Collection[str]
) -> dict[str, Any]:
    counts = made.counts(test_ids, report["without_video"])
    return {"files": len(test_ids), "fusion": report["counts"], **counts}


def _inputs(labels: Labels, audio: ScoreFiles, fusion: FusionFiles) -> dict[str, Path]:
    """Return the files whose hashes are reported."""
    return {
        "labels": labels.labelled_files,
        "classes": labels.classes,
        "soundtrack_scores": audio.scores,
        "fusion": fusion.report,
        "answers": fusion.predictions,
        "sweep": fusion.sweep,
    }


def _all_soundtracks(audio: ScoreFiles, num_classes: int) -> dict[str, Any]:
    """Return the metrics of all soundtracks of the test split, as `soundtrack_metrics`."""
    found = read_soundtracks(audio, num_classes)
    tested = found.part((found.rows["split"] == SPLIT).to_numpy())
    clips = tested.rows["clips"].to_numpy()
    return soundtrack_metrics(tested.scores.scores, tested.rows["class_id"], clips)


def _shares(scores: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return top-1 and top-5 by modality, all of the same videos."""
    found = {"audio": scores["audio"], "video": scores["video"], "fusion": scores["fused"]}
    return {k: {name: values[k] for name, values in found.items()} for k in ("top1", "top5")}


def _by_class(predictions: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Return the accuracies of the classes, and the confusion matrix of the fusion."""
    found = {
        name: prediction_metrics(predictions[name], predictions["class_id"], len(names))
        for name in MODALITIES
    }
    return {
        **{
            key: {n: values[key] for n, values in found.items()}
            for key in ("mean_class_accuracy", "majority_share")
        },
        "class_accuracy": {
            name: dict(zip(names, values["per_class"], strict=True))
            for name, values in found.items()
        },
        # Only one matrix: for the classes of Kinetics it has 360,000 numbers.
        "confusion": {"classes": list(names), "fusion": found["fusion"]["confusion"]},
    }


def _fusion(report: Mapping[str, Any], sweep: Path) -> dict[str, Any]:
    """Return the weight, what it was chosen on, the other fusions, and the file of the sweep."""
    fused = report["scores"]["fused"]
    return {
        "weight": fused["weight"],
        "weight_from": fused["weight_from"],
        "probabilities": report["probabilities"]["fused"],
        "reference": report["reference"],
        "sweep": str(sweep),
    }


def _notes(origins: Mapping[str, Origin], weight_from: str) -> list[str]:
    """Return what a reader must know before comparing the numbers with others."""
    notes = origin_notes(origins, TITLES)
    if origins["soundtrack"] == "trained":
        notes["soundtrack"] = TRAINED_SOUND
    if origins["video"] == "given":
        notes["video"] = GIVEN_VIDEO
    if weight_from in WEIGHT_NOTES:
        notes["weight"] = WEIGHT_NOTES[weight_from]
    return list(notes.values())
