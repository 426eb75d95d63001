"""What a model reaches on a subset with one kind of texts, for each seed of crops."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.retrieval.embeddings import EmbeddedNetwork, Vectors

Tree = Mapping[str, Any]
Outcome = tuple[Tree, list[pd.DataFrame]]  # numbers, and parts of a table of kind RANKS


@dataclass(frozen=True)
class Measured:
    """What a model reaches.

    Attributes:
        metrics: a tree of numbers for each crop seed.
        ranks: parts of a table of kind RANKS. A seed whose embeddings are those of an earlier one,
            as without any long clip, has none.
        chance: the numbers of a random order, as far as they are known.
        counts: of queries.
        notes: what a reader must know.
    """

    metrics: Sequence[Tree] = ()
    ranks: Sequence[pd.DataFrame] = ()
    chance: Tree = field(default_factory=dict)
    counts: Tree = field(default_factory=dict)
    notes: Sequence[str] = ()


def by_seed(
    networks: Sequence[EmbeddedNetwork],
    event_ids: Sequence[str],
    seeds: Sequence[int],
    measure: Callable[[list[Vectors], int], Outcome],
) -> tuple[list[Tree], list[pd.DataFrame]]:
    """Return the numbers of each seed, and the ranks of seeds with embeddings of their own.

    Args:
        networks: of the model.
        event_ids: clips that are compared.
        seeds: of crops.
        measure: takes the vectors of the clips in each network, and the seed.
    """
    found: dict[bytes, Tree] = {}
    metrics: list[Tree] = []
    ranks: list[pd.DataFrame] = []
    for seed in seeds:
        rows: list[NDArray[np.intp]] = [n.clips.rows(event_ids, seed) for n in networks]
        key = b"".join(at.tobytes() for at in rows)
        if key not in found:
            vectors = [n.clips.embeddings.vectors[at] for n, at in zip(networks, rows, strict=True)]
            found[key], parts = measure(vectors, seed)
            ranks += parts
        metrics.append(found[key])
    return metrics, ranks


def rank_rows(
    where: Mapping[str, Any],
    queries: Sequence[str],
    ranks: NDArray[np.float64],
    top: NDArray[np.object_],
) -> pd.DataFrame:
    """Return rows of kind RANKS.

    Args:
        where: the columns `relevancy`, `kind`, `crop_seed` and `direction`.
        queries: (N,) names of the queries.
        ranks: (N,) of the right items, from 0.
        top: (N, K) names of the most similar items.
    """
    columns = {"query": list(queries), "rank": ranks + 1, "top": list(top)}
    return pd.DataFrame({**dict.fromkeys(where, ""), **columns}).assign(**where)


def finite_mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of the values that are numbers, None where there is none."""
    known = values[~np.isnan(values)]
    return float(np.mean(known)) if len(known) else None


def over_seeds(trees: Sequence[Any], reduce: Callable[[NDArray[np.float64]], Any]) -> Any:
    """Return a tree of what `reduce` makes of the numbers at each place of trees of one shape."""
    if isinstance(trees[0], Mapping):
        return {name: over_seeds([t[name] for t in trees], reduce) for name in trees[0]}
    return None if None in trees else reduce(np.array(trees, dtype=np.float64))


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean over seeds."""
    return float(np.mean(values))


def deviation(values: NDArray[np.float64]) -> float | None:
    """Return the standard deviation over seeds, with one degree of freedom less than seeds."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
