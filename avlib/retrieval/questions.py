"""Questions of a subset: which of five clips fits a text."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.ego_mcq import N_CHOICES, TYPES
from avlib.retrieval.embeddings import EmbeddedNetwork, Vectors
from avlib.retrieval.metrics import question_ranks
from avlib.retrieval.outcomes import Measured, Outcome, by_seed, rank_rows
from avlib.retrieval.settings import RetrievalEvaluation
from avlib.retrieval.similarity import (
    Floats,
    block_rows,
    choice_similarities,
    fused,
    normalised,
)
from avlib.retrieval.subset import Subset

CHOICES = [f"choice_{number}" for number in range(N_CHOICES)]
CHANCE = 100.0 / len(CHOICES)  # percent


def measure_questions(
    subset: Subset,
    questions: pd.DataFrame,
    kind: str,
    networks: Sequence[EmbeddedNetwork],
    settings: RetrievalEvaluation,
) -> Measured:
    """Return the accuracy of questions by their type in percent, nothing where none can be asked.

    Args:
        subset: the clips.
        questions: table of kind QUESTIONS; one without a text or an embedding is left out.
        kind: of the texts of a network of sound.
        networks: one, or one of frames and one of sound.
        settings: how they are compared.

    Raises:
        DataError: if an embedding is missing.
    """
    has_all = questions[CHOICES].isin(subset.kept_ids).all(axis=1)
    asked = questions[has_all & questions[kind].notna()].reset_index(drop=True)
    counts = {"questions": len(asked), "questions_left_out": len(questions) - len(asked)}
    if asked.empty:
        return Measured(counts=counts)
    choices = asked[CHOICES].to_numpy(dtype=object)
    used, places = _distinct(choices)
    texts = [n.texts[n.kind(kind)].of(asked[n.kind(kind)].tolist()) for n in networks]
    ids, where = asked["question_id"].tolist(), {"relevancy": subset.relevancy, "kind": kind}
    types = [name for name in TYPES.values() if (asked["type"] == name).any()]

    def measure(vectors: list[Vectors], seed: int) -> Outcome:
        similarities = _similarities(texts, vectors, places, settings)
        ranks, order = question_ranks(similarities, asked["answer"].to_numpy())
        shares = {t: 100.0 * float(np.mean(ranks[asked["type"] == t] == 0)) for t in types}
        names = np.take_along_axis(choices, order, axis=1)
        here = where | {"crop_seed": seed, "direction": "question"}
        return {"accuracy": shares}, [rank_rows(here, ids, ranks, names)]

    metrics, ranked = by_seed(networks, used, settings.crop_seeds, measure)
    return Measured(metrics, ranked, {"accuracy": dict.fromkeys(types, CHANCE)}, counts)


def _distinct(choices: NDArray[np.object_]) -> tuple[list[str], NDArray[np.intp]]:
    """Return the distinct names among choices (Q, C), and the places of all in them (Q, C)."""
    used = pd.Index(np.unique(choices.ravel()))
    return used.tolist(), np.stack([used.get_indexer(column) for column in choices.T], axis=1)


def _similarities(
    texts: Sequence[Floats],
    clips: Sequence[Floats],
    places: NDArray[np.intp],
    settings: RetrievalEvaluation,
) -> Floats:
    """Return similarities (Q, C) of texts (Q, D) and the clips (N, D) at `places` (Q, C)."""
    blocks = block_rows(len(places), places.shape[1] * clips[0].shape[1])
    parts = (([t[rows] for t in texts], [v[places[rows]] for v in clips]) for rows in blocks)
    return np.concatenate([_fused(*part, settings) for part in parts])


def _fused(
    texts: Sequence[Floats], choices: Sequence[Floats], settings: RetrievalEvaluation
) -> Floats:
    """Return similarities (Q, C) of texts (Q, D) and choices (Q, C, D) of each network."""
    found = [
        normalised(choice_similarities(t, c), settings.fusion.normalisation)
        for t, c in zip(texts, choices, strict=True)
    ]
    return found[0] if len(found) == 1 else fused(found[0], found[1], settings.fusion.ratio)
