"""Clips that rank the sentences of a subset, and sentences that rank its clips.

A network of frames is compared with the original texts, one of sound with the kind that is asked
for, as published. Clips with equal texts share a caption, so that these tie exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from avlib.retrieval.embeddings import EmbeddedNetwork, Vectors
from avlib.retrieval.metrics import QueryScores, means_by_name, recall
from avlib.retrieval.outcomes import Measured, Outcome, Tree, by_seed, finite_mean, rank_rows
from avlib.retrieval.ranking import Candidates, Rankings, chance, rank_clips, rank_sentences
from avlib.retrieval.relevancy import Relevancy, different_columns
from avlib.retrieval.settings import GRADED_GROUPS, RetrievalEvaluation
from avlib.retrieval.similarity import (
    DotProducts,
    DualSoftmax,
    Floats,
    Similarity,
    joined_vectors,
    unit_rows,
)
from avlib.retrieval.subset import Subset
from avlib.retrieval.tables import DIRECTIONS, TOP


@dataclass(frozen=True)
class _Task:
    """What is ranked, apart from the embeddings of clips.

    Attributes:
        subset: the clips.
        kind: of the sentences.
        sentences: their texts.
        candidates: captions of the clips that are compared, and of the sentences.
        graded: relevance of the sentences to those clips.
        captions: (U, D) embeddings of the captions.
        settings: how embeddings are compared.
    """

    subset: Subset
    kind: str
    sentences: Sequence[str]
    candidates: Candidates
    graded: Relevancy
    captions: Floats
    settings: RetrievalEvaluation

    def outcome(self, vectors: list[Vectors], seed: int) -> Outcome:
        """Return the numbers and the ranks of one seed, given vectors of the clips."""
        similarity = self._similarity(_joined(vectors, self.settings))
        a2t = rank_sentences(similarity, self.candidates, self.graded, TOP)
        t2a = rank_clips(similarity, self.candidates, self.graded, TOP)
        pairs = (QueryScores(x.ndcg, x.average_precision) for x in (a2t, t2a))
        tree = {
            **_graded_means(*pairs),
            "recall": {d: recall(x.ranks) for d, x in zip(DIRECTIONS, (a2t, t2a), strict=True)},
        }
        if self.settings.graded_by == "class":
            tree["by_class"] = self._by_class(a2t)
        return tree, self._ranks(a2t, t2a, seed)

    def _similarity(self, clips: Floats) -> Similarity:
        products = DotProducts(self.captions, clips)
        if not self.settings.dual_softmax:
            return products
        return DualSoftmax(products, self.candidates.counts)

    def _by_class(self, a2t: Rankings) -> Tree:
        """Return the means of the clips of each class, by its original text, as published.

        As in the means over all clips, those without relevance have no nDCG.
        """
        texts = np.array(self.subset.texts("original"), object)[self.subset.kept]
        values = {"ndcg": a2t.ndcg, "map": a2t.average_precision}
        means: dict[str, dict[str, float]] = {}
        for name, x in values.items():
            has_value = ~np.isnan(x)
            found = means_by_name(texts[has_value].tolist(), x[has_value])
            means[name] = {str(text): mean for text, (_, mean) in found.items()}
        return means

    def _ranks(self, a2t: Rankings, t2a: Rankings, seed: int) -> list[pd.DataFrame]:
        ids = np.array(self.subset.kept_ids, dtype=object)
        sentences = np.array(self.sentences, dtype=object)
        where = {"relevancy": self.subset.relevancy, "kind": self.kind, "crop_seed": seed}
        top = sentences[a2t.top], ids[t2a.top[self.candidates.of_clips]]
        return [
            rank_rows(where | {"direction": direction}, ids.tolist(), found.ranks, best)
            for direction, found, best in zip(DIRECTIONS, (a2t, t2a), top, strict=True)
        ]


def measure_ranking(
    subset: Subset,
    kind: str,
    networks: Sequence[EmbeddedNetwork],
    settings: RetrievalEvaluation,
    given: Path | None = None,
) -> Measured:
    """Return nDCG, mAP and recall of a subset, nothing where it has no clip or no sentence.

    Args:
        subset: the clips and sentences.
        kind: of the sentences, and of the texts of a network of sound.
        networks: one, or one of frames and one of sound.
        settings: how they are compared.
        given: published matrix of graded relevance; None: computed from the classes.

    Raises:
        DataError: if a table, the matrix or an embedding is missing or wrong.
    """
    sentences = subset.sentences(kind)
    if not subset.is_kept.any() or sentences.empty:
        return Measured()
    graded, notes = _relevancy(subset, kind, sentences, settings, given)
    graded = graded.subset(subset.kept)
    candidates, captions = _captions(subset, kind, networks, sentences)
    texts = [
        network.texts[network.kind(kind)].of([caption[number] for caption in captions])
        for number, network in enumerate(networks)
    ]
    listed = sentences["text"].tolist()
    joined = _joined(texts, settings)
    task = _Task(subset, kind, listed, candidates, graded, joined, settings)
    metrics, ranks = by_seed(networks, subset.kept_ids, settings.crop_seeds, task.outcome)
    expected = chance(graded)
    without = {d: int(np.isnan(x.ndcg).sum()) for d, x in zip(DIRECTIONS, expected, strict=True)}
    counts = {"sentences": len(sentences), "queries_without_relevance": without}
    return Measured(metrics, ranks, _graded_means(*expected), counts, notes)


def _relevancy(
    subset: Subset,
    kind: str,
    sentences: pd.DataFrame,
    settings: RetrievalEvaluation,
    given: Path | None,
) -> tuple[Relevancy, list[str]]:
    """Return the relevance of sentences to all clips, and a note where its sources differ."""
    computed = subset.graded(GRADED_GROUPS[settings.graded_by], sentences)
    if given is None:
        return computed, []
    matrix = subset.given(given, sentences)
    differ = different_columns(matrix, computed)
    note = (
        f"{subset.relevancy}, {kind}: the relevance of {given} is not that of the classes for "
        f"{differ} of {len(sentences)} sentences."
    )
    return matrix, [note] if differ else []


def _captions(
    subset: Subset, kind: str, networks: Sequence[EmbeddedNetwork], sentences: pd.DataFrame
) -> tuple[Candidates, list[tuple[str, ...]]]:
    """Return whose the distinct captions are, and each one as the texts that the networks get."""
    of_all = list(zip(*(subset.texts(n.kind(kind)) for n in networks), strict=True))
    of_clips = [of_all[clip] for clip in subset.kept]
    of_sentences = [of_all[clip] for clip in sentences["clip"]]
    number = {caption: i for i, caption in enumerate(dict.fromkeys([*of_clips, *of_sentences]))}
    places = (np.array([number[c] for c in part], np.intp) for part in (of_clips, of_sentences))
    return Candidates(len(number), *places), list(number)


def _joined(vectors: Sequence[Floats], settings: RetrievalEvaluation) -> Floats:
    """Return the vectors of the networks as one, whose products rank."""
    ready = [x.astype(np.float64) if settings.dual_softmax else unit_rows(x) for x in vectors]
    if len(ready) == 1:
        return ready[0]
    visual, audio = ready
    return joined_vectors(visual, audio, settings.fusion.ratio)


def _graded_means(of_clips: QueryScores, of_sentences: QueryScores) -> dict[str, Tree]:
    """Return nDCG of queries with any relevance, and mAP of all, of both directions."""
    pairs = {
        "ndcg": (of_clips.ndcg, of_sentences.ndcg),
        "map": (of_clips.average_precision, of_sentences.average_precision),
    }
    tree: dict[str, Tree] = {}
    for name, values in pairs.items():
        means = [finite_mean(x) for x in values]
        both = None if None in means else float(np.mean(means))  # type: ignore[arg-type]
        tree[name] = dict(zip((*DIRECTIONS, "mean"), (*means, both), strict=True))
    return tree
