"""Search among items of a study by embeddings: clips, seconds or intervals, nearest to words."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.tagging.queries import Hit
from avlib.tagging.scans import Scores, standardised
from avlib.tagging.scores import FEW_SECONDS, SHORTEST
from avlib.tagging.search import Found, LegMeaning

Vectors = NDArray[np.floating[Any]]
Rows = NDArray[np.int64]


class Items(NamedTuple):
    """What can be found.

    Attributes:
        kind: clips, seconds or intervals.
        video_ids: (N,) of their videos.
        start_s, stop_s: (N,) where they are.
    """

    kind: str
    video_ids: Sequence[str]
    start_s: NDArray[np.float64]
    stop_s: NDArray[np.float64]


class Space(NamedTuple):
    """The embeddings of items by one network, and that of the words.

    Attributes:
        network: its name.
        vector: (D,) of the words.
        blocks: numbers of items, and their embeddings (n, D); one block is in memory at a time.
    """

    network: str
    vector: Vectors
    blocks: Iterable[tuple[Rows, Vectors]]


def nearest_items(
    words: str, items: Items, spaces: Sequence[Space], top: int, remark: str = ""
) -> Found:
    """Return the items whose embeddings are nearest to those of words.

    The score is the mean over the networks of the cosine, in deviations from its mean over all
    items; with fewer than FEW_SECONDS items of the cosine itself. An item that a network has no
    embedding of has the score of the others; of several embeddings of an item the nearest counts.

    Args:
        words: the query.
        items: what can be found.
        spaces: one or more.
        top: items to find, at least 1.
        remark: what the result says besides.

    Raises:
        DataError: if embeddings are of another width than those of words.
    """
    scores = {space.network: _cosines(space, len(items.video_ids)) for space in spaces}
    is_raw = len(items.video_ids) < FEW_SECONDS
    stacked = np.stack([own if is_raw else _in_deviations(own) for own in scores.values()])
    found = np.flatnonzero(~np.isnan(stacked).all(axis=0))
    mean = np.nanmean(stacked[:, found], axis=0)
    if len(found) > top:
        is_best = mean >= np.partition(mean, -top)[-top]
        best, mean_of_best = found[is_best], mean[is_best]
    else:
        best, mean_of_best = found, mean
    hits = []
    for i, score in zip(best.tolist(), mean_of_best.tolist(), strict=True):
        own = dict(zip(scores, stacked[:, i].tolist(), strict=True))
        parts = {network: value for network, value in own.items() if not np.isnan(value)}
        span = float(items.start_s[i]), float(items.stop_s[i])
        hits.append(Hit(str(items.video_ids[i]), *span, score, parts))
    hits.sort(key=lambda hit: (-hit.score, hit.video_id, hit.start_s))
    legs = {network: LegMeaning(1 / len(scores)) for network in scores}
    unit = "cosine" if is_raw else "deviations"
    return Found(words, unit, len(found), legs, hits[:top], remark, items.kind)


def _in_deviations(cosines: Scores) -> Scores:
    return cosines if np.isnan(cosines).all() else standardised(cosines)


def _cosines(space: Space, n_items: int) -> Scores:
    """Return the cosine of each item, NaN where it has no finite embedding."""
    found = np.full(n_items, np.nan)
    query = _unit(np.asarray(space.vector, np.float64))
    for rows, vectors in space.blocks:
        if len(rows) and vectors.shape[1] != len(query):
            raise DataError(
                f"{space.network}: its stored embeddings have {vectors.shape[1]} channels, texts "
                f"by the weights that the configuration names have {len(query)}; name the weights "
                "that the embeddings were made by, or make them anew"
            )
        cosines = _unit(np.asarray(vectors, np.float64)) @ query
        np.fmax.at(found, rows, np.where(np.isfinite(cosines), cosines, np.nan))
    return found


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, SHORTEST))
