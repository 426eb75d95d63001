"""Stage evaluate_retrieval: annotations and embeddings to metrics and ranks.

Source: Oncescu et al., "A sound approach", ICASSP 2024, tables 1 to 5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


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


@dataclass(frozen=True, kw_only=True)
class EvaluationFiles:
    """What is evaluated, and what is written.

    Attributes:
        annotations: folders with `clips.parquet`, `texts.parquet` and either `questions.parquet`
            or `sentences.parquet` and `clip_classes.parquet`, by relevancy: all, low, moderate,
            high; each gets metrics of its own.
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
