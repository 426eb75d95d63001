"""Stage evaluate_retrieval: annotations and embeddings to metrics and ranks.

Source: Oncescu et al., "A sound approach", ICASSP 2024, tables 1 to 5.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avlib.errors import DataError
from avlib.evaluation.metrics_file import (
    Provenance,
    origin_notes,
    weights_entries,
    write_metrics,
)
from avlib.io.tables import write_parts
from avlib.origins import Origin
from avlib.retrieval.embeddings import EmbeddedClips, EmbeddedNetwork, EmbeddedTexts
from avlib.retrieval.outcomes import Measured, deviation, mean, over_seeds
from avlib.retrieval.questions import measure_questions
from avlib.retrieval.sentences import measure_ranking
from avlib.retrieval.settings import NETWORK_TITLES, RetrievalEvaluation
from avlib.retrieval.subset import Subset
from avlib.retrieval.tables import RANKS

logger = logging.getLogger(__name__)

SPLIT = "test"
SMALL_NETWORK_NOTE = (
    "{} is a narrow network that was trained here on rendered clips, in place of published "
    "weights; the numbers are not to be compared with those of the paper."
)


@dataclass(frozen=True, kw_only=True)
class NetworkEmbeddings:
    """The embeddings of one network.

    Attributes:
        clips: files of embeddings of the clips, one a shard.
        index: tables of kind EMBEDDED_CLIPS, one a shard.
        texts: files of embeddings of texts by their kind, original or llm. A network of frames
            has original texts only.
    """

    clips: Sequence[Path]
    index: Sequence[Path]
    texts: Mapping[str, Path]

    def read(self, name: str) -> EmbeddedNetwork:
        """Return the embeddings under the name of the network."""
        texts = {kind: EmbeddedTexts.read(path) for kind, path in self.texts.items()}
        return EmbeddedNetwork(name, EmbeddedClips(self.clips, self.index), texts)


@dataclass(frozen=True, kw_only=True)
class EvaluationFiles:
    """What is evaluated, and what is written.

    Attributes:
        annotations: folders with `clips.parquet`, `texts.parquet`, `questions.parquet`,
            `sentences.parquet` and `clip_classes.parquet`, by relevancy: all, low, moderate,
            high; each gets metrics of its own. Where there are questions, they are answered, else
            sentences are ranked.
        audio: embeddings of a network of sound; None for frames alone.
        visual: embeddings of a network of frames; None for sound alone.
        graded: published pickles of graded relevance by `{relevancy}.{kind}`, for example
            `all.original`; where there is none, relevance is computed from the classes.
        metrics: JSON file to write.
        ranks: table of kind RANKS to write.
    """

    annotations: Mapping[str, Path]
    audio: NetworkEmbeddings | None
    visual: NetworkEmbeddings | None
    graded: Mapping[str, Path] = field(default_factory=dict)
    metrics: Path
    ranks: Path

    def read_networks(self, names: Sequence[str]) -> tuple[list[EmbeddedNetwork], list[str]]:
        """Return the networks by their names, visual first, and the kinds of texts of the last."""
        parts = [part for part in (self.visual, self.audio) if part is not None]
        networks = [part.read(name) for part, name in zip(parts, names, strict=True)]
        return networks, list(parts[-1].texts)


def evaluate_retrieval(
    files: EvaluationFiles,
    settings: RetrievalEvaluation,
    provenance: Provenance,
    notes: Sequence[str] = (),
) -> None:
    """Write the metrics of a model, and what each query found.

    The metrics file has `metrics.<relevancy>.<kind>`, means over crop seeds: nDCG and mAP in
    [0, 1], recall and accuracy in percent, ranks from 1; `deviations`, of the same form; and
    `chance`, what a random order reaches. Texts are of the kinds that the last network has.

    Args:
        files: annotations and embeddings, and where results go.
        settings: how embeddings are compared.
        provenance: its models are the networks, in the order visual, audio.
        notes: further ones of the study.

    Raises:
        DataError: if a file cannot be read, or lacks a clip or a text; or no clip is left.
    """
    names = list(provenance.models)
    networks, kinds = files.read_networks(names)
    subsets = {r: Subset.read(r, folder, networks) for r, folder in files.annotations.items()}
    _check_kept(names, subsets)
    found = {
        r: {k: _measure(subset, k, networks, settings, files.graded) for k in kinds}
        for r, subset in subsets.items()
    }
    every = [measured for of_kinds in found.values() for measured in of_kinds.values()]
    write_parts((part for measured in every for part in measured.ranks), files.ranks, RANKS)
    write_metrics(
        files.metrics,
        {**provenance.study, "split": SPLIT, "seeds": list(settings.crop_seeds), **_spread(found)},
        metrics=_trees(found, mean),
        counts=_counts(subsets, found),
        models=weights_entries(provenance.models, provenance.origins),
        notes=[*_notes(provenance.origins), *notes, *_own_notes(found)],
        inputs={**provenance.inputs, **{f"graded.{n}": p for n, p in files.graded.items()}},
    )


def _check_kept(names: Sequence[str], subsets: Mapping[str, Subset]) -> None:
    """Check that a clip is left to be compared, in whichever subset."""
    if any(subset.is_kept.any() for subset in subsets.values()):
        return
    left_out = next((s.left_out for s in subsets.values() if s.left_out), None)
    if left_out:
        counts = Counter(row["status"] for row in left_out)
        statuses = ", ".join(f"{count} {status}" for status, count in counts.items())
        raise DataError(
            f"{' and '.join(names)}: every clip is left out ({statuses}); the first, "
            f"{left_out[0]['event_id']}: {left_out[0]['message']}"
        )


Found = Mapping[str, Mapping[str, Measured]]


def _measure(
    subset: Subset,
    kind: str,
    networks: Sequence[EmbeddedNetwork],
    settings: RetrievalEvaluation,
    graded: Mapping[str, Path],
) -> Measured:
    logger.info("%s, %s texts: %d clips", subset.relevancy, kind, len(subset.kept))
    questions = subset.questions()
    if len(questions):
        return measure_questions(subset, questions, kind, networks, settings)
    given = graded.get(f"{subset.relevancy}.{kind}")
    return measure_ranking(subset, kind, networks, settings, given)


def _spread(found: Found) -> dict[str, Any]:
    """Return how far the metrics of crop seeds lie apart, and what a random order reaches."""
    by_chance = {r: {k: m.chance for k, m in of.items()} for r, of in found.items()}
    return {"deviations": _trees(found, deviation), "chance": by_chance}


def _trees(found: Found, reduce: Any) -> dict[str, dict[str, Any]]:
    """Return a tree of numbers by relevancy and kind, None where nothing was evaluated."""
    return {
        relevancy: {
            kind: over_seeds(measured.metrics, reduce) if measured.metrics else None
            for kind, measured in of_kinds.items()
        }
        for relevancy, of_kinds in found.items()
    }


def _counts(subsets: Mapping[str, Subset], found: Found) -> dict[str, Any]:
    """Return the numbers of clips and queries by relevancy, and the clips that are left out."""
    left_out = {tuple(row.items()): row for s in subsets.values() for row in s.left_out}
    return {
        **{
            r: {**subset.counts, **{k: m.counts for k, m in found[r].items()}}
            for r, subset in subsets.items()
        },
        "left_out": list(left_out.values()),
    }


def _notes(origins: Mapping[str, Origin]) -> list[str]:
    """Return the notes on networks whose weights are not the published ones."""
    notes = origin_notes(origins, NETWORK_TITLES)
    small = [name for name in notes if origins[name] == "trained"]
    return list((notes | {n: SMALL_NETWORK_NOTE.format(NETWORK_TITLES[n]) for n in small}).values())


def _own_notes(found: Found) -> Iterator[str]:
    for relevancy, of_kinds in found.items():
        for kind, measured in of_kinds.items():
            yield from measured.notes
            if not measured.metrics:
                yield f"{relevancy}, {kind}: no clip or no query is left; there are no metrics."
