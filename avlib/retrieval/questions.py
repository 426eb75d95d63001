"""Questions of a subset: which of five clips fits a text."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

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


def measure_questions(
    subset: Subset,
    questions: pd.DataFrame,
    kind: str,
    networks: Sequence[EmbeddedNetwork],
    settings: RetrievalEvaluation,
) -> Measured:
    """Return the accuracy of questions by their type in percent, nothing where none can be asked.

    A question is left out where a choice has no embedding, or where it has no text of the kind.

    Args:
        subset: the clips.
        questions: table of kind QUESTIONS.
        kind: of the texts of a network of sound.
        networks: one, or one of frames and one of sound.
        settings: how they are compared.

    Raises:
        DataError: if an embedding is missing.
    """
    is_asked = questions[CHOICES].isin(subset.kept_ids).all(axis=1) & questions[kind].notna()
    asked = questions[is_asked].reset_index(drop=True)
    counts = {"questions": len(asked), "questions_left_out": len(questions) - len(asked)}
    if asked.empty:
        return Measured(counts=counts)
    used = pd.Index(np.unique(asked[CHOICES].to_numpy(dtype=object).ravel()))
    places = np.stack([used.get_indexer(asked[name]) for name in CHOICES], axis=1)
    texts = [n.texts[n.kind(kind)].of(asked[n.kind(kind)].tolist()) for n in networks]
    answers = asked["answer"].to_numpy()
    types = [name for name in TYPES.values() if (asked["type"] == name).any()]

    def measure(vectors: list[Vectors], seed: int) -> Outcome:
        similarities = np.concatenate(
            [
                _fused([t[rows] for t in texts], [v[places[rows]] for v in vectors], settings)
                for rows in block_rows(len(asked), places.shape[1] * vectors[0].shape[1])
            ]
        )
        ranks, order = question_ranks(similarities, answers)
        shares = {t: 100.0 * float(np.mean(ranks[asked["type"] == t] == 0)) for t in types}
        where = {"relevancy": subset.relevancy, "kind": kind, "crop_seed": seed}
        names = np.take_along_axis(asked[CHOICES].to_numpy(dtype=object), order, axis=1)
        ids = asked["question_id"].tolist()
        return {"accuracy": shares}, [
            rank_rows(where | {"direction": "question"}, ids, ranks, names)
        ]

    metrics, found = by_seed(networks, used.tolist(), settings.crop_seeds, measure)
    by_chance = {"accuracy": dict.fromkeys(types, 100.0 / len(CHOICES))}
    return Measured(metrics, found, by_chance, counts)


def _fused(
    texts: Sequence[Floats], choices: Sequence[Floats], settings: RetrievalEvaluation
) -> Floats:
    """Return similarities (Q, C) of texts (Q, D) and choices (Q, C, D) of each network."""
    found = [
        normalised(choice_similarities(t, c), settings.fusion.normalisation)
        for t, c in zip(texts, choices, strict=True)
    ]
    return found[0] if len(found) == 1 else fused(found[0], found[1], settings.fusion.ratio)
