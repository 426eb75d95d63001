"""Stage score_seconds: scores and embeddings of every second of one shard of videos."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import cv2
import h5py
import numpy as np
import pandas as pd
import PIL
import soxr
import torch
import torchvision

from avlib.device import resolve_device
from avlib.errors import DataError
from avlib.extractors.extraction import NetworkSettings
from avlib.io.atomic import atomic_path, keep_copy
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table, write_table
from avlib.media.scan import ScannedVideo, read_scan
from avlib.media.sound_packs import open_previous
from avlib.media.tables import MANIFEST
from avlib.media.videos import is_hdf5
from avlib.progress import progress
from avlib.tagging.archive import LEGS, Leg, LegName, texts
from avlib.tagging.leg_files import LegFiles
from avlib.tagging.legs import PictureLeg, ScoredBlock, SoundLeg, open_picture, open_sound
from avlib.tagging.pack_writer import PackWriter
from avlib.tagging.scores import encoded

logger = logging.getLogger(__name__)

COPIED_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class SecondsFiles:
    """What a shard's stage reads and writes.

    Attributes:
        videos: the shard's list, as `scan` wrote it.
        manifest: the shard's probed videos.
        legs: files of the network of each leg.
        cache: folder for what is made once and kept.
        previous: copy of the shard's last pack; what has not changed is taken from it.
        pack: HDF5 file to write.
        found: table to write, the manifest with what came of each video.
    """

    videos: Path
    manifest: Path
    legs: Mapping[LegName, LegFiles]
    cache: Path
    previous: Path
    pack: Path
    found: Path


def score_seconds(files: SecondsFiles, settings: Mapping[str, Any], shards: int) -> None:
    """Score the seconds of a shard's videos, and say in its manifest what came of each.

    A video with one leg, sound or picture, is used; one whose legs cannot be decoded is left out.

    Args:
        files: inputs and outputs.
        settings: values of `NetworkSettings`.
        shards: of the study.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    cv2.setNumThreads(1)
    own = NetworkSettings(**settings)
    sound = open_sound(files.legs["sound"], own, files.cache)
    picture = open_picture(files.legs["picture"], own, files.cache)
    kinds: dict[LegName, Leg] = {"sound": sound.network.kind, "picture": picture.network.kind}
    networks = [sound.network.made_by, picture.network.made_by]
    rows = read_table(files.manifest, MANIFEST)
    # Of several files with one id the first is used, hence the reversed order.
    sources = {video.video_id: video for video in reversed(read_scan(files.videos))}
    with (
        atomic_path(files.pack) as partial,
        TemporaryDirectory(dir=partial.parent) as scratch,
        h5py.File(partial, "w") as pack,
        open_previous(files.previous) as old,
    ):
        writer, made_by = PackWriter(pack, kinds, shards), _made_by(networks, own)
        shard = _Shard(sources, sound, picture, writer, _Previous(old), made_by, Path(scratch))
        shown = progress(rows.itertuples(), "scoring seconds", "videos", total=len(rows))
        found = [shard.add_row(row) for row in shown]
        writer.close()
    rows[["status", "message"]] = pd.DataFrame(
        found, columns=["status", "message"], index=rows.index
    )
    write_table(rows, files.found, MANIFEST)
    keep_copy(files.pack, files.previous)


def _made_by(networks: list[str], settings: NetworkSettings) -> tuple[object, ...]:
    """Return everything that decides the bytes of a pack, beside the videos."""
    versions = (av.ffmpeg_version_info, soxr.__version__, PIL.__version__, torchvision.__version__)
    device, code = str(resolve_device(settings.device)), code_fingerprint("avlib.tagging.seconds")
    return (networks, astuple(settings), device, code, versions)


class _Previous:
    """The last pack of a shard, if there is one, for what has not changed."""

    def __init__(self, file: h5py.File | None) -> None:
        self._file = file
        self._numbers: dict[tuple[str, str], int] = {}
        if file is not None:
            names = zip(texts(file["video_id"]), texts(file["key"]), strict=True)
            self._numbers = {name: number for number, name in enumerate(names)}
            self._seconds = file["seconds"][:]
            self._firsts = np.cumsum(self._seconds) - self._seconds

    def copy(self, video_id: str, key: str, writer: PackWriter) -> bool:
        """Add a video as it was; return whether it was there, made of the same."""
        if self._file is None or (video_id, key) not in self._numbers:
            return False
        number = self._numbers[video_id, key]
        first, seconds = int(self._firsts[number]), int(self._seconds[number])
        is_there = {leg: bool(self._file[leg]["is_there"][number]) for leg in LEGS}
        for leg in [leg for leg in LEGS if is_there[leg]]:
            for start in range(0, seconds, COPIED_ROWS):
                rows = slice(first + start, first + min(start + COPIED_ROWS, seconds))
                scores, embedding = (
                    self._file[leg][name][rows] for name in ("scores", "embedding")
                )
                writer.add(leg, start, scores, embedding)
        writer.finish(video_id, seconds, key, is_there)
        return True


@dataclass(frozen=True)
class _Shard:
    """The pack of a shard while it is written.

    Attributes:
        sources: the shard's videos by id.
        sound, picture: score seconds.
        writer: of the pack.
        old: the last pack.
        made_by: everything that decides the bytes, beside the videos.
        scratch: folder for temporary files.
        done: status and message of the videos that were done, by id.
    """

    sources: dict[str, ScannedVideo]
    sound: SoundLeg
    picture: PictureLeg
    writer: PackWriter
    old: _Previous
    made_by: tuple[object, ...]
    scratch: Path
    done: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add_row(self, row: Any) -> tuple[str, str]:
        """Add the video of a row of the manifest to the pack; return its status and message."""
        source = self.sources[row.video_id]
        legs: list[LegName] = []
        if row.status == "ok" or (row.status == "no_audio" and source.sound is not None):
            legs.append("sound")
        if row.status in ("ok", "no_audio") and not pd.isna(row.duration_s):
            legs.append("picture")
        if not legs:
            return row.status, row.message
        if row.video_id not in self.done:  # it may be there for another split
            self.done[row.video_id] = self._add(source, row, legs)
        return self.done[row.video_id]

    def _add(self, source: ScannedVideo, row: Any, legs: list[LegName]) -> tuple[str, str]:
        """Add the legs that a video is to have; return its status and message."""
        remarks = [row.message] if row.status == "ok" and row.message else []
        made_from = (row.content_hash, source.sound_hash, source.sound is not None, self.made_by)
        key = hashlib.sha256(repr(made_from).encode()).hexdigest()
        if self.old.copy(row.video_id, key, self.writer):
            return "ok", "; ".join(remarks)
        # The picture decides the length; a recording without one is as long as its sound.
        seconds = max(1, int(row.duration_s + 0.5)) if "picture" in legs else None
        lengths: dict[LegName, int] = {}
        for leg in legs:
            try:
                lengths[leg] = self._write(leg, self._blocks(leg, source, row, seconds))
            except DataError as error:
                self.writer.discard(leg)
                remarks.append(f"its {leg} has no scores: {error}")
        if not lengths:
            return "unreadable", "; ".join(remarks)
        is_whole = len(lengths) == len(legs)  # else the remark would be lost in the next run
        is_there = {leg: leg in lengths for leg in LEGS}
        n_seconds = max(lengths.values())
        self.writer.finish(row.video_id, n_seconds, key if is_whole else "", is_there)
        return "ok", "; ".join(remarks)

    def _blocks(
        self, leg: LegName, source: ScannedVideo, row: Any, seconds: int | None
    ) -> Iterator[ScoredBlock]:
        """Yield the seconds of a leg; their number is known where there is a picture."""
        path, is_substitute = Path(source.path or ""), source.sound is not None
        if leg == "picture":
            assert seconds is not None
            yield from self.picture.blocks(path, seconds, row.fps)
            return
        path = Path(source.sound or path)
        if is_hdf5(path):
            raise DataError(f"{path}: sound in HDF5 files is not scored; name the media files")
        yield from self.sound.blocks(path, seconds, self.scratch, is_substitute=is_substitute)

    def _write(self, leg: LegName, blocks: Iterator[ScoredBlock]) -> int:
        """Add a leg of the next video to the pack; return how many seconds it has."""
        length = 0
        for block in blocks:
            scores, embedding = encoded(block.probabilities), block.embeddings.astype(np.float16)
            self.writer.add(leg, block.first, scores, embedding)
            length = block.first + len(scores)
        return length
