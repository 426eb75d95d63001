"""Metrics of rankings: nDCG, mAP and recall, with the rules of ties of the published code.

Sources: Damen et al., "Rescaling Egocentric Vision", IJCV 2022, and the evaluation of
EPIC-KITCHENS-100 multi-instance retrieval (nDCG, mAP); the code of Oncescu et al., ICASSP 2024
(recall, questions).
"""

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avlib.retrieval.similarity import Floats

RECALLS = (1, 5, 10, 50)
PERFECT = 1.0  # grade of the items that average precision is taken at
Grades = NDArray[np.float64]
Codes = NDArray[np.unsignedinteger[Any]]


class QueryScores(NamedTuple):
    """Values of queries: (R,) nDCG, NaN without any relevance, and average precision."""

    ndcg: NDArray[np.float64]
    average_precision: NDArray[np.float64]


def descending(scores: Floats) -> NDArray[np.int64]:
    """Return the order of each row (R, C) from the highest score; equal ones keep their order.

    A stable sort takes several times as long as one that is not. So float32 scores are sorted as
    whole numbers that end with the place of the item, and others are put in order afterwards.
    """
    if scores.dtype != np.float32:
        return _in_order(np.argsort(-scores, axis=1), scores)
    return _sorted_keys(scores, np.arange(scores.shape[1])) & 0xFFFF_FFFF


def ranked_codes(scores: Floats, codes: Codes, top: int = 0) -> tuple[Codes, NDArray[np.int64]]:
    """Return `codes` (R, C) in the order of `descending`, and the first `top` of each order.

    The codes of up to 256 grades are part of the numbers that are sorted.
    """
    n_items = scores.shape[1]
    if scores.dtype == np.float32 and codes.dtype == np.uint8 and n_items <= 1 << 23:
        keys = _sorted_keys(scores, np.arange(n_items, dtype=np.int32) << 8 | codes)
        return keys.astype(np.uint8), keys[:, :top] >> 8 & 0xFF_FFFF
    order = descending(scores)
    return np.take_along_axis(codes, order, axis=1), order[:, :top]


def _sorted_keys(scores: Floats, low: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return each row of float32 scores, descending, as numbers whose 32 low bits are `low`."""
    bits = (np.float32(0) - scores).view(np.int32)  # never -0.0
    flipped = bits >> 31
    flipped &= 0x7FFF_FFFF  # negative floats ascend with falling bits
    bits ^= flipped
    keys = np.empty(scores.shape, dtype=np.int64)
    halves = keys.view(np.int32).reshape(*scores.shape, 2)
    halves[..., 0], halves[..., 1] = low, bits  # little-endian
    keys.sort(axis=1)
    return keys


def _in_order(order: NDArray[np.int64], scores: Floats) -> NDArray[np.int64]:
    """Return an order in which items of equal scores ascend."""
    ranked = np.take_along_axis(scores, order, axis=1)
    is_tied = np.zeros(scores.shape, dtype=bool)
    is_tied[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    begins = ~is_tied
    is_tied[:, :-1] |= is_tied[:, 1:]
    run = np.cumsum(begins[is_tied]) * scores.shape[1]
    order[is_tied] = np.sort(run + order[is_tied]) - run
    return order


def query_scores(ranked: Codes, grades: Grades) -> QueryScores:
    """Return nDCG and average precision of queries.

    nDCG counts as many items as have any relevance. Average precision sums, at each item of grade
    1, the grades so far over the rank, so that partly relevant items count, too; it is 0 where no
    item has grade 1. Both are the published forms.

    Args:
        ranked: (R, C) place in `grades` of the relevance of each item, best item first.
        grades: (V,) ascending, from 0.
    """
    n_queries, n_items = ranked.shape
    begins = np.arange(n_queries + 1) * n_items
    cells = np.flatnonzero(ranked != 0)  # of all queries, one after another
    bounds = np.searchsorted(cells, begins)
    n_relevant = np.diff(bounds)
    found = ranked.ravel().take(cells)
    gain = grades.take(found)
    query, counted = _runs(bounds[:-1], np.searchsorted(cells, begins[:-1] + n_relevant))
    discounted = gain[counted] * _discounts(n_items).take(cells[counted] - begins[query])
    ideal = _ideal(np.repeat(np.arange(n_queries), n_relevant), found, grades, n_queries)
    with np.errstate(invalid="ignore"):
        ndcg = np.bincount(query, discounted, n_queries) / ideal
    perfect = np.flatnonzero(gain == PERFECT)
    for start, stop in pairwise(bounds.tolist()):
        gain[start:stop].cumsum(out=gain[start:stop])
    query = np.searchsorted(bounds, perfect, side="right") - 1
    precision = gain[perfect] / (cells[perfect] - begins[query] + 1)
    n_perfect = np.bincount(query, minlength=n_queries)
    mean = np.bincount(query, precision, n_queries) / np.maximum(n_perfect, 1)
    return QueryScores(ndcg, mean)


def _runs(
    starts: NDArray[np.intp], stops: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of each range, as often as it is long, and what the ranges hold."""
    lengths = stops - starts
    number = np.repeat(np.arange(len(starts)), lengths)
    return number, np.arange(len(number)) + (starts - lengths.cumsum() + lengths)[number]


def _discounts(n_items: int) -> NDArray[np.float64]:
    """Return what a gain counts at each rank."""
    discounts: NDArray[np.float64] = 1 / np.log2(np.arange(n_items) + 2.0)
    return discounts


def _ideal(
    query: NDArray[np.intp], found: Codes, grades: Grades, n_queries: int
) -> NDArray[np.float64]:
    """Return the DCG of each query in the best order, from the number of items of each grade."""
    cells = np.bincount(query * len(grades) + found, minlength=n_queries * len(grades))
    at_least = cells.reshape(n_queries, -1)[:, :0:-1].cumsum(axis=1)  # from the highest grade
    discounts = np.append(0.0, np.cumsum(_discounts(at_least.max(initial=0))))
    steps = np.diff(grades)[::-1]
    ideal: NDArray[np.float64] = discounts[at_least] @ steps
    return ideal


def chance_scores(codes: Codes, grades: Grades) -> QueryScores:
    """Return the expected nDCG and average precision of queries over all orders of the items.

    Args:
        codes: (R, C) place in `grades` of the relevance of each item.
        grades: as in `query_scores`.
    """
    n_queries, n_items = codes.shape
    query, item = np.nonzero(codes)
    found = codes[query, item]
    n_relevant = np.bincount(query, minlength=n_queries)
    discounts = np.append(0.0, np.cumsum(_discounts(n_items)))
    total = np.bincount(query, grades[found], n_queries)
    with np.errstate(invalid="ignore"):
        ndcg = total / n_items * discounts[n_relevant] / _ideal(query, found, grades, n_queries)
    harmonic = np.sum(1 / np.arange(1, n_items + 1))
    others = (total - PERFECT) / max(n_items - 1, 1)  # mean grade of the other items
    precision = (harmonic + others * (n_items - harmonic)) / n_items
    has_perfect = np.bincount(query, grades[found] == PERFECT, n_queries) > 0
    return QueryScores(ndcg, np.where(has_perfect, precision, 0.0))


def caption_ranks(
    scores: Floats, own: NDArray[np.intp], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the rank of the right text of each clip, from 0; equals count as their mean.

    Args:
        scores: (R, U) of clips to all captions.
        own: (R,) the caption of each clip.
        counts: (U,) how many texts have each caption.
    """
    mine = np.take_along_axis(scores, own[:, None], axis=1)
    weights = counts.astype(np.float32)  # whole numbers, which are exact
    higher, equal = (scores > mine) @ weights, weights[own]
    is_equal = scores == mine
    tied = np.flatnonzero(np.count_nonzero(is_equal, axis=1) > 1)  # with other captions
    equal[tied] = is_equal[tied] @ weights
    ranks = higher + (equal.astype(np.float64) - 1) / 2
    return ranks


def clip_ranks(scores: Floats, own: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the rank of right clips of one caption, from 0; equals count as the first of them.

    Args:
        scores: (N,) of the caption to all clips.
        own: (R,) the clips of the caption.
    """
    higher = [np.count_nonzero(scores > score) for score in scores[own]]
    return np.array(higher, dtype=np.float64)


def recall(ranks: NDArray[np.float64]) -> dict[str, float]:
    """Return recall in percent, and median and mean rank from 1, of ranks (R,) from 0."""
    if not len(ranks):
        return {}
    shares = {f"r{k}": 100.0 * float(np.mean(ranks < k)) for k in RECALLS}
    shares["r1"] = 100.0 * float(np.mean(ranks == 0))  # a shared first place is none
    first = [shares[name] for name in ("r1", "r5", "r10")]
    return shares | {
        "median_rank": float(np.median(ranks)) + 1,
        "mean_rank": float(np.mean(ranks)) + 1,
        "geometric_mean": float(np.prod(first)) ** (1 / 3),
    }


def means_by_name(
    names: Sequence[Hashable], values: NDArray[np.float64]
) -> dict[Hashable, tuple[int, float]]:
    """Return the number and the mean of the values (R,) of each name, in order of appearance."""
    number: Mapping[Hashable, int] = {name: i for i, name in enumerate(dict.fromkeys(names))}
    at = np.array([number[name] for name in names], dtype=np.intp)
    counts, sums = np.bincount(at), np.bincount(at, values)
    return {name: (int(counts[i]), float(sums[i] / counts[i])) for name, i in number.items()}


def question_ranks(
    similarities: Floats, answers: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the rank of each right choice, from 0, and the order of the choices.

    Of equal choices the first counts as the higher one.

    Args:
        similarities: (Q, C) of questions to their choices; NaN is lower than all.
        answers: (Q,) number of the right choice.
    """
    order = descending(np.where(np.isnan(similarities), -np.inf, similarities))
    return np.argmax(order == answers[:, None], axis=1).astype(np.float64), order
