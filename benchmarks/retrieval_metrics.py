"""Metrics of 9,668 clips and 3,842 sentences: the published way, rebuilt, against avlib.

Workload: the test split of multi-instance retrieval of EPIC-KITCHENS-100 with random embeddings of
64 channels, one thread. The published way is rebuilt here: whole float64 matrices, a sort for each
metric and for each ideal order, recall on the matrix of all clips and the text of each, one query
after another. Where the folder of public data is absent, tables of the same size are made up.

    .venv/bin/python benchmarks/retrieval_metrics.py [--data FOLDER]
"""

import argparse
import resource
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import ROOT, best_cpu_seconds, describe, write_result
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from avlib.datasets import epic_mir
from avlib.retrieval.metrics import recall
from avlib.retrieval.ranking import Candidates, rank_clips, rank_sentences
from avlib.retrieval.relevancy import Relevancy, shared_classes
from avlib.retrieval.similarity import DotProducts, unit_rows

CLIPS, SENTENCES, TEXTS, CHANNELS = 9_668, 3_842, 3_835, 64
VERBS, NOUNS = 97, 300
# The public copy of the clips' table is that of action recognition, which is the same.
FILES = {
    "clips": "EPIC_100_validation.csv",
    "sentences": "EPIC_100_retrieval_test_sentence.csv",
}
PART = 200  # clips of the relevance that the published way is timed on
ROUNDS = 3
Matrix = NDArray[np.float64]
Sets = list[frozenset[int]]


class Tables:
    """What is ranked: classes and texts of clips, and the clip of each sentence."""

    def __init__(
        self, verbs: Sets, nouns: Sets, texts: Sequence[str], clips: Sequence[int]
    ) -> None:
        self.groups, self.sentences = [verbs, nouns], np.array(clips, dtype=np.intp)
        number = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        of_clips = np.array([number[text] for text in texts], dtype=np.intp)
        self.candidates = Candidates(len(number), of_clips, of_clips[self.sentences])

    @classmethod
    def read(cls, folder: Path) -> "Tables":
        """Return the published tables of a folder."""
        found = epic_mir.read({role: folder / name for role, name in FILES.items()})
        place = {event_id: i for i, event_id in enumerate(found.clips["event_id"])}
        sets: dict[str, list[set[int]]] = {g: [set() for _ in place] for g in ("verb", "noun")}
        for row in found.clip_classes.itertuples():
            sets[row.group][place[row.event_id]].add(row.class_id)
        verbs, nouns = ([frozenset(found) for found in sets[g]] for g in ("verb", "noun"))
        clips = [place[event_id] for event_id in found.sentences["event_id"]]
        return cls(verbs, nouns, found.texts["text"].tolist(), clips)

    @classmethod
    def made_up(cls) -> "Tables":
        """Return tables of the real size."""
        rng = np.random.default_rng(0)
        verbs = np.minimum(rng.geometric(0.08, CLIPS), VERBS)
        nouns = np.minimum(rng.geometric(0.02, (CLIPS, 2)), NOUNS)
        texts = [str(n) for n in np.append(np.arange(TEXTS), rng.integers(0, TEXTS, CLIPS - TEXTS))]
        clips = [*range(TEXTS), *range(SENTENCES - TEXTS)]
        of_verbs, of_nouns = (
            [frozenset(row) for row in x.tolist()] for x in (verbs[:, None], nouns)
        )
        return cls(of_verbs, of_nouns, texts, clips)

    def relevancy(self) -> Relevancy:
        """Return the relevance of sentences to clips."""
        return shared_classes(self.groups, self.sentences)


def published_relevancy(groups: Sequence[Sets], clips: Sequence[int], sentences: Any) -> Matrix:
    """Return relevance, one clip and sentence after another."""
    matrix = np.zeros((len(clips), len(sentences)))
    for i, clip in enumerate(clips):
        for j, sentence in enumerate(sentences):
            shares = [len(g[clip] & g[sentence]) / len(g[clip] | g[sentence]) for g in groups]
            matrix[i, j] = sum(shares) / len(shares)
    return matrix


def published_dcg(similarities: Matrix, relevancy: Matrix, counted: Matrix) -> Matrix:
    """Return the DCG of each row over the places that are counted."""
    order = np.argsort(similarities, axis=1)[:, ::-1]
    ranked = np.take_along_axis(relevancy, order, axis=1)
    return np.sum(ranked * counted / np.log2(np.arange(ranked.shape[1]) + 2), axis=1)


def published_ndcg(similarities: Matrix, relevancy: Matrix) -> Matrix:
    """Return the nDCG of each row."""
    counted = (np.sort(relevancy, axis=1)[:, ::-1] > 0).astype(np.float64)
    ideal = published_dcg(relevancy, relevancy, counted)
    return published_dcg(similarities, relevancy, counted) / ideal


def published_precision(similarities: Matrix, relevancy: Matrix) -> Matrix:
    """Return the average precision of each row."""
    order = np.argsort(-similarities, axis=1)
    ranked = np.take_along_axis(relevancy, order, axis=1)
    precision = np.cumsum(ranked, axis=1) / np.arange(1, ranked.shape[1] + 1)
    perfect = ranked == 1
    return np.sum(precision * perfect, axis=1) / np.maximum(perfect.sum(axis=1), 1)


def published_clip_ranks(similarities: Matrix) -> Matrix:
    """Return the rank of the clip of each text."""
    distances = -similarities
    ranked = np.sort(distances, axis=1)
    own = np.diag(distances)[:, None]
    rows, columns = np.where(ranked == own)
    _, first = np.unique(rows, return_index=True)
    return columns[first].astype(np.float64)


def published_text_ranks(similarities: Matrix) -> Matrix:
    """Return the rank of the text of each clip."""
    ranks = np.empty(len(similarities))
    for clip, row in enumerate(-similarities.T):
        ranks[clip] = np.where(np.sort(row) == row[clip])[0].mean()
    return ranks


def published_metrics(
    texts: Any, clips: Any, tables: Tables, relevancy: Matrix
) -> dict[str, float]:
    """Return all metrics from embeddings of captions and of clips."""
    of_clips = texts[tables.candidates.of_clips]  # a row for each clip's own text
    every = ((unit_rows(of_clips) @ unit_rows(clips).T) + 1) / 2
    scores = every.T[:, tables.sentences].astype(np.float64)
    found = {
        "ndcg a2t": published_ndcg(scores, relevancy).mean(),
        "ndcg t2a": published_ndcg(scores.T, relevancy.T).mean(),
        "map a2t": published_precision(scores, relevancy).mean(),
        "map t2a": published_precision(scores.T, relevancy.T).mean(),
    }
    ranks = {"a2t": published_text_ranks(every), "t2a": published_clip_ranks(every)}
    return found | {f"r10 {d}": recall(r)["r10"] for d, r in ranks.items()}


def our_metrics(texts: Any, clips: Any, tables: Tables, relevancy: Relevancy) -> dict[str, float]:
    """Return all metrics from embeddings of captions and of clips."""
    products = DotProducts(unit_rows(texts), unit_rows(clips))
    found = {
        "a2t": rank_sentences(products, tables.candidates, relevancy),
        "t2a": rank_clips(products, tables.candidates, relevancy),
    }
    return {
        **{f"ndcg {d}": float(x.ndcg.mean()) for d, x in found.items()},
        **{f"map {d}": float(x.average_precision.mean()) for d, x in found.items()},
        **{f"r10 {d}": recall(x.ranks)["r10"] for d, x in found.items()},
    }


def measure_relevancy(tables: Tables, read: Callable[[], Tables]) -> dict[str, Any]:
    """Return the CPU seconds of both ways; the published way takes a part of the clips."""
    clips = range(PART)
    variants: Mapping[str, Callable[[], Any]] = {
        "published": lambda: published_relevancy(tables.groups, clips, tables.sentences),
        "matrix": lambda: tables.relevancy().dense(),
        "reading": lambda: read().relevancy().dense(),
    }
    seconds = best_cpu_seconds(variants, ROUNDS)
    published = seconds["published"] * CLIPS / PART
    difference = np.abs(tables.relevancy().dense()[:PART] - variants["published"]()).max()
    return {
        "relevance: published way, CPU s": round(published, 1),
        "relevance: the matrix, CPU s": round(seconds["matrix"], 2),
        "relevance: with reading, CPU s": round(seconds["reading"], 2),
        "relevance: times faster": round(published / seconds["reading"], 1),
        "relevance: largest difference": float(difference),
    }


def measure_metrics(tables: Tables) -> dict[str, Any]:
    """Return CPU seconds of both ways, how far they are apart, and the memory of ours."""
    rng = np.random.default_rng(0)
    relevancy, n_captions = tables.relevancy(), tables.candidates.captions
    clips, texts = (
        rng.standard_normal((n, CHANNELS), dtype=np.float32) for n in (CLIPS, n_captions)
    )
    ours = our_metrics(texts, clips, tables, relevancy)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before the other way runs
    dense = relevancy.dense()
    variants: Mapping[str, Callable[[], Any]] = {
        "published": lambda: published_metrics(texts, clips, tables, dense),
        "ours": lambda: our_metrics(texts, clips, tables, relevancy),
    }
    seconds = best_cpu_seconds(variants, ROUNDS)
    published = variants["published"]()
    return {
        "all metrics: published way, CPU s": round(seconds["published"], 1),
        "all metrics: ours, CPU s": round(seconds["ours"], 2),
        "all metrics: times faster": round(seconds["published"] / seconds["ours"], 1),
        "all metrics: largest difference": max(abs(ours[n] - x) for n, x in published.items()),
        "all metrics: memory of ours, MiB": round(memory),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description="Measure the metrics of retrieval.")
    public = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=public, help="folder of public data")
    folder = parser.parse_args().data / "epic100"
    describe(__doc__)
    is_real = (folder / FILES["clips"]).is_file()
    read = partial(Tables.read, folder) if is_real else Tables.made_up
    with threadpool_limits(1):
        tables = read()
        result = {"tables": "EPIC-KITCHENS-100" if is_real else "made up"}
        result |= measure_metrics(tables) | measure_relevancy(tables, read)
    write_result("retrieval_metrics", result, "numpy")


if __name__ == "__main__":
    main()
