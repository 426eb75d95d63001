"""EgoVLP's embeddings of the frames of clips, and of texts."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import torch
import torchvision
from torch import Tensor

from avlib.errors import DataError
from avlib.extractors import embedding
from avlib.extractors.egovlp.frames import filled
from avlib.extractors.egovlp.network import PUBLISHED, EgoVlp
from avlib.extractors.egovlp.sources import ImageSources, VideoSources, Wanted, wanted_frames
from avlib.extractors.egovlp.weights import load_egovlp
from avlib.extractors.embedding import (
    Clip,
    ClipFiles,
    FoundClip,
    Rows,
    TextFiles,
    Vectors,
    clips_of,
    index_row,
    known_vectors,
    write_clips,
)
from avlib.extractors.encoder_network import LoadedNetwork, TokenEncoder
from avlib.extractors.extraction import NetworkSettings
from avlib.extractors.weights import write_report
from avlib.io.embeddings import WHOLE
from avlib.memory import returning_memory
from avlib.prefetch import prefetched
from avlib.progress import progress


@dataclass(frozen=True, kw_only=True)
class EgoVlpSettings(NetworkSettings):
    """Settings of EgoVLP.

    Attributes:
        num_frames: of a clip; 16 for EPIC-KITCHENS and 4 for EgoMCQ as published.
        frames: folder of the published images of EPIC-KITCHENS, `rgb_frames`; None: videos are
            decoded.
    """

    num_frames: int = PUBLISHED.frames
    frames: Path | None = None


class _LoadedEgoVlp(LoadedNetwork[EgoVlpSettings, EgoVlp]):
    module = "avlib.extractors.egovlp.encoder"

    def load(self) -> EgoVlp:
        """Return the network of the checkpoint."""
        network = load_egovlp(self.checkpoint, self.settings.num_frames)
        return network.to(self.device, self.dtype)


class _Planned(NamedTuple):
    """What is known of a clip before its frames are read.

    Attributes:
        found: its status, without views.
        wanted: its frames.
        digest: of everything that its embedding is made from; empty unless the status is ok.
    """

    found: FoundClip
    wanted: Wanted
    digest: str


class FrameEncoder(_LoadedEgoVlp):
    """Embeds the frames of clips.

    Args:
        files: the sources are lists of videos.
        settings: of the encoder.
    """

    libraries = (str(av.ffmpeg_version_info), cv2.__version__, torchvision.__version__)

    def __init__(self, files: ClipFiles, settings: EgoVlpSettings) -> None:
        super().__init__(files.checkpoint, settings)
        self._num_frames = settings.num_frames
        self._sources = (
            ImageSources(Path(settings.frames)) if settings.frames else VideoSources(files)
        )
        self._source = cache(self._sources.find)

    def deciding(self) -> EgoVlpSettings:
        """Return the settings without the folder of images, which are part of the content."""
        return replace(super().deciding(), frames=None)

    def plan(self, clip: Clip) -> _Planned:
        """Return what is known of a clip."""
        wanted = wanted_frames(clip, self._num_frames)
        source = self._source(clip.video_id)
        if source is None:
            found = FoundClip("missing_video", self._sources.lacking(clip.video_id))
        elif not wanted.numbers:
            found = FoundClip("empty", "it ends before the first frame of its video")
        else:
            found = FoundClip(*source.status(clip, wanted))
            if found.status == "ok":
                content = f"{self.made_by} {wanted} ".encode() + source.content(wanted)
                return _Planned(found, wanted, sha256(content).hexdigest())
        return _Planned(found, wanted, "")

    def embed_unknown(
        self, unknown: Mapping[str, Mapping[str, _Planned]], known: dict[str, Vectors]
    ) -> dict[str, FoundClip]:
        """Embed clips; return those whose frames cannot be read, by digest.

        Args:
            unknown: clips by video and digest.
            known: where their embeddings are added, by digest.
        """
        failed = {}
        total = sum(map(len, unknown.values()))
        read = prefetched(self._read_all(unknown))
        for digest, frames in progress(read, "embedding clips", "clips", total=total):
            if isinstance(frames, Tensor):
                known[digest] = self.embed(frames)
            else:
                failed[digest] = FoundClip("unreadable", str(frames))
        return failed

    def _read_all(
        self, unknown: Mapping[str, Mapping[str, _Planned]]
    ) -> Iterator[tuple[str, Tensor | DataError]]:
        """Yield digest and frames (num_frames, 3, size, size) of clips, or why there are none."""
        for video_id, clips in returning_memory(unknown.items()):
            source, digests = self._source(video_id), list(clips)
            assert source is not None
            wanted = [clips[digest].wanted for digest in digests]
            for number, frames in source.read(wanted, self.network.sizes.image_size):
                if isinstance(frames, Tensor):
                    yield digests[number], filled(frames, self._num_frames)
                else:
                    yield digests[number], frames

    @torch.inference_mode()
    def embed(self, frames: Tensor) -> Vectors:
        """Return the embedding (channels,) of a clip (num_frames, 3, size, size).

        A clip has a thousand tokens or more, which keep a processor busy. Alone, no clip changes
        the last bits of another.
        """
        clips = frames[None].to(self.device, self.dtype)
        return np.asarray(self.network.video_embeddings(clips)[0].float().cpu().numpy())


class EgoVlpTexts(_LoadedEgoVlp, TokenEncoder[EgoVlpSettings, EgoVlp]):
    """Embeds texts."""

    encoding = "BERT"

    @property
    def longest(self) -> int:
        """Word pieces of a text."""
        return self.network.sizes.positions


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it fits the network.

    Raises:
        CheckpointError: if it does not.
    """
    sizes = load_egovlp(checkpoint, PUBLISHED.frames).sizes
    write_report(target, checkpoint, {"structure": asdict(sizes)})


def embed_clips(files: ClipFiles, settings: Mapping[str, Any]) -> None:
    """Write the embeddings of the clips of a shard; see `row.Extractor`.

    The frames of a video are read in one pass, for those clips that are not known yet.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    encoder = FrameEncoder(files, EgoVlpSettings(**settings))
    clips = clips_of(files)
    planned = [encoder.plan(clip) for clip in clips]
    known = known_vectors(files.previous)
    unknown: dict[str, dict[str, _Planned]] = {}
    for clip, plan in zip(clips, planned, strict=True):
        if plan.found.status == "ok" and plan.digest not in known:
            unknown.setdefault(clip.video_id, {})[plan.digest] = plan
    failed = encoder.embed_unknown(unknown, known)
    rows, index = Rows(known), []
    for clip, plan in zip(clips, planned, strict=True):
        found = failed.get(plan.digest, plan.found)
        index.append(index_row(clip, found))
        if found.status == "ok":
            rows.add(clip.event_id, WHOLE, plan.digest)
    write_clips(files, rows, index)


def embed_texts(files: TextFiles, settings: Mapping[str, Any]) -> None:
    """Write the embeddings of texts; see `row.Extractor`."""
    embedding.embed_texts(files, EgoVlpTexts(files, EgoVlpSettings(**settings)))
