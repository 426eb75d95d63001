"""Operations of the scores: predictions of several windows joined, their metrics, records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from avlib.tim.scores import MeanLosses, QueryScores, tim_metrics
from avlib.tim.tables import UNKNOWN, VISUAL_HEADS
from avlib.verify.operations import Array, Results, operation

# Names of records in the original, and the accuracy of each; the tags of its answer in their order.
VALUES = {"visual": "action", "visual_mt": "verb_noun", "audio": "audio", "combined": "combined"}
TAGS = {"combined": "combined", "audio": "audio", "action": "act_visual"}


@dataclass
class BestRecords:
    """The highest accuracy so far of each way to measure it, and the epoch that had it.

    Attributes:
        best: by the original's name; 0 before the first epoch.
        epochs: by the original's name, from 1; 0 before the first epoch.
        epoch: number of finished epochs.
    """

    best: dict[str, float] = field(default_factory=lambda: dict.fromkeys(VALUES, 0.0))
    epochs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VALUES, 0))
    epoch: int = 0

    def update(self, accuracy: Mapping[str, float]) -> str:
        """Enter the accuracies of the next epoch; return how the original calls the records."""
        self.epoch += 1
        improved = {m for name, m in VALUES.items() if accuracy.get(m, 0.0) > self.best[name]}
        for name, measure in VALUES.items():
            if measure in improved:
                self.best[name], self.epochs[name] = accuracy[measure], self.epoch
        tag = "_".join(tag for measure, tag in TAGS.items() if measure in improved) or "none"
        return tag + "_mt_visual" * ("verb_noun" in improved)

    def is_stalled(self, name: str, patience: int | None) -> bool:
        """Return whether an accuracy has had no record for more than `patience` epochs."""
        return patience is not None and self.epoch - self.epochs[name] > patience


@operation("tim", "best_records")
def best_records(
    accuracies: Sequence[Sequence[Sequence[float]]],
    *,
    measures: list[str],
    early_stop_epochs: int | None,
) -> Results:
    """Return, for each epoch, the records' tag, whether the training stops, and the best before.

    `accuracies` hold [top-1, top-5] of each measure of each epoch. The original stops by the
    record of visual actions, even where there are none.
    """
    records, answers = BestRecords(), []
    for of_epoch in accuracies:
        before = dict(records.best)
        tag = records.update(dict(zip(measures, (a[0] for a in of_epoch), strict=True)))
        answers.append([tag, records.is_stalled("visual", early_stop_epochs), before])
    return {"answers": answers}


class Joined(NamedTuple):
    """Probabilities of the visual and the audio queries, and the rows of each batch."""

    visual: dict[str, Array]
    audio: dict[str, Array]
    rows: dict[str, Array]


def joined_logits(
    n_visual: int,
    n_audio: int,
    /,
    logits: Mapping[str, Array],
    visual_queries: Array | None = None,
    audio_queries: Array | None = None,
    *,
    batches: int = 1,
) -> Joined:
    """Return what the rows of `logits` by head are for so many queries of both label spaces.

    The rows come in `batches` of nearly equal size. The queries of each row are numbers, those of
    audio after all visual ones; by default each row is a query of its own.
    """
    heads = {head: logits[head] for head in VISUAL_HEADS if head in logits}
    ids = np.arange(n_visual), np.arange(n_visual, n_visual + n_audio)
    visual, slots = _joined(ids[0], visual_queries, heads, batches)
    audio, audio_slots = _joined(ids[1], audio_queries, {"audio": logits["audio"]}, batches)
    rows = {"visual": slots, "audio": audio_slots, "both": slots + audio_slots}
    return Joined(visual, audio, rows)


def _joined(
    ids: Array, queries: Array | None, logits: Mapping[str, Array], batches: int
) -> tuple[dict[str, Array], Array]:
    """Return the probabilities of each head, and the rows of each batch."""
    rows = ids if queries is None else queries
    scores = QueryScores(ids, {head: x.shape[1] for head, x in logits.items()})
    parts = np.array_split(np.arange(len(rows)), batches)
    for part in parts:
        scores.add(rows[part], {head: x[part] for head, x in logits.items()})
    return dict(scores.probs()), np.array([len(part) for part in parts])


@operation("tim", "metrics", join=joined_logits)
def metrics(
    join: Callable[[int, int], Joined],
    visual_labels: Array,
    audio_labels: Array,
    batch_losses: Mapping[str, Array] | None = None,
    *,
    is_paired: bool = False,
    losses: dict[str, str] | None = None,
) -> Results:
    """Return [top-1, top-5] of each head in percent, mean losses, and what becomes a record.

    `visual_labels` are (N, 3) verbs, nouns and actions, or (N,) actions. With `is_paired` the k-th
    visual and audio query are of the same second. `losses` names the queries over which the means
    of batches are averaged: visual, audio or both.
    """
    labels = visual_labels
    if labels.ndim == 1:
        unknown = np.full_like(labels, UNKNOWN)
        labels = np.stack([unknown, unknown, labels], axis=1)
    found = join(len(labels), len(audio_labels))
    sounds = found.audio["audio"]
    shares = tim_metrics(found.visual, labels, sounds, audio_labels, is_paired=is_paired)
    del shares["queries"]
    given = batch_losses or {}
    means = {name: _mean(given[name], found.rows[of]) for name, of in (losses or {}).items()}
    records = BestRecords()
    record = {"best_before_update": dict(records.best)}
    tag = records.update({name: share["top1"] for name, share in shares.items()})
    accuracies = {name: percent(share) for name, share in shares.items()}
    return {**accuracies, **means, **record, "is_best": tag}


def _mean(values: Array, weights: Array) -> float | None:
    losses = MeanLosses()
    for value, views in zip(values.tolist(), weights.tolist(), strict=True):
        losses.add({"": value}, views)
    return losses.means()[""]


def percent(shares: Mapping[str, float | None]) -> list[float]:
    """Return [top-1, top-5] in percent; the originals have 0 without queries."""
    return [100 * (shares[k] or 0.0) for k in ("top1", "top5")]
