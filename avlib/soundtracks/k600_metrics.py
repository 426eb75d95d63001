"""Stage evaluate_k600: accuracy of audio, visual and fused scores.

Source: the published soundtrack classification of Kinetics-600, whose figures are those of
`reference`; the others leave out soundtracks without scores, and their weight of the fusion is not
chosen on the videos that are reported.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.evaluation.baselines import single_class_notes
from avlib.evaluation.class_names import read_classes
from avlib.evaluation.metrics_file import origin_notes, weights_entry, write_metrics
from avlib.io.tables import read_table
from avlib.origins import Origin
from avlib.soundtracks.counts import file_counts
from avlib.soundtracks.metrics import prediction_metrics, soundtrack_metrics
from avlib.soundtracks.score_files import read_soundtracks
from avlib.soundtracks.tables import FUSED_ANSWERS, LABELLED_FILES

SPLIT = "test"
MODALITIES = ("audio", "video", "fusion")
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
    *,
    study: Mapping[str, str],
    labelled_files: Path,
    classes: Path,
    manifests: Sequence[Path],
    indices: Sequence[Path],
    soundtrack_scores: Path,
    soundtracks: Path,
    fusion: Path,
    predictions: Path,
    sweep: Path,
    models: Mapping[str, Path | None],
    origins: Mapping[str, Origin],
    inputs: Mapping[str, Path],
    target: Path,
) -> None:
    """Write the metrics file of the study.

    `top1`, `top5` and figures of classes are of the videos that have both scores; `audio` is of
    all soundtracks.

    Args:
        study: fields that begin the file: `study` and `config_hash`.
        labelled_files: table of kind LABELLED_FILES.
        classes: JSON with the names of the classes, as `class_id`.
        manifests: tables of kind MANIFEST.
        indices: tables of kind AUDIO_IMAGES.
        soundtrack_scores: `.npy` file of the soundtracks.
        soundtracks: its table, of kind SOUNDTRACKS.
        fusion: report of `fuse_scores`.
        predictions: its table, of kind FUSED_ANSWERS.
        sweep: its CSV file, whose path is reported.
        models: weights of `soundtrack` and `video`; None where the visual scores were given.
        origins: how each of them was made.
        inputs: further files whose hashes are reported, by name.
        target: JSON file to write.

    Raises:
        DataError: if a table cannot be read, or scores and classes do not match.
    """
    names, report = read_classes(classes), json.loads(fusion.read_text("ascii"))
    files = read_table(labelled_files, LABELLED_FILES)
    fused = read_table(predictions, FUSED_ANSWERS)
    test_ids = set(files["video_id"][files["split"] == SPLIT])
    counts = {
        "files": len(test_ids),
        "fusion": report["counts"],
        **file_counts(manifests, indices, test_ids, report["without_video"]),
    }
    write_metrics(
        target,
        {**study, "split": SPLIT},
        metrics={
            **_shares(report["scores"]),
            **_by_class(fused, names),
            "audio": _all_soundtracks(soundtrack_scores, soundtracks, len(names)),
            "fusion": _fusion(report) | {"sweep": str(sweep)},
        },
        counts=counts,
        models={name: weights_entry(path, origins[name]) for name, path in models.items()},
        notes=[
            *_notes(origins, report["scores"]["fused"]["weight_from"]),
            *single_class_notes({name: fused[name] for name in MODALITIES}, names, "test videos"),
        ],
        inputs={
            "labels": labelled_files,
            "classes": classes,
            "soundtrack_scores": soundtrack_scores,
            "fusion": fusion,
            "answers": predictions,
            "sweep": sweep,
            **inputs,
        },
    )


def _all_soundtracks(scores: Path, table: Path, num_classes: int) -> dict[str, Any]:
    """Return the metrics of all soundtracks of the test split, as `soundtrack_metrics`."""
    found = read_soundtracks(scores, table, num_classes)
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


def _fusion(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weight, what it was chosen on, and the other fusions."""
    fused = report["scores"]["fused"]
    return {
        "weight": fused["weight"],
        "weight_from": fused["weight_from"],
        "probabilities": report["probabilities"]["fused"],
        "reference": report["reference"],
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
