"""Operations of the scores of retrieval: similarities, relevance, rankings and their metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from avlib.datasets.published import read_published, seconds
from avlib.errors import DataError
from avlib.retrieval.metrics import caption_ranks, clip_ranks, means_by_name, recall
from avlib.retrieval.ranking import Candidates, Rankings, rank_clips, rank_sentences
from avlib.retrieval.relevancy import Relevancy, of_matrix, shared_classes
from avlib.retrieval.settings import TEMPERATURE
from avlib.retrieval.similarity import (
    DotProducts,
    DualSoftmax,
    Floats,
    Similarity,
    choice_similarities,
    fused,
    joined_vectors,
    normalised,
    unit_rows,
)
from avlib.retrieval.similarity import cosine as cosine_of
from avlib.retrieval.subset import LONG_S
from avlib.verify.operations import Array, Numerics, Results, operation

RECALL_NAMES = {
    **{f"r{k}": f"R{k}" for k in (1, 5, 10, 50)},
    "median_rank": "MedR",
    "mean_rank": "MeanR",
    "geometric_mean": "geometric_mean_R1-R5-R10",
}
QUESTION_TYPES = {1: "Inter-video", 2: "Intra-video"}
Normalisation = Literal["max", "one"]


@dataclass(frozen=True)
class Matrix:
    """Given similarities (clips, captions) as what queries are ranked by."""

    values: Array

    def of_clips(self, rows: slice) -> Floats:
        """See `Similarity`."""
        return self.values[rows]

    def of_captions(self, rows: slice) -> Floats:
        """See `Similarity`."""
        return np.ascontiguousarray(self.values.T[rows])


class Tables:
    """The published tables of clips and sentences of EPIC-KITCHENS-100.

    Args:
        clips: table with the columns of actions.
        sentences: table of the sentences.
        rows: clips to keep.
        columns: sentences to keep.
    """

    def __init__(self, clips: Path, sentences: Path, rows: Any = None, columns: Any = None) -> None:
        texts = ("narration_id", "narration", *SPAN)
        table = read_published(
            clips, texts=texts, numbers=("verb_class",), lists=("all_noun_classes",)
        )
        self.clips = table if rows is None else table.iloc[rows]
        listed = read_published(sentences, texts=("narration_id", "narration"))
        self.sentences = listed if columns is None else listed.iloc[columns]
        self.indexes = pd.Index(self.clips["narration_id"]).get_indexer(
            self.sentences["narration_id"]
        )
        if (self.indexes < 0).any():
            lost = self.sentences["narration_id"].iloc[int(np.argmin(self.indexes))]
            raise DataError(f"{sentences}: {lost!r} is no clip of {clips}")
        spans = (seconds(self.clips[name].reset_index(drop=True), clips) for name in SPAN)
        start_s, stop_s = spans
        self.durations_s = stop_s - start_s

    def relevancy(self, *groups: str) -> Relevancy:
        """Return relevance by verb, by noun, or both."""
        classes = {
            "verb": [frozenset({int(v)}) for v in self.clips["verb_class"]],
            "noun": [frozenset(nouns) for nouns in self.clips["all_noun_classes"]],
        }
        return shared_classes([classes[group] for group in groups], self.indexes)


SPAN = ("start_timestamp", "stop_timestamp")


@operation("retrieval", "relevancy")
def relevancy(clips: Path, sentences: Path) -> Results:
    """Return the relevance matrices of two published tables, and facts about them."""
    tables = Tables(clips, sentences)
    found = {"caption": ("verb", "noun"), "verb": ("verb",), "noun": ("noun",)}
    results: dict[str, Any] = {"indexes": tables.indexes}
    for name, groups in found.items():
        matrix = tables.relevancy(*groups).dense()
        is_one = matrix == 1
        results |= {
            name: matrix,
            f"{name}/n_equal_1": int(is_one.sum()),
            f"{name}/n_positive": int((matrix > 0).sum()),
            f"{name}/distinct": np.unique(matrix),
        }
        if name == "caption":
            for items, axis in (("clips", 1), ("sentences", 0)):
                without = int((~is_one.any(axis=axis)).sum())
                results[f"facts/{items}_without_any_relevance_1"] = without
    distinct = len(set(tables.clips["narration"]))
    return results | {
        "facts/distinct_narrations": distinct,
        "facts/extra_sentence_rows": len(tables.sentences) - distinct,
        "facts/clips_longer_than_10s": int((tables.durations_s > LONG_S).sum()),
    }


@operation("retrieval", "table_rankings")
def table_rankings(
    clips: Path,
    sentences: Path,
    noise: Array,
    rows: Array | None = None,
    columns: Array | None = None,
    *,
    relevancy_weight: float,
    noise_weight: float,
) -> Results:
    """Return the metrics of published tables whose similarities are relevance and noise.

    Args:
        clips: table of the clips.
        sentences: table of the sentences.
        noise: (clips, sentences).
        rows: clips to keep.
        columns: sentences to keep.
        relevancy_weight: factor of relevance.
        noise_weight: factor of the noise.
    """
    tables = Tables(clips, sentences, rows, columns)
    graded = tables.relevancy("verb", "noun")
    values = graded.dense()
    values *= relevancy_weight
    values += noise_weight * noise
    v, t = _ranked(values, graded)
    names = tables.clips["narration"].tolist()
    by_class = [means_by_name(names, x) for x in (v.ndcg, v.average_precision)]
    lines = _class_report(by_class[0], by_class[1], t)
    return {
        **_values(v, t),
        **dict(zip(("class_v_ndcg", "class_v_map"), map(_means, by_class), strict=True)),
        "indexes": tables.indexes,
        "n_classes": len(by_class[0]),
        "report": _report(np.mean(v.ndcg), np.mean(v.average_precision), t),
        **{f"class_report/{number}": line for number, line in enumerate(lines)},
    }


def _means(found: Any) -> Array:
    return np.array([mean for _, mean in found.values()])


def _class_report(ndcg: Any, average_precision: Any, t: Rankings) -> list[str]:
    """Return the lines that published code prints of each class."""
    lines = []
    for (name, (count, of_ndcg)), (_, ap) in zip(
        ndcg.items(), average_precision.values(), strict=True
    ):
        lines.append(f"For level {name} there are {count} aud examples.")
        lines += _report(of_ndcg, ap, t).splitlines()
    return lines


def _report(ndcg: Any, average_precision: Any, t: Rankings) -> str:
    lines = []
    pairs = {"nDCG": (ndcg, t.ndcg), "mAP": (average_precision, t.average_precision)}
    for name, (vt, of_t) in pairs.items():
        tv = np.mean(of_t)
        lines.append(f"{name}: VT:{vt:.3f} TV:{tv:.3f} AVG:{(vt + tv) / 2:.3f}\n")
    return "".join(lines)


def _ranked(values: Array, graded: Relevancy) -> tuple[Rankings, Rankings]:
    """Return rankings by given similarities (clips, sentences); their ranks mean nothing."""
    n_clips, n_sentences = values.shape
    candidates = Candidates(n_sentences, np.zeros(n_clips, np.intp), np.arange(n_sentences))
    similarity = Matrix(values)
    return rank_sentences(similarity, candidates, graded), rank_clips(
        similarity, candidates, graded
    )


def _values(v: Rankings, t: Rankings) -> Results:
    return {
        "v_ndcg": v.ndcg,
        "t_ndcg": t.ndcg,
        "v_map": v.average_precision,
        "t_map": t.average_precision,
    }


@operation("retrieval", "ranking_metrics")
def ranking_metrics(sims: Array, relevancy: Array) -> Results:
    """Return the metrics of similarities and relevance (clips, sentences), and their means.

    `k_counts` are ones for as many places of each row as nDCG counts.
    """
    v, t = _ranked(sims, of_matrix(relevancy))
    k = np.count_nonzero(relevancy, axis=1)
    return {
        **_values(v, t),
        "ndcg": np.array([np.mean(v.ndcg)]),
        "map": np.array([np.mean(v.average_precision)]),
        "k_counts": (np.arange(relevancy.shape[1]) < k[:, None]).astype(np.int64),
    }


@operation("retrieval", "embedding_rankings")
def embedding_rankings(
    clips: Path,
    sentences: Path,
    text: Array,
    video: Array,
    numerics: Numerics,
    *,
    dual_softmax: bool,
    text_scale: float,
    video_scale: float,
) -> Results:
    """Return the metrics of published tables and embeddings of each clip and its text.

    Args:
        clips: table of the clips.
        sentences: table of the sentences.
        text: of each clip, (clips, D).
        video: of each clip, (clips, D).
        numerics: with the precision of the similarities.
        dual_softmax: whether similarities are re-weighted.
        text_scale: factor of the texts.
        video_scale: factor of the clips.
    """
    tables, dtype = Tables(clips, sentences), str(numerics.dtype).removeprefix("torch.")
    scaled = zip((text, video), (text_scale, video_scale), strict=True)
    texts, sounds = ((x * np.float32(scale)).astype(dtype) for x, scale in scaled)
    if not dual_softmax:
        texts, sounds = unit_rows(texts), unit_rows(sounds)
    # The published sort is ascending and reversed, so that of equal items the last comes first.
    own, columns = np.arange(len(text))[::-1], tables.indexes[::-1]
    candidates, similarity = Candidates(len(text), own, columns), DotProducts(texts, sounds[::-1])
    graded = _reversed(tables.relevancy("verb", "noun"))
    ranked_by: Similarity = similarity
    if dual_softmax and dtype == "float32":
        ranked_by = Matrix(_float32_dual_softmax(texts, sounds).T[::-1])
    elif dual_softmax:
        ranked_by = DualSoftmax(similarity, candidates.counts)
    v, t = (rank(ranked_by, candidates, graded) for rank in (rank_sentences, rank_clips))
    values = {name: x[::-1] for name, x in _values(v, t).items()}
    return {**values, "v2t": _recall(v.ranks), "t2v": _recall(t.ranks)}


def _reversed(graded: Relevancy) -> Relevancy:
    return replace(graded, clips=graded.clips[::-1], sentences=graded.sentences[::-1])


def _float32_dual_softmax(texts: Array, clips: Array) -> Array:
    """Return the dual softmax (texts, clips) whose sums are as imprecise as the published ones."""
    products = torch.from_numpy(texts) @ torch.from_numpy(clips).T
    products *= torch.softmax(products / TEMPERATURE, dim=1)
    shares: Array = torch.softmax(products, dim=0).numpy()
    return shares


def _recall(ranks: Any) -> dict[str, float]:
    return {RECALL_NAMES[name]: value for name, value in recall(ranks).items()}


@operation("retrieval", "recall")
def recall_values(sims: Array) -> Results:
    """Return recall of similarities (texts, clips), and the texts whose own clip is the highest.

    With several texts a clip, those of a clip follow each other.

    Raises:
        ValueError: if clips have different numbers of texts.
    """
    n_texts, n_clips = sims.shape
    if not n_clips or n_texts % n_clips:
        raise ValueError(f"expected as many texts of each clip, got {n_texts} of {n_clips} clips")
    each = n_texts // n_clips
    own = np.arange(n_texts) // each
    of_texts = np.concatenate([clip_ranks(sims[i], own[i : i + 1]) for i in range(n_texts)])
    counts, first = np.ones(n_texts, np.int64), np.arange(n_clips) * each
    of_clips = np.min([caption_ranks(sims.T, first + i, counts) for i in range(each)], axis=0)
    return {
        "t2v": _recall(of_texts),
        "v2t": _recall(of_clips),
        "correct_text_rows": np.flatnonzero(of_texts == 0),
    }


@operation("retrieval", "dual_softmax")
def dual_softmax(
    text: Array,
    video: Array,
    audio_text: Array | None = None,
    audio: Array | None = None,
    *,
    temperature: float,
) -> Results:
    """Return products of texts and clips (N, D), the first softmax times them, and the result."""
    products = DotProducts(*_joined(text, video, audio_text, audio, is_unit=False))
    every = slice(0, len(text))
    similarity = DualSoftmax(products, np.ones(len(text), np.int64), temperature)
    return {
        "dot": products.of_captions(every),
        "first": similarity.first(every),
        "out": similarity.of_captions(every),
    }


def _joined(
    text: Array, video: Array, audio_text: Array | None, audio: Array | None, *, is_unit: bool
) -> Sequence[Floats]:
    """Return vectors of texts and of clips in float64, of two models with equal weights."""
    pairs = [(text, video)] if audio is None else [(text, video), (audio_text, audio)]
    wide = [[np.asarray(x, np.float64) for x in pair] for pair in pairs]
    ready = [[unit_rows(x) if is_unit else x for x in pair] for pair in wide]
    if len(ready) == 1:
        return ready[0]
    return [joined_vectors(v, a, 1.0) for v, a in zip(*ready, strict=True)]


@operation("retrieval", "fused_similarity")
def fused_similarity(text: Array, video: Array, audio_text: Array, audio: Array) -> Results:
    """Return the similarities (clips, texts) of two models of equal weight, in [0, 1]."""
    products = DotProducts(*_joined(text, video, audio_text, audio, is_unit=True))
    return {"sims": (products.of_clips(slice(0, len(video))) + 1) / 2}


@operation("retrieval", "cosine")
def cosine(a: Array, b: Array, *, norm: Normalisation | None) -> Results:
    """Return cosines of (A, D) and (B, D), or of (N, 1, D) and (N, B, D)."""
    cosines = cosine_of(a, b)
    return {"sims": normalised(cosines[:, 0] if a.ndim == 3 else cosines, norm)}


@operation("retrieval", "mcq_fusion")
def mcq_fusion(
    video_text: Array,
    videos: Array,
    audio_text: Array,
    recordings: Array,
    *,
    norm: Normalisation | None,
    ratio: float,
) -> Results:
    """Return the similarities (1, C) of a question and its choices by two models.

    Args:
        video_text: (1, D) of the model of frames.
        videos: (C, D).
        audio_text: (1, E) of the model of sound.
        recordings: (C, E).
        norm: normalisation of each model's similarities.
        ratio: weight of the model of frames.
    """
    pairs = (video_text, videos), (audio_text, recordings)
    visual, audio = (normalised(choice_similarities(t, c[None]), norm) for t, c in pairs)
    return {"sims": fused(visual, audio, ratio)}


@operation("retrieval", "mcq_accuracy")
def mcq_accuracy(
    preds: Array, labels: Array, types: Array, *, only_type: int | None = None
) -> Results:
    """Return the accuracy of questions by their type, in percent, under the published names.

    The published code calls the type Inter-video where there is only one.

    Args:
        preds: (Q, C) similarities.
        labels: (Q,) number of the right choice.
        types: (Q,) 1 or 2.
        only_type: the type to keep.
    """
    is_right = np.argmax(preds, axis=1) == labels  # NaN counts as the maximum, as published
    kept = {k: is_right[types == k] for k in QUESTION_TYPES if only_type in (None, k)}
    names = list(QUESTION_TYPES.values())
    shares = [100.0 * float(np.mean(found)) for found in kept.values() if len(found)]
    return {"accuracy": dict(zip(names, shares, strict=False))}
