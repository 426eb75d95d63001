"""Scores of all seconds of an archive, without an index, and the best of them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from avlib.tagging.archive import Archive, LegName
from avlib.tagging.queries import Hit, leg_weights
from avlib.tagging.scores import LEAST_DEVIATION, LOGARITHMS, SHORTEST
from avlib.tagging.search_index import LegQuery

Scores = NDArray[np.float64]  # (N,) of all seconds, NaN where a video lacks the leg


def cosines_of(archive: Archive, leg: LegName, vector: NDArray[np.floating]) -> Scores:
    """Return the cosines of the embeddings of all seconds and a vector (D,)."""
    query = vector.astype(np.float32)
    found = np.full(len(archive), np.nan)
    for first, last in archive.blocks():
        vectors = archive.embeddings(leg, first, last).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
        found[first:last] = (vectors @ query) / np.maximum(lengths, SHORTEST)
    found[~archive.has_leg(leg)] = np.nan
    return found


def class_scores(archive: Archive, leg: LegName, query: LegQuery) -> Scores:
    """Return the means of the logarithms of the probabilities of classes, of all seconds."""
    found = np.full(len(archive), np.nan)
    for first, last in archive.blocks():
        codes = archive.scores(leg, first, last)[:, query.classes]
        found[first:last] = LOGARITHMS[codes] @ query.weights
    found[~archive.has_leg(leg)] = np.nan
    return found


def standardised(scores: Scores) -> Scores:
    """Return scores in deviations from their mean."""
    return (scores - np.nanmean(scores)) / max(float(np.nanstd(scores)), LEAST_DEVIATION)


def fused(z: Mapping[LegName, Scores], sound_weight: float) -> Scores:
    """Return the scores of all seconds, by those of the legs that they have."""
    weights = leg_weights(sound_weight, z)
    scores: Scores = np.sum([weights[leg] * values for leg, values in z.items()], axis=0)
    for values in z.values():
        scores = np.where(np.isnan(scores), values, scores)  # the other leg is absent
    return scores


def best_hits(archive: Archive, scores: Scores, z: Mapping[LegName, Scores], top: int) -> list[Hit]:
    """Return the seconds with the best scores, of equal ones the first by video and time.

    Args:
        archive: which was searched.
        scores: of its seconds; those that are NaN are no hits.
        z: parts of the scores by leg.
        top: seconds to find, at least 1.
    """
    rows = np.flatnonzero(~np.isnan(scores))
    if len(rows) > top:
        rows = rows[scores[rows] >= np.partition(scores[rows], -top)[-top]]
    hits = []
    for row in rows.tolist():
        number = int(np.searchsorted(archive.firsts, row, side="right")) - 1
        legs: dict[str, float] = {
            leg: float(values[row]) for leg, values in z.items() if not np.isnan(values[row])
        }
        second = row - int(archive.firsts[number])
        score = float(scores[row])
        hits.append(Hit(archive.video_ids[number], float(second), second + 1.0, score, legs))
    return sorted(hits, key=lambda hit: (-hit.score, hit.video_id, hit.start_s))[:top]
