"""Stage evaluate_k600: how many videos are right by ear, by eye and by the fusion of both.

Source: the published soundtrack classification of Kinetics-600, whose figures are those of
`reference`; the others leave out soundtracks without scores and do not choose on what they report.
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
from avlib.soundtracks.fusion_metrics import soundtrack_metrics
from avlib.soundtracks.metrics import answer_metrics
from avlib.soundtracks.score_files import read_soundtracks
from avlib.soundtracks.tables import FUSED_ANSWERS, LABELLED_FILES

SPLIT = "test"
MODALITIES = ("audio", "video", "fusion")
TITLES = {"soundtrack": "The soundtrack network", "video": "Omnivore"}
TRAINED_SOUND = (
    "The soundtrack network was trained here on the study's train split; no weights are published."
)
GIVEN_VIDEO = "The scores by eye were given; which videos their network has learned is not known."
WEIGHT_NOTES = {
    "other_half": "The weight of the fusion was chosen on each half of the evaluated videos for "
    "the other half.",
    "evaluation": "The weight of the fusion was chosen on the videos that it is reported on, as "
    "published; the fused numbers are higher than those of other videos would be.",
}


def evaluate_k600(
    *,
    study: Mapping[str, str],
    labels: Path,
    classes: Path,
    manifests: Sequence[Path],
    indices: Sequence[Path],
    soundtrack_scores: Path,
    soundtracks: Path,
    fusion: Path,
    answers: Path,
    sweep: Path,
    models: Mapping[str, Path | None],
    origins: Mapping[str, Origin],
    inputs: Mapping[str, Path],
    target: Path,
) -> None:
    """Write the metrics file of the study.

    `top1`, `top5` and what follows from them are of the videos that have both scores; `audio` is
    of all soundtracks.

    Args:
        study: fields that begin the file: `study` and `config_hash`.
        labels: table of kind LABELLED_FILES.
        classes: JSON with the names of the classes, as `class_id`.
        manifests: tables of kind MANIFEST.
        indices: tables of kind AUDIO_IMAGES.
        soundtrack_scores: `.npy` file of the soundtracks.
        soundtracks: its table, of kind SOUNDTRACKS.
        fusion: report of `fuse_study`.
        answers: its table, of kind FUSED_ANSWERS.
        sweep: its CSV file, whose path is noted.
        models: weights of `soundtrack` and `video`; None where the scores by eye were given.
        origins: how each of them was made.
        inputs: further files whose hashes are noted, by name.
        target: JSON file to write.

    Raises:
        DataError: if a table cannot be read, or scores and classes do not go together.
    """
    names, report = read_classes(classes), json.loads(fusion.read_text("ascii"))
    files, fused = read_table(labels, LABELLED_FILES), read_table(answers, FUSED_ANSWERS)
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
            "audio": _by_ear(soundtrack_scores, soundtracks, len(names)),
            "fusion": _fusion(report) | {"sweep": str(sweep)},
        },
        counts=counts,
        models={name: weights_entry(path, origins[name]) for name, path in models.items()},
        notes=[
            *_notes(origins, report["scores"]["fused"]["weight_from"]),
            *single_class_notes({name: fused[name] for name in MODALITIES}, names, "test videos"),
        ],
        inputs={
            **{"labels": labels, "classes": classes, "soundtrack_scores": soundtrack_scores},
            **{"fusion": fusion, "answers": answers, "sweep": sweep},
            **inputs,
        },
    )


def _by_ear(scores: Path, table: Path, num_classes: int) -> dict[str, Any]:
    """Return how many of all soundtracks are right, in both countings."""
    found = read_soundtracks(scores, table, num_classes)
    tested = found.part((found.rows["split"] == SPLIT).to_numpy())
    clips = tested.rows["clips"].to_numpy()
    return soundtrack_metrics(tested.scores.scores, tested.rows["class_id"], clips)


def _shares(scores: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return top-1 and top-5 by what answers, all of the same videos."""
    found = {"audio": scores["audio"], "video": scores["video"], "fusion": scores["fused"]}
    return {k: {name: values[k] for name, values in found.items()} for k in ("top1", "top5")}


def _by_class(answers: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Return the accuracies of the classes, and what the fusion takes for what."""
    found = {
        name: answer_metrics(answers[name], answers["class_id"], len(names)) for name in MODALITIES
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
        # Of one only: a matrix of the classes of Kinetics has 360,000 numbers.
        "confusion": {"classes": list(names), "fusion": found["fusion"]["confusion"]},
    }


def _fusion(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weight and where it comes from, and the fusions beside the one reported."""
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
