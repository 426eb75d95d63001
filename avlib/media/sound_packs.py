"""Stage pack_waveforms: the waveforms of one shard of videos, and its manifest after decoding."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import astuple, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import pandas as pd

from avlib.errors import DataError
from avlib.io.atomic import atomic_path, is_kept, keep_copy
from avlib.io.packs import add_attributes, copy_waveform
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table, write_table
from avlib.media import ffmpeg
from avlib.media.decode import DecodedSound, agrees_with_command, decoded_together
from avlib.media.files import check_regular
from avlib.media.hdf5_sources import link_waveform
from avlib.media.isolation import Worker
from avlib.media.scan import ScannedVideo, read_scan
from avlib.media.sound_sources import (
    SHORT_BYTES,
    SoundSettings,
    is_decoded_by_ffmpeg,
    pack_decoded,
    pack_sound,
    short_sounds,
)
from avlib.media.tables import MANIFEST
from avlib.media.videos import is_hdf5
from avlib.memory import keep_freed_memory, returning_memory
from avlib.progress import progress

logger = logging.getLogger(__name__)

FILES_A_CALL = 16  # that are decoded together
FILES_A_ROUND = 64  # between two times when free memory is given back
LONGEST_TOGETHER_S = 60  # longer audio takes more time than a call, or the start of a process
LARGEST_TOGETHER = 64 << 20  # bytes; a disk may take seconds for it
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
        found = []
        for batch in _batches(rows):
            with shard.decoded_together(batch) as decoded:
                found += [shard.pack_row(row, decoded.get(row.video_id)) for row in batch]
    rows[FOUND] = pd.DataFrame(found, columns=FOUND, index=rows.index)
    write_table(rows, manifest_target, MANIFEST)
    keep_copy(pack_target, previous)


def _batches(rows: pd.DataFrame) -> Iterator[list[Any]]:
    """Yield the rows of a manifest, as many at once as are decoded together."""
    keep_freed_memory()
    listed = returning_memory(rows.itertuples(), FILES_A_ROUND)
    shown = progress(listed, "packing audio", "videos", total=len(rows))
    while batch := list(islice(shown, FILES_A_CALL)):
        yield batch


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
        packed: of each video in the pack, the number of samples, and of those that were replaced.
    """

    sources: dict[str, ScannedVideo]
    settings: SoundSettings
    scratch: Path
    worker: Worker
    pack: h5py.File
    old: h5py.File | None
    packed: dict[str, tuple[int, int]] = field(default_factory=dict)

    def pack_row(self, row: Any, decoded: DecodedSound | None) -> tuple[str, str, float | None]:
        """Add the audio of a row's video to the pack; return the columns FOUND of the row."""
        source = self.sources[row.video_id]
        is_ok = row.status == "ok" or (row.status == "no_audio" and source.sound)
        if not is_ok:
            return row.status, row.message, row.audio_duration_s
        if source.sound and not Path(source.sound).exists():
            return "no_audio", f"{source.sound} does not exist; add it", None
        try:
            if source.video_id not in self.packed:  # it may be there for another split
                self.packed[source.video_id] = self._add(source, row, decoded)
            n_samples, n_replaced = self.packed[source.video_id]
        except DataError as error:
            return "unreadable", f"{error}; replace the file", None
        if n_samples == 0:
            return "no_audio", "the audio stream holds no samples", None
        remarks = [row.message] if row.status == "ok" and row.message else []
        if n_replaced:
            what = "samples were NaN, infinite or above 2^31"
            remarks.append(f"{n_replaced} {what}; they are replaced by 0")
        return "ok", "; ".join(remarks), n_samples / self.settings.sample_rate

    def _add(self, source: ScannedVideo, row: Any, decoded: DecodedSound | None) -> tuple[int, int]:
        """Add a video's audio; return the number of samples, and of those that were replaced."""
        video_id, path, content_hash = source.video_id, _sound_path(source), row.content_hash
        if decoded is None:
            check_regular(path)
        if is_hdf5(path):
            rate, duration_s = self.settings.sample_rate, row.duration_s
            return link_waveform(self.pack, video_id, path, rate, duration_s), 0
        key = self._key(source, content_hash)
        if self.old is not None and self._has_old(video_id, key):
            old = self.old[video_id]
            waveform = copy_waveform(self.pack, video_id, old)
            if n_replaced := _n_replaced(old):
                waveform.attrs["replaced_samples"] = n_replaced
        elif decoded is not None:
            waveform = pack_decoded(self.pack, video_id, decoded, self.settings)
        else:
            waveform = pack_sound(
                self.pack,
                video_id,
                path,
                self.settings,
                self.scratch,
                self.worker,
                is_substitute=source.sound is not None,
            )
        if waveform is None:
            return 0, 0
        made_from: dict[str, str | int] = {
            "rate_hz": self.settings.sample_rate,
            "source_hash": source.sound_hash or content_hash,
            "key": key,
        }
        add_attributes(waveform, made_from)
        return len(waveform), _n_replaced(waveform)

    def decoded_together(self, rows: list[Any]) -> AbstractContextManager[dict[str, DecodedSound]]:
        """Decode the short videos of a batch at once, in process or by one command, by id."""
        files = {row.video_id: Path(row.path) for row in rows if self._is_for_one_call(row)}
        settings = self.settings
        if agrees_with_command():
            return nullcontext(short_sounds(files, settings, self.scratch, self.worker))
        return decoded_together(
            files,
            settings.sample_rate,
            self.scratch,
            self.worker,
            settings.n_channels,
            settings.bits,
        )

    def _is_for_one_call(self, row: Any) -> bool:
        """Say whether a file's own audio is short, new, and decoded by ffmpeg."""
        source = self.sources[row.video_id]
        path = _sound_path(source)
        is_own = row.status == "ok" and str(path) == row.path and not is_hdf5(path)
        is_substitute = source.sound is not None
        is_short = (
            row.duration_s <= LONGEST_TOGETHER_S  # of a file without a video it is NaN
            and row.duration_s * self.settings.bytes_a_second <= SHORT_BYTES
            and row.bytes <= LARGEST_TOGETHER
        )
        if not (
            is_own and is_short and is_decoded_by_ffmpeg(self.settings, is_substitute=is_substitute)
        ):
            return False
        return row.video_id not in self.packed and not self._has_old(
            row.video_id, self._key(source, row.content_hash)
        )

    def _key(self, source: ScannedVideo, content_hash: str) -> str:
        """Return a fingerprint of everything that the samples of a video depend on."""
        settings, made_by = self._made_by
        is_substitute = source.sound is not None  # which is decoded in another way
        parts = (settings, source.sound_hash or content_hash, is_substitute, made_by)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    @cached_property
    def _made_by(self) -> tuple[tuple[Any, ...], tuple[str, str]]:
        code = code_fingerprint("avlib.media.sound_sources")
        return astuple(self.settings), (code, ffmpeg.version(ffmpeg.binary()))

    def _has_old(self, video_id: str, key: str) -> bool:
        old = self.old
        return old is not None and video_id in old and old[video_id].attrs.get("key") == key


def _sound_path(source: ScannedVideo) -> Path:
    return Path(source.sound or source.path or "")


def _n_replaced(waveform: h5py.Dataset) -> int:
    attributes = waveform.attrs
    return int(attributes["replaced_samples"]) if "replaced_samples" in attributes else 0
