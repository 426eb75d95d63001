"""Every clip ranks the sentences, and every caption the clips, in blocks of rows.

A row of similarities is sorted once, for nDCG, mAP and recall alike.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avlib.retrieval.metrics import (
    QueryScores,
    caption_ranks,
    chance_scores,
    clip_ranks,
    descending,
    query_scores,
    ranked_codes,
)
from avlib.retrieval.relevancy import Relevancy
from avlib.retrieval.similarity import WIDE, Similarity, block_rows

Numbers = NDArray[np.intp]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """What is ranked.

    Attributes:
        captions: number of distinct texts, U.
        of_clips: (N,) caption of each clip, its right one.
        of_sentences: (M,) caption of each sentence.
    """

    captions: int
    of_clips: Numbers
    of_sentences: Numbers

    @property
    def counts(self) -> NDArray[np.int64]:
        """(U,) how many clips have each caption."""
        return np.bincount(self.of_clips, minlength=self.captions)


class Rankings(NamedTuple):
    """What queries of one direction found.

    Attributes:
        ndcg: (Q,) of each query, NaN where it has no relevance.
        average_precision: (Q,) of each query.
        ranks: (N,) of the right text of each clip, or of the clip of each clip's text; from 0.
        top: the most similar sentences of each clip (N, K), or clips of each caption (U, K).
    """

    ndcg: Scores
    average_precision: Scores
    ranks: Scores
    top: Numbers


def rank_sentences(
    similarity: Similarity, candidates: Candidates, relevancy: Relevancy, top: int = 0
) -> Rankings:
    """Return what clips find, A->T: the queries are the N clips."""
    n_clips, counts = len(candidates.of_clips), candidates.counts
    best = min(top, len(candidates.of_sentences))
    found = _empty(n_clips, n_clips, n_clips, best)
    n_columns = max(candidates.captions, len(candidates.of_sentences))
    for wide in block_rows(n_clips, n_columns, WIDE):
        products = similarity.of_clips(wide)
        for part in block_rows(len(products), n_columns):
            rows, scores = slice(wide.start + part.start, wide.start + part.stop), products[part]
            found.ranks[rows] = caption_ranks(scores, candidates.of_clips[rows], counts)
            of_sentences = scores.take(candidates.of_sentences, axis=1)
            codes, found.top[rows] = ranked_codes(of_sentences, relevancy.of_clips(rows), best)
            values = query_scores(codes, relevancy.grades)
            found.ndcg[rows], found.average_precision[rows] = values
    return found


def rank_clips(
    similarity: Similarity, candidates: Candidates, relevancy: Relevancy, top: int = 0
) -> Rankings:
    """Return what sentences find, T->A: the queries are the M sentences."""
    n_clips, n_sentences = len(candidates.of_clips), len(candidates.of_sentences)
    best = min(top, n_clips)
    found = _empty(n_sentences, n_clips, candidates.captions, best)
    clips = _Grouped(candidates.of_clips, candidates.captions)
    sentences = _Grouped(candidates.of_sentences, candidates.captions)
    for rows in block_rows(candidates.captions, n_clips, WIDE):
        scores = similarity.of_captions(rows)
        for caption in range(rows.start, rows.stop):
            own = clips.of(caption, caption + 1)
            found.ranks[own] = clip_ranks(scores[caption - rows.start], own)
        asked = sentences.of(rows.start, rows.stop)
        for at in (asked[part] for part in block_rows(len(asked), n_clips)):
            of = candidates.of_sentences[at]
            codes, found.top[of] = ranked_codes(
                scores[of - rows.start], relevancy.of_sentences(at), best
            )
            found.ndcg[at], found.average_precision[at] = query_scores(codes, relevancy.grades)
        lone = np.setdiff1d(np.arange(rows.start, rows.stop), candidates.of_sentences[asked])
        found.top[lone] = descending(scores[lone - rows.start])[:, :best]
    return found


def chance(relevancy: Relevancy) -> tuple[QueryScores, QueryScores]:
    """Return the expected values of clips, and of sentences, that rank at random."""
    shape = len(relevancy.clips), len(relevancy.sentences)
    found = QueryScores(*np.empty((2, shape[0]))), QueryScores(*np.empty((2, shape[1])))
    codes = relevancy.of_clips, relevancy.of_sentences
    for values, of, blocks in zip(
        found, codes, (block_rows(*shape), block_rows(*shape[::-1])), strict=True
    ):
        for rows in blocks:
            values.ndcg[rows], values.average_precision[rows] = chance_scores(
                of(rows), relevancy.grades
            )
    return found


class _Grouped:
    """Items by their caption."""

    def __init__(self, captions: Numbers, count: int) -> None:
        self.items = np.argsort(captions, kind="stable")
        bounds = np.searchsorted(captions[self.items], np.arange(count + 1))
        self.bounds: list[int] = bounds.tolist()

    def of(self, start: int, stop: int) -> Numbers:
        """Return the items of a range of captions."""
        return self.items[self.bounds[start] : self.bounds[stop]]


def _empty(queries: int, ranks: int, rows: int, top: int) -> Rankings:
    values = np.empty(queries), np.empty(queries)
    return Rankings(*values, np.empty(ranks), np.empty((rows, top), dtype=np.intp))
