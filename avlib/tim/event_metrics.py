"""Stage evaluate_events: metrics of models that recognise annotated events.

Source: Chalk et al., "TIM", CVPR 2024, section 4, on EPIC-KITCHENS-100, EPIC-SOUNDS and Perception
Test; the subsets of EPIC-KITCHENS-100 are those of its challenge.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.errors import DataError
from avlib.evaluation.baselines import single_class_notes
from avlib.evaluation.metrics_file import Provenance, write_metrics
from avlib.io.json_files import read_json
from avlib.io.tables import read_table
from avlib.tim import event_scores
from avlib.tim.challenge_subsets import ChallengeSubsets
from avlib.tim.evaluated_files import EvaluatedFiles, model_entries, weights_notes
from avlib.tim.tables import LABEL_COLUMNS, PREDICTIONS, QUERIES, VISUAL_HEADS, read_head_classes

logger = logging.getLogger(__name__)

SAME_SPLIT = (
    "The epoch whose weights are kept was chosen by the split that is reported, {}, as published."
)
NO_TRAIN_LABELS = (
    "Unseen participants and tail classes need the annotations of the train split, which are not "
    "given."
)
LISTED = ("annotation_id", "modality", "head", "split", "class_id")  # columns without scores


@dataclass(frozen=True, kw_only=True)
class EventFiles(EvaluatedFiles):
    """What is evaluated of annotated events.

    Attributes:
        losses: JSON of `predict_tim`; None: losses and views are not reported.
        tail_classes: the official lists of tail classes, by `verb` and `noun`; the other is counted
            in the train split.
    """

    losses: Path | None = None
    tail_classes: Mapping[str, Path] = field(default_factory=dict)

    def inputs(self, others: Mapping[str, Path]) -> dict[str, Path]:
        """Return the files whose hashes a metrics file has, by name, with `others`."""
        tails = {f"tail_{head}s": path for head, path in self.tail_classes.items()}
        return super().inputs(tails | dict(others))


def evaluate_events(
    files: EventFiles, *, models: Mapping[str, Path], provenance: Provenance, target: Path
) -> None:
    """Write the metrics file of the study.

    Args:
        files: predictions and what they are of.
        models: weights of TIM by model.
        provenance: the `split` of its study is evaluated; models and origins as in `evaluate_ave`.
        target: JSON file to write.

    Raises:
        DataError: if no event of the split has a prediction, or a list of tail classes is wrong.
    """
    split, names = provenance.study["split"], read_head_classes(files.classes)
    listed = _listed(files.predictions, split)
    queries = read_table(files.queries, QUERIES)
    sizes = {head: len(found) for head, found in names.items()}
    subsets = ChallengeSubsets.read(queries, split, sizes, files.tail_classes)
    losses = {} if files.losses is None else read_json(files.losses)
    metrics: dict[str, Any] = {}
    notes = weights_notes(provenance.origins)
    for model, rows in listed.groupby("modality", sort=False):
        heads = _read_heads(files.predictions, split, str(model), set(rows["head"]))
        metrics[str(model)], hits = _model(heads, names, losses.get(model, {}), subsets)
        notes += _single_classes(str(model), hits, names, split)
    if provenance.origins["tim"] == "trained":
        notes.append(SAME_SPLIT.format(split))
    if subsets is None and {"verb", "noun"} <= names.keys():
        notes.append(NO_TRAIN_LABELS)
    write_metrics(
        target,
        provenance.study,
        metrics=metrics,
        counts=_counts(listed, queries[queries["split"] == split], subsets)
        | files.video_counts(split),
        models=model_entries(models, provenance),
        notes=notes,
        inputs=files.inputs(provenance.inputs),
    )


def _listed(predictions: Path, split: str) -> pd.DataFrame:
    """Return the predictions of a split without their scores."""
    listed = read_table(predictions, PREDICTIONS, columns=LISTED)
    listed = listed[(listed["split"] == split) & listed["head"].isin(list(LABEL_COLUMNS))]
    if not listed["class_id"].notna().any():
        raise DataError(
            f"{predictions}: no prediction of a labelled event; no {split} video has features"
        )
    return listed


def _read_heads(
    predictions: Path, split: str, model: str, heads: Collection[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the predictions of each head of a model; those of one are in memory at a time."""
    for head in [head for head in LABEL_COLUMNS if head in heads]:
        where = {"split": split, "modality": model, "head": head}
        rows = read_table(predictions, PREDICTIONS, where=where)
        logger.info("%s, %s: %d predictions", model, head, len(rows))
        yield head, rows


def _model(
    heads: Iterator[tuple[str, pd.DataFrame]],
    names: Mapping[str, Sequence[str]],
    losses: Mapping[str, Mapping[str, Any]],
    subsets: ChallengeSubsets | None,
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return the metrics of a model, and which of its predictions are right, by head."""
    hits, metrics = {}, {}
    for head, rows in heads:
        hits[head] = event_scores.hits_of_head(rows)
        metrics[head] = event_scores.head_metrics(hits[head], names[head])
        if head == "audio":
            metrics[head] |= event_scores.sound_metrics(rows)
        metrics[head] |= losses.get(head, {})
    per_class = {
        "class_accuracy": {h: event_scores.class_accuracies(t, names[h]) for h, t in hits.items()},
        "confusion": {h: event_scores.confusion(t, names[h]) for h, t in hits.items()},
    }
    of_heads = dict(hits)
    if {"verb", "noun"} <= hits.keys():
        of_heads[event_scores.BOTH] = event_scores.both_right(hits["verb"], hits["noun"])
        metrics[event_scores.BOTH] = event_scores.shares(of_heads[event_scores.BOTH])
    is_visual = not of_heads.keys().isdisjoint(VISUAL_HEADS)
    of_subsets = subsets.shares(of_heads) if subsets is not None and is_visual else {}
    return {**metrics, **per_class, **of_subsets}, hits


def _single_classes(
    model: str,
    hits: Mapping[str, pd.DataFrame],
    names: Mapping[str, Sequence[str]],
    split: str,
) -> Iterator[str]:
    """Yield a sentence for each head that predicts one class for all events."""
    for head, table in hits.items():
        predicted = {f"{model}, {head}": table["predicted_class"]}
        yield from single_class_notes(predicted, names[head], f"{split} events")


def _counts(
    predictions: pd.DataFrame, queries: pd.DataFrame, subsets: ChallengeSubsets | None
) -> dict[str, Any]:
    """Return how many events there are in each label space that a model predicts."""
    counts = {}
    for space, heads in (("visual", VISUAL_HEADS), ("audio", ("audio",))):
        rows = predictions[predictions["head"].isin(heads)]
        if len(rows):
            events = queries[queries["modality"] == space]
            counts[space] = {
                "evaluated": rows.loc[rows["class_id"].notna(), "annotation_id"].nunique(),
                "without_class": rows.loc[rows["class_id"].isna(), "annotation_id"].nunique(),
                "without_features": int(
                    (~events["annotation_id"].isin(rows["annotation_id"])).sum()
                ),
            }
    return {"events": counts, **({} if subsets is None else subsets.counts())}
