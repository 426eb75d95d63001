"""Scores of TIM: predictions for a query from several windows, averaged, and their metrics.

Source: Chalk et al., "TIM", CVPR 2024, sections 3.4 and 4; for the segments of AVE, Tian et al.,
ECCV 2018, section 6. Shares are in [0, 1].
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avlib.evaluation.baselines import majority_share
from avlib.evaluation.recognition import confusion_matrix, recognition_metrics, top_k_hits
from avlib.tim.tables import UNKNOWN, VISUAL_HEADS

TOP = (1, 5)

Probs = NDArray[np.float32]
Integers = NDArray[np.int64]


class QueryScores:
    """Logits of the queries of one label space, summed over the windows that hold them.

    Args:
        query_ids: (N,) ids of the queries of this label space, ascending.
        classes: K of each head.
    """

    def __init__(self, query_ids: ArrayLike, classes: Mapping[str, int]) -> None:
        self.query_ids = np.asarray(query_ids, dtype=np.int64)
        self.counts = np.zeros(len(self.query_ids), dtype=np.int64)
        self._sums = {
            head: np.zeros((len(self.query_ids), k), dtype=np.float32)
            for head, k in classes.items()
        }

    def add(self, queries: ArrayLike, logits: Mapping[str, ArrayLike]) -> None:
        """Add the logits of a batch.

        Args:
            queries: id of each slot, of any shape (...); -1 where there is none.
            logits: (..., K) of each head.

        Raises:
            ValueError: if a query is none of this label space, or a head has other classes.
        """
        ids = np.asarray(queries, dtype=np.int64).ravel()
        slots = np.flatnonzero(ids != UNKNOWN)
        order = slots[np.argsort(ids[slots], kind="stable")]
        found, first, counts = np.unique(ids[order], return_index=True, return_counts=True)
        rows = np.searchsorted(self.query_ids, found)
        if len(found) and (
            rows[-1] == len(self.query_ids) or (self.query_ids[rows] != found).any()
        ):
            raise ValueError(f"queries {found.min()}..{found.max()} are not all known here")
        self.counts[rows] += counts
        for head, total in self._sums.items():
            values = np.asarray(logits[head], dtype=np.float32)
            if values.shape[-1] != total.shape[1]:
                raise ValueError(f"{head}: {values.shape[-1]} classes, expected {total.shape[1]}")
            if len(found):
                sorted_values = values.reshape(len(ids), -1)[order]
                total[rows] += np.add.reduceat(sorted_values, first, axis=0)

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """Whether a window holds each query: (N,)."""
        return self.counts > 0

    def probs(self) -> dict[str, Probs]:
        """Return the soft-max of the mean logits of each head, (N, K); NaN without a window."""
        counts = np.where(self.is_seen, self.counts, np.nan)[:, None].astype(np.float32)
        return {head: softmax(total / counts) for head, total in self._sums.items()}


def softmax(logits: NDArray[np.float32]) -> Probs:
    """Return the soft-max over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)


@dataclass
class MeanLosses:
    """Losses averaged over all pairs of a window and a query, from means over batches."""

    sums: dict[str, float] = field(default_factory=dict)
    views: dict[str, int] = field(default_factory=dict)

    def add(self, losses: Mapping[str, float], views: int) -> None:
        """Add the mean losses of a batch over its `views` labelled slots of one label space."""
        for name, loss in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + views * (loss if views else 0.0)
            self.views[name] = self.views.get(name, 0) + views

    def means(self) -> dict[str, float | None]:
        """Return the mean of each loss; None without labelled slots."""
        return {n: s / self.views[n] if self.views[n] else None for n, s in self.sums.items()}

    def entries(self) -> dict[str, dict[str, float | None]]:
        """Return `loss`, the mean, and `views`, the labelled slots, of each loss."""
        return {n: {"loss": loss, "views": self.views[n]} for n, loss in self.means().items()}


def tim_metrics(
    visual: Mapping[str, ArrayLike],
    visual_labels: ArrayLike,
    audio: ArrayLike | None,
    audio_labels: ArrayLike,
    *,
    is_paired: bool,
) -> dict[str, Any]:
    """Return the metrics of predictions, over the queries with a known class and a prediction.

    Args:
        visual: (N, K) scores of the heads `verb`, `noun` and `action` that the model has; rows of
            NaN where there is no prediction.
        visual_labels: (N, 3) verb, noun and action; an action of -1 is not known.
        audio: (M, K) scores of sounds; None where the model has no such head.
        audio_labels: (M,) classes; -1 is not known.
        is_paired: whether the k-th visual and the k-th audio query are the same second and have
            one class, as in AVE.

    Returns:
        `top1` and `top5` of each head; of `verb_noun`, where both have to be right; and of
        `combined`, the mean of both predictions of a pair. Fewer classes than five are all among
        the top five. `queries` counts those of each label space.
    """
    scores = {head: np.asarray(probs) for head, probs in visual.items()}
    truth = np.asarray(visual_labels, dtype=np.int64).reshape(-1, len(VISUAL_HEADS))
    hits = {h: _hits(p, truth[:, VISUAL_HEADS.index(h)], truth[:, 2]) for h, p in scores.items()}
    if "verb" in hits and "noun" in hits:
        hits["verb_noun"] = {k: hits["verb"][k] & hits["noun"][k] for k in TOP}
    queries = {"visual": len(hits["action"][1])} if hits else {}
    if audio is not None:
        sounds = np.asarray(audio_labels, dtype=np.int64)
        hits["audio"] = _hits(np.asarray(audio), sounds, sounds)
        queries["audio"] = len(hits["audio"][1])
        if is_paired and "action" in scores:
            hits["combined"] = _hits(combine(scores["action"], audio), truth[:, 2], truth[:, 2])
    return {"queries": queries, **{head: _shares(found) for head, found in hits.items()}}


def combine(visual: ArrayLike, audio: ArrayLike) -> Probs:
    """Return the mean of two predictions of the same segments: (N, K).

    The k-th visual query and the k-th audio query are the same second, as in AVE, where both
    come from one table.

    Raises:
        ValueError: if the shapes differ.
    """
    first, second = np.asarray(visual), np.asarray(audio)
    if first.shape != second.shape:
        raise ValueError(
            f"visual {first.shape} and audio {second.shape} are not of the same queries"
        )
    return np.asarray((first + second) / 2, dtype=np.float32)


def segment_metrics(probs: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
    """Return the accuracy of one-second segments, background included.

    Args:
        probs: (N, K) scores.
        labels: (N,) classes, in [0, K).

    Returns:
        `segments`; `accuracy`, `top5` and `majority_share`; `per_class`, accuracies as a list of
        K, None for a class that does not occur; and `confusion`, counts by true class (rows) and
        predicted class.
    """
    scores, truth = np.asarray(probs), np.asarray(labels, dtype=np.int64)
    metrics = recognition_metrics(scores, truth)
    return {
        "segments": metrics["items"],
        "accuracy": metrics["top1"],
        "top5": metrics["top5"],
        "majority_share": majority_share(truth),
        "per_class": metrics["per_class"]["accuracy"],
        "confusion": confusion_matrix(scores.argmax(axis=1), truth, scores.shape[1]).tolist(),
    }


def _hits(probs: NDArray[Any], labels: Integers, known: Integers) -> dict[int, NDArray[np.bool_]]:
    """Return whether the class is among the top k, for queries that are `known` and predicted."""
    kept = (known != UNKNOWN) & ~np.isnan(probs).any(axis=1)
    return {k: top_k_hits(probs[kept], labels[kept], k) for k in TOP}


def _shares(hits: Mapping[int, NDArray[np.bool_]]) -> dict[str, float | None]:
    return {f"top{k}": float(h.mean()) if len(h) else None for k, h in hits.items()}
