"""Stage evaluate_sounds: accuracy on labelled sounds, of a test split or over folds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.errors import DataError
from avlib.evaluation.baselines import single_class_notes
from avlib.evaluation.class_names import read_classes
from avlib.evaluation.metrics_file import Provenance, weights_entry, write_metrics
from avlib.io.tables import read_table
from avlib.origins import Origin
from avlib.soundtracks.counts import MadeImages
from avlib.soundtracks.folds import ALL, Labels, fold_names, splits_of_fold
from avlib.soundtracks.image_packs import PADDED
from avlib.soundtracks.metrics import over_folds, sound_metrics
from avlib.soundtracks.score_files import ScoreFiles, ScoreTable, read_soundtracks
from avlib.soundtracks.tables import AUDIO_IMAGES

SPLIT = "test"
TRAINED = "The soundtrack network was trained here, on files that are not evaluated."


def evaluate_sounds(
    labels: Labels,
    made: MadeImages,
    *,
    scores: Mapping[str, ScoreFiles],
    provenance: Provenance,
    target: Path,
) -> None:
    """Write the metrics file of a study of labelled sounds.

    A file without sound is not counted in any accuracy, but is listed.

    Args:
        labels: of the study's files.
        made: what became of the files.
        scores: of the soundtracks, rows of kind SOUNDTRACKS, by fold, or of ALL.
        provenance: its models are the weights that made the scores, by fold.
        target: JSON file to write; `accuracy` is the mean over folds, other figures are of all
            files together.

    Raises:
        DataError: if the folds are not those of the files, or a fold has no scores.
    """
    names, files = read_classes(labels.classes), labels.read()
    folds = _folds(files, scores, labels.labelled_files)
    parts = {fold: _tested(scores[fold], len(names)) for fold in folds}
    test_ids = {v for fold in folds for v in _test_ids(splits_of_fold(files, fold))}
    metrics = _report(_metrics(list(parts.values())), names)
    if folds != [ALL]:
        metrics = _with_folds(metrics, {fold: _metrics([part]) for fold, part in parts.items()})
    origin = provenance.origins["soundtrack"]
    write_metrics(
        target,
        {**provenance.study, "split": SPLIT},
        metrics=metrics,
        counts=_counts(parts, made, test_ids) | made.counts(test_ids),
        models={"soundtrack": {f: weights_entry(p, origin) for f, p in provenance.models.items()}},
        notes=_notes(origin, parts, names),
        inputs={**_inputs(labels, scores), **provenance.inputs},
    )


def _counts(
    parts: Mapping[str, ScoreTable], made: MadeImages, test_ids: set[str]
) -> dict[str, int]:
    evaluated = sum(len(part.rows) for part in parts.values())
    return {
        "files": len(test_ids),
        "soundtracks_evaluated": evaluated,
        "soundtracks_padded": sum(_padded(path, test_ids) for path in made.indices),
        "files_without_sound": len(test_ids) - evaluated,
    }


def _notes(origin: Origin, parts: Mapping[str, ScoreTable], names: Sequence[str]) -> list[str]:
    notes = [TRAINED] if origin == "trained" else []
    return notes + single_class_notes(_predicted(parts), names, "test files")


def _inputs(labels: Labels, scores: Mapping[str, ScoreFiles]) -> dict[str, Path]:
    """Return the files whose hashes are reported."""
    of_folds = {f"scores_{fold}": files.scores for fold, files in scores.items()}
    return {"labels": labels.labelled_files, "classes": labels.classes, **of_folds}


def _folds(files: pd.DataFrame, scores: Mapping[str, ScoreFiles], source: Path) -> list[str]:
    """Return the folds of files after checking that there are scores of each."""
    folds = fold_names(files)
    if set(folds) != set(scores):
        raise DataError(
            f"{source}: has the folds {', '.join(folds)}, but there are scores of "
            f"{', '.join(sorted(scores)) or 'none'}; score every fold"
        )
    return folds


def _predicted(parts: Mapping[str, ScoreTable]) -> dict[str, Any]:
    """Return the predicted classes of each fold by its title."""
    return {
        "audio" if fold == ALL else f"audio, fold {fold}": part.scores.scores.argmax(axis=1)
        for fold, part in parts.items()
    }


def _test_ids(files: pd.DataFrame) -> list[str]:
    return files["video_id"][files["split"] == SPLIT].tolist()


def _padded(index: Path, test_ids: set[str]) -> int:
    """Return how many of the files are shorter than a clip."""
    rows = read_table(index, AUDIO_IMAGES)
    return int((rows["video_id"].isin(test_ids) & (rows["message"] == PADDED)).sum())


def _tested(scores: ScoreFiles, num_classes: int) -> ScoreTable:
    """Return the scores of the test split of a fold."""
    found = read_soundtracks(scores, num_classes)
    tested = found.part((found.rows["split"] == SPLIT).to_numpy())
    if not len(tested.rows):
        raise DataError(f"{scores.rows}: no soundtrack of split {SPLIT}")
    return tested


def _metrics(parts: Sequence[ScoreTable]) -> dict[str, Any]:
    """Return the metrics of soundtracks of one or more folds."""
    rows = pd.concat([part.rows for part in parts])
    scores = np.concatenate([part.scores.scores for part in parts])
    return sound_metrics(scores, rows["class_id"].to_numpy())


def _report(found: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return metrics with the names of the classes."""
    plain = {n: v for n, v in found.items() if n not in ("per_class", "confusion")}
    return {
        **plain,
        "class_accuracy": dict(zip(names, found["per_class"], strict=True)),
        "confusion": {"classes": list(names), "audio": found["confusion"]},
    }


def _with_folds(pooled: Mapping[str, Any], folds: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return the metrics of all files together, with those of the folds."""
    accuracies = {fold: found["accuracy"] for fold, found in folds.items()}
    summary = over_folds(list(accuracies.values()))
    return {
        **pooled,
        "accuracy": summary["mean"],
        "accuracy_by_fold": accuracies,
        "accuracy_over_folds": summary,
        "pooled_accuracy": pooled["accuracy"],
    }
