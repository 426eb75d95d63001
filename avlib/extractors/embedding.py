"""What encoders of clips and of texts take and write: one embedding space of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClipFiles:
    """Inputs and outputs of the embedding of the clips of a shard.

    Attributes:
        sources: packs of waveforms, or lists of videos, as the encoder needs them.
        manifests: the videos of the shard.
        clips: table of all clips of the study; those of videos of the shard are embedded.
        checkpoint: weights.
        previous: copy of the last target; what has not changed is taken from it.
        target: file of embeddings to write.
        index: table to write, a row a clip.
    """

    sources: Sequence[Path]
    manifests: Sequence[Path]
    clips: Path
    checkpoint: Path
    previous: Path
    target: Path
    index: Path


@dataclass(frozen=True)
class TextFiles:
    """Inputs and outputs of the embedding of texts.

    Attributes:
        texts: table of the texts of all clips.
        kind: original or llm, those that are embedded, each distinct text once.
        checkpoint: weights.
        tokenizer: folder of the tokenizer's files.
        target: file of embeddings to write.
    """

    texts: Path
    kind: str
    checkpoint: Path
    tokenizer: Path
    target: Path
