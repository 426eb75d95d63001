"""Operations of the scores: predictions of several windows joined, their metrics and losses."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlib.tim.scores import MeanLosses, QueryScores, tim_metrics
from avlib.tim.tables import UNKNOWN, VISUAL_HEADS
from avlib.verify.operations import Arguments, Inputs, Results, operation
from avlib.verify.tim.records import BestRecords


class MetricArguments(Arguments):
    """How the logits come.

    Attributes:
        batches: nearly equal parts that the rows of logits come in.
        is_paired: whether the k-th visual and audio query are of the same second.
        losses: by name, the queries over which its batches' means are averaged: visual, audio or
            both.
    """

    batches: int = 1
    is_paired: bool = False
    losses: dict[str, str] | None = None


@operation("tim", "metrics")
def metrics(arguments: MetricArguments, inputs: Inputs) -> Results:
    """Return [top-1, top-5] of each head in percent, mean losses, and what becomes a record.

    `logits` has rows by head. `visual_queries` and `audio_queries` number the query of each row,
    those of audio after all visual ones; by default each row is a query of its own.
    `visual_labels` are (N, 3) verbs, nouns and actions, or (N,) actions.
    """
    logits, labels = inputs["logits"], inputs["visual_labels"]
    if labels.ndim == 1:
        unknown = np.full_like(labels, UNKNOWN)
        labels = np.stack([unknown, unknown, labels], axis=1)
    audio_labels = inputs["audio_labels"]
    by_modality = {
        "visual": (0, len(labels), {h: logits[h] for h in VISUAL_HEADS if h in logits}),
        "audio": (len(labels), len(audio_labels), {"audio": logits["audio"]}),
    }
    probs, slots = {}, {}
    for modality, (first, n_queries, heads) in by_modality.items():
        ids = first + np.arange(n_queries)
        queries = inputs.get(f"{modality}_queries", ids)
        probs[modality], slots[modality] = _joined(ids, queries, heads, arguments.batches)
    shares = tim_metrics(
        probs["visual"],
        labels,
        probs["audio"]["audio"],
        audio_labels,
        is_paired=arguments.is_paired,
    )
    del shares["queries"]
    slots["both"] = slots["visual"] + slots["audio"]
    given, weighted = inputs.get("batch_losses", {}), arguments.losses or {}
    means = {name: _mean(given[name], slots[of]) for name, of in weighted.items()}
    return {name: percent(found) for name, found in shares.items()} | means | _records(shares)


def _joined(
    ids: NDArray[Any],
    queries: NDArray[Any],
    logits: Mapping[str, NDArray[Any]],
    batches: int,
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Return the probabilities of each head, and the rows of each batch."""
    scores = QueryScores(ids, {head: x.shape[1] for head, x in logits.items()})
    parts = np.array_split(np.arange(len(queries)), batches)
    for part in parts:
        scores.add(queries[part], {head: x[part] for head, x in logits.items()})
    return dict(scores.probs()), np.array([len(part) for part in parts])


def _mean(values: NDArray[np.float64], weights: NDArray[np.int64]) -> float | None:
    losses = MeanLosses()
    for value, views in zip(values.tolist(), weights.tolist(), strict=True):
        losses.add({"": value}, views)
    return losses.means()[""]


def percent(shares: Mapping[str, float | None]) -> list[float]:
    """Return [top-1, top-5] in percent; the originals have 0 without queries."""
    return [100 * (shares[k] or 0.0) for k in ("top1", "top5")]


def _records(shares: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    records = BestRecords()
    before = dict(records.best)
    tag = records.update({name: found["top1"] for name, found in shares.items()})
    return {"is_best": tag, "best_before_update": before}
