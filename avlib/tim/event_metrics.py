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

from avlib.datasets.published import read_published
from avlib.errors import DataError
from avlib.evaluation.baselines import single_class_notes
from avlib.evaluation.metrics_file import write_metrics
from avlib.io.json_files import read_json
from avlib.io.tables import read_table
from avlib.origins import Origin
from avlib.tim import event_scores
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
TAIL_FILES = {"verb": "EPIC_100_tail_verbs.csv", "noun": "EPIC_100_tail_nouns.csv"}


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


def evaluate_events(
    files: EventFiles,
    *,
    study: Mapping[str, str],
    models: Mapping[str, Path],
    backbones: Mapping[str, Path | None],
    origins: Mapping[str, Origin],
    inputs: Mapping[str, Path],
    target: Path,
) -> None:
    """Write the metrics file of the study.

    Args:
        files: predictions and what they are of.
        study: fields that begin the file: `study`, `config_hash`, and `split`, which is evaluated.
        models: weights of TIM by model.
        backbones: weights of the networks that made the features, by their names; None for random
            ones, or where the features came without them.
        origins: how the weights of each backbone, and of `tim`, were made.
        inputs: further files whose hashes are written, by name.
        target: JSON file to write.

    Raises:
        DataError: if no event of the split has a prediction, or a list of tail classes is wrong.
    """
    split, names = study["split"], read_head_classes(files.classes)
    table = read_table(files.predictions, PREDICTIONS)
    table = table[(table["split"] == split) & table["head"].isin(list(LABEL_COLUMNS))]
    if not table["class_id"].notna().any():
        raise DataError(
            f"{files.predictions}: no prediction of a labelled event; no {split} video has features"
        )
    queries = read_table(files.queries, QUERIES)
    subsets = _Subsets.read(files, queries, split, names)
    losses = {} if files.losses is None else read_json(files.losses)
    metrics: dict[str, Any] = {}
    notes = weights_notes(origins)
    for model in dict.fromkeys(table["modality"]):
        rows = table[table["modality"] == model]
        metrics[model], hits = _model(rows, names, losses.get(model, {}), subsets)
        notes += _single_classes(model, hits, names, split)
    if origins["tim"] == "trained":
        notes.append(SAME_SPLIT.format(split))
    if subsets is None and {"verb", "noun"} <= names.keys():
        notes.append(NO_TRAIN_LABELS)
    write_metrics(
        target,
        study,
        metrics=metrics,
        counts=_counts(table, queries[queries["split"] == split])
        | ({} if subsets is None else subsets.counts())
        | files.video_counts(split),
        models=model_entries(models, backbones, origins),
        notes=notes,
        inputs=files.inputs(
            {f"tail_{head}s": path for head, path in files.tail_classes.items()} | dict(inputs)
        ),
    )


@dataclass(frozen=True, eq=False)
class _Subsets:
    """The subsets of EPIC-KITCHENS-100 that its challenge reports.

    Attributes:
        truth: `video_id`, `verb_class` and `noun_class` of the actions of the split, by
            annotation_id.
        participants: those without a train video.
        tail: numbers of the tail classes of `verb` and `noun`.
    """

    truth: pd.DataFrame
    participants: Sequence[str]
    tail: Mapping[str, Collection[int]]

    @classmethod
    def read(
        cls,
        files: EventFiles,
        queries: pd.DataFrame,
        split: str,
        names: Mapping[str, Sequence[str]],
    ) -> "_Subsets | None":
        """Return the subsets; None where there are no verbs and nouns, or no train labels."""
        if not {"verb", "noun"} <= names.keys():
            return None
        actions = queries[queries["modality"] == "visual"]
        train = actions[(actions["split"] == "train") & actions["verb_class"].notna()]
        truth = actions[actions["split"] == split].set_index("annotation_id")
        if not len(train) or not len(truth):
            return None
        tail = {}
        for head in ("verb", "noun"):
            count = len(names[head])
            if head in files.tail_classes:
                tail[head] = read_tail_classes(files.tail_classes[head], head, count)
            else:
                labels = train[LABEL_COLUMNS[head]].dropna().to_numpy()
                tail[head] = event_scores.tail_classes(labels, count)
        participants = event_scores.unseen_participants(truth["video_id"], train["video_id"])
        return cls(truth, participants, tail)

    def shares(self, hits: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
        """Return the shares of each head over both subsets."""
        visual = {h: t for h, t in hits.items() if h in (*VISUAL_HEADS, event_scores.BOTH)}
        by = event_scores.participant(self.truth["video_id"]).isin(list(self.participants))
        return {
            "unseen_participants": event_scores.subset_shares(visual, dict.fromkeys(visual, by)),
            "tail_classes": event_scores.subset_shares(
                visual, event_scores.tail_queries(self.truth, self.tail)
            ),
        }

    def counts(self) -> dict[str, Any]:
        """Return who and what the subsets are."""
        tail = {head: len(numbers) for head, numbers in self.tail.items()}
        return {"unseen_participants": list(self.participants), "tail_classes": tail}


def read_tail_classes(path: Path, head: str, num_classes: int) -> list[int]:
    """Return the numbers of an official list of tail classes, such as EPIC_100_tail_verbs.csv.

    Args:
        path: CSV file with a column of the head's name.
        head: verb or noun.
        num_classes: of the head.

    Raises:
        DataError: if the file is not such a list; the message names the row.
    """
    table = read_published(path, numbers=(head,), whole=(head,))
    is_wrong = ~table[head].between(0, num_classes - 1) | table[head].duplicated()
    if is_wrong.any():
        row = int(is_wrong.to_numpy().argmax())
        raise DataError(
            f"{path}: row {row + 1}: {head} is {table[head].iloc[row]:.0f}, expected each number "
            f"of 0 to {num_classes - 1} at most once, as in {TAIL_FILES[head]}"
        )
    return sorted(table[head].astype(int).tolist())


def _model(
    rows: pd.DataFrame,
    names: Mapping[str, Sequence[str]],
    losses: Mapping[str, Mapping[str, Any]],
    subsets: _Subsets | None,
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return the metrics of a model, and which of its predictions are right, by head."""
    hits, metrics = {}, {}
    for head in [head for head in LABEL_COLUMNS if (rows["head"] == head).any()]:
        part = rows[rows["head"] == head]
        hits[head] = event_scores.hits_of_head(part)
        metrics[head] = event_scores.head_metrics(hits[head], names[head])
        if head == "audio":
            metrics[head] |= event_scores.sound_metrics(part)
        metrics[head] |= losses.get(head, {})
        logger.info("%s, %s: %d events", rows["modality"].iloc[0], head, len(hits[head]))
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


def _counts(predictions: pd.DataFrame, queries: pd.DataFrame) -> dict[str, Any]:
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
    return {"events": counts}
