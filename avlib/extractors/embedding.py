"""Stages that embed clips and texts: one embedding space of both, a row of a file each.

A network's folder makes a `ClipEncoder` and a `TextEncoder`; here is what they share. Rows do not
depend on each other, nor on shards: batches have a fixed size, and whatever is drawn at random
comes from the seed of a crop and the id of the clip. Clips of equal content are embedded once.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.datasets.tables import CAPTIONED_CLIPS, TEXTS
from avlib.extractors.tables import EMBEDDED_CLIPS
from avlib.io.atomic import is_kept, keep_copy
from avlib.io.embeddings import WHOLE, Embeddings, read_embeddings, write_embeddings
from avlib.io.tables import read_table, write_table
from avlib.media.recordings import recording_of
from avlib.media.tables import MANIFEST
from avlib.memory import returning_memory
from avlib.prefetch import prefetched
from avlib.progress import progress

logger = logging.getLogger(__name__)

Vectors = NDArray[np.float32]  # (B, channels)
_INDEX_COLUMNS = [column.name for column in EMBEDDED_CLIPS.columns]


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


class Clip(NamedTuple):
    """A row of the table of clips."""

    event_id: str
    video_id: str
    start_s: float
    stop_s: float
    start_frame: float | None
    stop_frame: float | None


class ClipView(NamedTuple):
    """What becomes a row of the file of embeddings.

    Attributes:
        crop: seed of the crop, WHOLE where nothing is drawn.
        content: everything that the inputs are made from, beside the encoder's `made_by`.
        inputs: makes the inputs of the network, without an axis of the batch.
    """

    crop: int
    content: bytes
    inputs: Callable[[], tuple[Tensor, ...]]


@dataclass(frozen=True)
class FoundClip:
    """What was found of a clip.

    Attributes:
        status: ok, or why it has no embedding.
        message: what was found and what to do.
        views: rows to be; none unless the status is ok.
        is_silent: whether all samples are zero.
    """

    status: str
    message: str = ""
    views: Sequence[ClipView] = ()
    is_silent: bool = False


class ClipEncoder(ABC):
    """Base of what embeds clips.

    Attributes:
        batch_size: rows that the network sees at once, always.
    """

    batch_size = 1

    @property
    @abstractmethod
    def made_by(self) -> str:
        """Everything that decides the bytes of a row, beside the content of its view."""

    @abstractmethod
    def find(self, clip: Clip) -> FoundClip:
        """Return what there is of a clip; its samples or frames may be read here already."""

    @abstractmethod
    def embed(self, inputs: Sequence[Tensor]) -> Vectors:
        """Return the embeddings of a batch (batch_size, ...) of inputs."""


class TextEncoder(ABC):
    """Base of what embeds texts.

    Attributes:
        batch_size: texts of the same number of tokens that the network sees at once, always.
    """

    batch_size = 16

    @property
    @abstractmethod
    def made_by(self) -> str:
        """Everything that decides the bytes of a row, beside the tokens of its text."""

    @abstractmethod
    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, at least one, cut to what the network takes.

        Raises:
            DataError: if the tokenizer cannot be read.
        """

    @abstractmethod
    def embed(self, token_ids: Tensor) -> Vectors:
        """Return the embeddings of a batch (batch_size, L) of texts without padding."""


@dataclass
class Rows:
    """The rows of the file that is made, in order, and the vectors by what they are made from."""

    vectors: dict[str, Vectors]  # (channels,) each
    keys: list[str] = field(default_factory=list)
    crops: list[int] = field(default_factory=list)
    made_from: list[str] = field(default_factory=list)

    def add(self, key: str, crop: int, digest: str) -> None:
        """Add a row, whose vector may be known later."""
        self.keys.append(key)
        self.crops.append(crop)
        self.made_from.append(digest)

    def embeddings(self) -> Embeddings:
        """Return the rows as the file holds them."""
        vectors = [self.vectors[digest] for digest in self.made_from]
        stacked = np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
        return Embeddings(self.keys, np.array(self.crops, np.int64), stacked, self.made_from)


def embed_clips(files: ClipFiles, encoder: ClipEncoder) -> None:
    """Write the embeddings of the clips of a shard, and their index.

    Args:
        files: inputs and outputs.
        encoder: made with the same files; weights are best read when the first clip needs them.

    Raises:
        CheckpointError: if the weights do not fit the network.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    clips = clips_of(files)
    rows = Rows(known_vectors(files.previous))
    index: list[dict[str, Any]] = []

    def wanted() -> Iterator[tuple[str, tuple[Tensor, ...]]]:
        """Yield digest and inputs of what is not known, while rows and index are filled."""
        named = progress(clips, "embedding clips", "clips", total=len(clips))
        asked: set[str] = set()
        for clip in returning_memory(named):
            found = encoder.find(clip)
            index.append(index_row(clip, found))
            for view in found.views:
                digest = sha256(encoder.made_by.encode() + view.content).hexdigest()
                rows.add(clip.event_id, view.crop, digest)
                if digest not in rows.vectors and digest not in asked:
                    asked.add(digest)
                    yield digest, view.inputs()

    for digests, inputs in prefetched(_batches(wanted(), encoder.batch_size)):
        rows.vectors.update(zip(digests, encoder.embed(inputs), strict=False))
    write_clips(files, rows, index)


def write_clips(files: ClipFiles, rows: Rows, index: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of a shard, their index, and a copy for the next run."""
    write_embeddings(files.target, rows.embeddings())
    write_table(pd.DataFrame(index, columns=_INDEX_COLUMNS), files.index, EMBEDDED_CLIPS)
    keep_copy(files.target, files.previous)


def clips_of(files: ClipFiles) -> list[Clip]:
    """Return the clips of the recordings of a shard, in the order of the table."""
    manifests = [read_table(path, MANIFEST) for path in files.manifests]
    videos = [video_id for rows in manifests for video_id in rows["video_id"]]
    recordings = {*videos, *map(recording_of, videos)}
    table = read_table(files.clips, CAPTIONED_CLIPS)
    own = table[table["video_id"].isin(recordings)]
    rows = own[list(Clip._fields)].itertuples(index=False)
    return [Clip._make(None if value != value else value for value in row) for row in rows]


def embed_texts(files: TextFiles, encoder: TextEncoder) -> None:
    """Write the embeddings of texts, each distinct text once, in the order of the table.

    Args:
        files: inputs and outputs.
        encoder: made with the same files.

    Raises:
        CheckpointError: if the weights do not fit the network.
        DataError: if the tokenizer cannot be read.
    """
    torch.set_num_threads(1)
    table = read_table(files.texts, TEXTS)
    texts = list(dict.fromkeys(table.loc[table["kind"] == files.kind, "text"]))
    tokens = encoder.tokenise(texts) if texts else []
    digests = [sha256(f"{encoder.made_by} {found}".encode()).hexdigest() for found in tokens]
    # Texts of one length need no padding, and so cannot change each other.
    by_length: dict[int, dict[str, tuple[Tensor, ...]]] = {}
    for digest, found in zip(digests, tokens, strict=True):
        by_length.setdefault(len(found), {})[digest] = (torch.tensor(found),)
    rows = Rows({}, texts, [WHOLE] * len(texts), digests)
    batches = [
        batch
        for group in by_length.values()
        for batch in _batches(group.items(), encoder.batch_size)
    ]
    for done, (token_ids,) in progress(batches, "embedding texts", "batches", total=len(batches)):
        rows.vectors.update(zip(done, encoder.embed(token_ids), strict=False))
    write_embeddings(files.target, rows.embeddings())


def _batches(
    items: Iterable[tuple[str, tuple[Tensor, ...]]], size: int
) -> Iterator[tuple[list[str], list[Tensor]]]:
    """Yield the digests and the stacked inputs of `size` items; the last one fills up its batch."""
    digests: list[str] = []
    inputs: list[tuple[Tensor, ...]] = []
    for digest, own in items:
        digests.append(digest)
        inputs.append(own)
        if len(inputs) == size:
            yield digests, [torch.stack(part) for part in zip(*inputs, strict=True)]
            digests, inputs = [], []
    if inputs:
        filled = inputs + inputs[-1:] * (size - len(inputs))
        yield digests, [torch.stack(part) for part in zip(*filled, strict=True)]


def known_vectors(path: Path) -> dict[str, Vectors]:
    """Return the vectors of a kept file by what they were made from; none without one."""
    if not is_kept(path):
        return {}
    old = read_embeddings(path)
    return dict(zip(old.made_from, old.vectors, strict=True))


def index_row(clip: Clip, found: FoundClip) -> dict[str, Any]:
    """Return the row of the index for a clip, and log why it has no embedding."""
    if found.status != "ok":
        logger.warning("left out: %s (%s): %s", clip.event_id, found.status, found.message)
    return {
        "event_id": clip.event_id,
        "status": found.status,
        "message": found.message,
        "is_cropped": any(view.crop != WHOLE for view in found.views),
        "is_silent": found.is_silent,
    }
