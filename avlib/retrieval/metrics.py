"""Metrics of rankings: nDCG, mAP and recall, with the rules of ties of the published code.

Sources: Damen et al., "Rescaling Egocentric Vision", IJCV 2022, and the evaluation of
EPIC-KITCHENS-100 multi-instance retrieval (nDCG, mAP); the code of Oncescu et al., ICASSP 2024
(recall, questions).
"""

from collections.abc import Hashable, Mapping, Sequence
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


def descending(scores: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return the order of each row (R, C) from the highest score, and the scores in that order.

    Equal scores remain in the order of the items. A stable sort takes several times as long as
    one that is not, so equal scores are put in order afterwards.
    """
    order = np.argsort(-scores, axis=1)
    ranked = np.empty_like(scores)
    for row in range(len(scores)):
        np.take(scores[row], order[row], out=ranked[row])
    is_equal = ranked[:, 1:] == ranked[:, :-1]
    if is_equal.any():
        is_tied = np.zeros(scores.shape, dtype=bool)
        is_tied[:, 1:] = is_equal
        begins = ~is_tied
        is_tied[:, :-1] |= is_equal
        run = np.cumsum(begins)[is_tied.ravel()]
        columns = scores.shape[1]
        order[is_tied] = np.sort(run * columns + order[is_tied]) % columns
    return order, ranked


def query_scores(order: NDArray[np.intp], codes: Codes, grades: Grades) -> QueryScores:
    """Return nDCG and average precision of queries.

    nDCG counts as many items as have any relevance. Average precision sums, at each item of grade
    1, the grades so far over the rank, so that partly relevant items count, too; it is 0 where no
    item has grade 1. Both are the published forms.

    Args:
        order: (R, C) items of each query, best first.
        codes: (R, C) place in `grades` of the relevance of each item.
        grades: (V,) ascending, from 0.
    """
    n_queries, n_items = codes.shape
    ranked = np.empty_like(codes)
    for row in range(n_queries):
        np.take(codes[row], order[row], out=ranked[row])
    query, rank = np.divmod(np.flatnonzero(ranked != 0), n_items)
    found = ranked[query, rank]
    gain, n_relevant = grades[found], np.bincount(query, minlength=n_queries)
    counted = np.where(rank < n_relevant[query], gain / np.log2(rank + 2.0), 0.0)
    gained = np.bincount(query, counted, n_queries)
    with np.errstate(invalid="ignore"):
        ndcg = gained / _ideal(query, found, grades, n_queries)
    place = np.arange(len(query)) - (np.cumsum(n_relevant) - n_relevant)[query]
    so_far = np.zeros((n_queries, max(n_relevant, default=0)))
    so_far[query, place] = gain
    so_far.cumsum(axis=1, out=so_far)
    at = np.flatnonzero(gain == PERFECT)
    precision = so_far[query[at], place[at]] / (rank[at] + 1)
    n_perfect = np.bincount(query[at], minlength=n_queries)
    return QueryScores(
        ndcg, np.bincount(query[at], precision, n_queries) / np.maximum(n_perfect, 1)
    )


def _ideal(
    query: NDArray[np.intp], found: Codes, grades: Grades, n_queries: int
) -> NDArray[np.float64]:
    """Return the DCG of each query in the best order, from the number of items of each grade."""
    cells = np.bincount(query * len(grades) + found, minlength=n_queries * len(grades))
    at_least = cells.reshape(n_queries, -1)[:, :0:-1].cumsum(axis=1)  # from the highest grade
    discounts = np.append(0.0, np.cumsum(1 / np.log2(np.arange(at_least.max(initial=0)) + 2.0)))
    steps = np.diff(grades)[::-1]
    ideal: NDArray[np.float64] = discounts[at_least] @ steps
    return ideal


def chance_scores(codes: Codes, grades: Grades) -> QueryScores:
    """Return the expected nDCG and average precision of queries over all orders of the items.

    Args:
        codes: (R, C) as in `query_scores`.
        grades: as in `query_scores`.
    """
    n_queries, n_items = codes.shape
    query, item = np.nonzero(codes)
    found = codes[query, item]
    n_relevant = np.bincount(query, minlength=n_queries)
    discounts = np.append(0.0, np.cumsum(1 / np.log2(np.arange(n_items) + 2.0)))
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
    weights = counts.astype(np.float64)
    higher, equal = (scores > mine) @ weights, (scores == mine) @ weights
    ranks: NDArray[np.float64] = higher + (equal - 1) / 2
    return ranks


def clip_ranks(ranked: Floats, mine: Floats) -> NDArray[np.float64]:
    """Return the rank of right clips of one caption, from 0; equals count as the first of them.

    Args:
        ranked: (N,) scores of all clips, descending.
        mine: (R,) scores of the right clips.
    """
    return np.searchsorted(-ranked, -mine, side="left").astype(np.float64)


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
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the rank of each right choice, from 0, and the order of the choices.

    Of equal choices the first counts as the higher one.

    Args:
        similarities: (Q, C) of questions to their choices; NaN is lower than all.
        answers: (Q,) number of the right choice.
    """
    order, _ = descending(np.where(np.isnan(similarities), -np.inf, similarities))
    return np.argmax(order == answers[:, None], axis=1).astype(np.float64), order
