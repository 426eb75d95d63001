"""Stage pack_waveforms: the waveforms of one shard of videos, and its manifest after decoding."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import pandas as pd

from avlib.errors import DataError
from avlib.io.atomic import atomic_path, is_kept, keep_copy
from avlib.io.packs import copy_waveform
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table, write_table
from avlib.media import ffmpeg
from avlib.media.decode import DecodedSound, agrees_with_command, decoded_together
from avlib.media.files import check_regular
from avlib.media.hdf5_sources import link_waveform
from avlib.media.isolation import Worker
from avlib.media.scan import ScannedVideo, read_scan
from avlib.media.sound_sources import (
    SoundSettings,
    is_decoded_by_ffmpeg,
    pack_decoded,
    pack_sound,
)
from avlib.media.tables import MANIFEST
from avlib.media.videos import is_hdf5
from avlib.memory import returning_memory
from avlib.progress import progress

logger = logging.getLogger(__name__)

FILES_A_PROCESS = 16  # of ffmpeg, where it decodes
LONGEST_TOGETHER_S = 60  # longer audio takes more time than the start of a process
FOUND = ["status", "message", "audio_duration_s"]  # columns of the manifest that decoding decides


def pack_waveforms(
    *,
    videos: Path,
    manifest: Path,
    settings: SoundSettings,
    previous: Path,
    pack_target: Path,
    manifest_target: Path,
) -> None:
    """Pack the audio of a shard's videos, and write its manifest with the result of decoding.

    Args:
        videos: the shard's list, as `scan` wrote it.
        manifest: the shard's probed videos.
        settings: rate, resampler and channels.
        previous: copy of the shard's last pack; what has not changed is taken from it.
        pack_target: HDF5 file to write.
        manifest_target: table to write.
    """
    rows = read_table(manifest, MANIFEST)
    # Of several files with one id the first is used, hence the reversed order.
    sources = {video.video_id: video for video in reversed(read_scan(videos))}
    with (
        atomic_path(pack_target) as partial,
        TemporaryDirectory(dir=partial.parent) as scratch,
        Worker() as worker,
        h5py.File(partial, "w") as pack,
        open_previous(previous) as old,
    ):
        pack.attrs["rate_hz"] = settings.sample_rate
        shard = _Shard(sources, settings, Path(scratch), worker, pack, old)
        listed = returning_memory(rows.itertuples())
        shown = progress(listed, "packing audio", "videos", total=len(rows))
        found = []
        while batch := list(islice(shown, FILES_A_PROCESS)):
            with shard.decoded_together(batch) as decoded:
                found += [shard.pack_row(row, decoded.get(row.video_id)) for row in batch]
    rows[FOUND] = pd.DataFrame(found, columns=FOUND, index=rows.index)
    write_table(rows, manifest_target, MANIFEST)
    keep_copy(pack_target, previous)


@contextmanager
def open_previous(path: Path) -> Iterator[h5py.File | None]:
    """Yield a pack that `keep_copy` kept, None where there is none or its disk damaged it."""
    if is_kept(path):
        with h5py.File(path, "r") as file:
            yield file
    else:
        yield None


@dataclass(frozen=True)
class _Shard:
    """The pack of a shard while it is written, and what goes into it.

    Attributes:
        sources: the shard's videos by id.
        settings: rate, resampler and channels.
        scratch: folder for temporary files.
        worker: process that decodes.
        pack: file to write.
        old: the last pack, if there is one.
    """

    sources: dict[str, ScannedVideo]
    settings: SoundSettings
    scratch: Path
    worker: Worker
    pack: h5py.File
    old: h5py.File | None

    def pack_row(self, row: Any, decoded: DecodedSound | None) -> tuple[str, str, float | None]:
        """Add the audio of a row's video to the pack; return the columns FOUND of the row."""
        source = self.sources[row.video_id]
        is_ok = row.status == "ok" or (row.status == "no_audio" and source.sound)
        if not is_ok:
            return row.status, row.message, row.audio_duration_s
        if source.sound and not Path(source.sound).exists():
            return "no_audio", f"{source.sound} does not exist; add it", None
        try:
            check_regular(_sound_path(source))
            n_samples = self._pack_or_reuse(source, row.content_hash, decoded)
        except DataError as error:
            return "unreadable", f"{error}; replace the file", None
        if n_samples == 0:
            return "no_audio", "the audio stream holds no samples", None
        remarks = [row.message] if row.status == "ok" and row.message else []
        if n_replaced := self.pack[row.video_id].attrs.get("replaced_samples", 0):
            what = "samples were NaN, infinite or above 2^31"
            remarks.append(f"{n_replaced} {what}; they are replaced by 0")
        return "ok", "; ".join(remarks), n_samples / self.settings.sample_rate

    def _pack_or_reuse(
        self, source: ScannedVideo, content_hash: str, decoded: DecodedSound | None
    ) -> int:
        """Add a video's audio, unless it is there for another split; return its length."""
        video_id, path = source.video_id, _sound_path(source)
        if video_id in self.pack:
            return len(self.pack[video_id])
        if is_hdf5(path):
            return link_waveform(self.pack, video_id, path, self.settings.sample_rate)
        key = self._key(source, content_hash)
        if self.old is not None and self._has_old(video_id, key):
            n_samples = len(self.old[video_id])
            copy_waveform(self.pack, video_id, self.old[video_id])
            if n_replaced := self.old[video_id].attrs.get("replaced_samples"):
                self.pack[video_id].attrs["replaced_samples"] = n_replaced
        elif decoded is not None:
            n_samples = pack_decoded(self.pack, video_id, decoded, self.settings)
        else:
            n_samples = pack_sound(
                self.pack,
                video_id,
                path,
                self.settings,
                self.scratch,
                self.worker,
                is_substitute=source.sound is not None,
            )
        if n_samples:
            self.pack[video_id].attrs.update(
                rate_hz=self.settings.sample_rate,
                source_hash=source.sound_hash or content_hash,
                key=key,
            )
        return n_samples

    def decoded_together(self, rows: list[Any]) -> AbstractContextManager[dict[str, DecodedSound]]:
        """Decode by one command what none decodes in process; yield the results by id."""
        if agrees_with_command():
            rows = []
        files = {row.video_id: Path(row.path) for row in rows if self._is_for_one_process(row)}
        settings = self.settings
        return decoded_together(
            files,
            settings.sample_rate,
            self.scratch,
            self.worker,
            settings.n_channels,
            settings.bits,
        )

    def _is_for_one_process(self, row: Any) -> bool:
        """Say whether a file's own audio is short, new, and decoded by ffmpeg."""
        source = self.sources[row.video_id]
        path = _sound_path(source)
        is_own = row.status == "ok" and str(path) == row.path and not is_hdf5(path)
        is_substitute = source.sound is not None
        is_short = row.duration_s <= LONGEST_TOGETHER_S
        if not (
            is_own and is_short and is_decoded_by_ffmpeg(self.settings, is_substitute=is_substitute)
        ):
            return False
        is_there = row.video_id in self.pack
        return not is_there and not self._has_old(row.video_id, self._key(source, row.content_hash))

    def _key(self, source: ScannedVideo, content_hash: str) -> str:
        """Return a fingerprint of everything that the samples of a video depend on."""
        made_by = (code_fingerprint("avlib.media.sound_sources"), ffmpeg.version(ffmpeg.binary()))
        parts = (astuple(self.settings), source.sound_hash or content_hash, made_by)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def _has_old(self, video_id: str, key: str) -> bool:
        old = self.old
        return old is not None and video_id in old and old[video_id].attrs.get("key") == key


def _sound_path(source: ScannedVideo) -> Path:
    return Path(source.sound or source.path or "")
