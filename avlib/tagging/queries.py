"""The seconds of an index that a query finds, and the parts of their scores."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from avlib.tagging.archive import LegName
from avlib.tagging.byte_columns import Terms, best_rows
from avlib.tagging.scores import FEW_SECONDS, FLOOR, LEAST_DEVIATION
from avlib.tagging.search_index import LOWEST, STEP, IndexedPart, LegQuery, SearchIndex

HELD = 0.3  # probability of the mean second from which on a thing is not rare


class Hit(NamedTuple):
    """What a search finds: a second of a video.

    Attributes:
        video_id: of its video.
        start_s, stop_s: where it is.
        score: by which it is found.
        parts: score of each leg that the second has, in the unit of `score`.
    """

    video_id: str
    start_s: float
    stop_s: float
    score: float
    parts: Mapping[str, float]


class Query(NamedTuple):
    """What is looked for.

    Attributes:
        legs: meaning in the vocabulary of each leg.
        sound_weight: weight of the score of sound; that of the picture is 1 less it.
    """

    legs: Mapping[LegName, LegQuery]
    sound_weight: float


def leg_weights(sound_weight: float, legs: Iterable[LegName]) -> dict[LegName, float]:
    """Return the weight of the score of each leg that a video has."""
    own: dict[LegName, float] = {"sound": sound_weight, "picture": 1 - sound_weight}
    present = list(legs)
    return {leg: own[leg] if len(present) > 1 else 1.0 for leg in present}


class Scale(NamedTuple):
    """How scores of a leg are shown: less `mean`, in units of `deviation`."""

    mean: float
    deviation: float


RAW = Scale(0.0, 1.0)


def scales(index: SearchIndex, query: Query) -> dict[LegName, Scale]:
    """Return the scale of each leg: RAW where mean and deviation of the archive mean nothing.

    That is so in short archives, and where even the mean second holds what is looked for.
    """
    statistics = {leg: index.mean_deviation(leg, query.legs[leg]) for leg in index.legs}
    weights = leg_weights(query.sound_weight, statistics)
    mean = sum(weights[leg] * float(found.mean[0]) for leg, found in statistics.items())
    if index.seconds < FEW_SECONDS or np.exp(mean) - FLOOR >= HELD:
        return dict.fromkeys(statistics, RAW)
    return {
        leg: Scale(float(m.mean[0]), max(float(m.deviation[0]), LEAST_DEVIATION))
        for leg, m in statistics.items()
    }


def best_seconds(
    index: SearchIndex, query: Query, units: Mapping[LegName, Scale], top: int
) -> list[Hit]:
    """Return the seconds with the largest scores, of equal ones the first by video and time.

    Args:
        index: of an archive.
        query: what is looked for.
        units: `scales` of the query.
        top: seconds to find, at least 1.
    """
    found = []
    for part in index.parts:
        terms = {leg: leg_terms(query.legs[leg], units[leg], part, leg) for leg in part.legs}
        rows, scores = best_rows(
            part.columns, weighted(terms, leg_weights(query.sound_weight, terms)), top
        )
        of_legs = {leg: own.of(part.columns.rows(rows, own.classes)) for leg, own in terms.items()}
        for i, row in enumerate(rows.tolist()):
            number, second = part.place(row)
            own_scores: dict[str, float] = {
                leg: float(values[i]) for leg, values in of_legs.items()
            }
            hit = Hit("", float(second), second + 1.0, float(scores[i]), own_scores)
            found.append((number, hit))
    found.sort(key=lambda pair: (-pair[1].score, pair[0], pair[1].start_s))
    return [hit._replace(video_id=index.video_id(number)) for number, hit in found[:top]]


def leg_terms(query: LegQuery, unit: Scale, part: IndexedPart, leg: LegName) -> Terms:
    """Return the score of a leg as a weighted sum of the bytes of a part."""
    return Terms(
        query.classes + part.legs[leg],
        query.weights * (STEP / unit.deviation),
        float(LOWEST * query.weights.sum() - unit.mean) / unit.deviation,
    )


def weighted(terms: Mapping[LegName, Terms], weights: Mapping[LegName, float]) -> Terms:
    """Return the weighted sum of scores of legs."""
    return Terms(
        np.concatenate([own.classes for own in terms.values()]),
        np.concatenate([own.coefficients * weights[leg] for leg, own in terms.items()]),
        sum(own.constant * weights[leg] for leg, own in terms.items()),
    )
