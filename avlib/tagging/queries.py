"""The seconds of an index that a query finds, and the parts of their scores."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from avlib.tagging.archive import LegName
from avlib.tagging.byte_columns import Terms, best_rows
from avlib.tagging.scores import LEAST_DEVIATION, Moments
from avlib.tagging.search_index import LOWEST, STEP, LegQuery, SearchIndex

FEW_SECONDS = 100  # of an archive, too few for mean and deviation


class FoundSecond(NamedTuple):
    """A second that a query finds.

    Attributes:
        video_id: of its video.
        second: its number, from 0.
        score: by which it is found.
        legs: score of each leg that the second has, standardised or raw as `score` is.
    """

    video_id: str
    second: int
    score: float
    legs: Mapping[LegName, float]


def best_seconds(
    index: SearchIndex, query: Mapping[LegName, LegQuery], sound_weight: float, top: int
) -> list[FoundSecond]:
    """Return the seconds with the largest scores, of equal ones the first by video and time.

    Args:
        index: of an archive.
        query: in the vocabulary of each leg.
        sound_weight: weight of the score of sound; that of the picture is 1 less it.
        top: seconds to find, at least 1.
    """
    scales = {leg: _scale(index.moments(leg, query[leg])) for leg in index.legs}
    weights: dict[LegName, float] = {"sound": sound_weight, "picture": 1 - sound_weight}
    found = []
    for part in index.parts:
        legs = part.first_class
        terms = {leg: _terms(query[leg], scales[leg], legs[leg]) for leg in legs}
        shares = weights if len(legs) > 1 else {leg: 1.0 for leg in legs}
        rows, scores = best_rows(part.columns, _weighted(terms, shares), top)
        of_legs = {leg: own.of(part.columns.rows(rows, own.classes)) for leg, own in terms.items()}
        for i, row in enumerate(rows.tolist()):
            number, second = part.place(row)
            own_scores = {leg: float(values[i]) for leg, values in of_legs.items()}
            found.append((number, FoundSecond("", second, float(scores[i]), own_scores)))
        part.columns.release()
    found.sort(key=lambda pair: (-pair[1].score, pair[0], pair[1].second))
    return [hit._replace(video_id=index.video_id(number)) for number, hit in found[:top]]


def _scale(moments: Moments) -> tuple[float, float]:
    """Return what is subtracted from scores of a leg, and what they are divided by."""
    if moments.seconds < FEW_SECONDS:
        return 0.0, 1.0
    return float(moments.mean[0]), max(float(moments.deviation[0]), LEAST_DEVIATION)


def _terms(query: LegQuery, scale: tuple[float, float], first_class: int) -> Terms:
    """Return the score of a leg as a weighted sum of the bytes of a part."""
    mean, deviation = scale
    return Terms(
        query.classes + first_class,
        query.weights * (STEP / deviation),
        float(LOWEST * query.weights.sum() - mean) / deviation,
    )


def _weighted(terms: Mapping[LegName, Terms], shares: Mapping[LegName, float]) -> Terms:
    """Return the weighted mean of scores of legs."""
    return Terms(
        np.concatenate([own.classes for own in terms.values()]),
        np.concatenate([own.coefficients * shares[leg] for leg, own in terms.items()]),
        sum(own.constant * shares[leg] for leg, own in terms.items()),
    )
