"""Stage pack_waveforms: the sound of one shard of videos, and what was found on the way."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from avlib.errors import DataError
from avlib.io.atomic import atomic_path, keep_copy
from avlib.io.packs import copy_waveform
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import MANIFEST, read_table, write_table
from avlib.media import ffmpeg
from avlib.media.scan import ScannedVideo, read_scan
from avlib.media.sound import SoundSettings, link_sound, pack_sound
from avlib.media.videos import is_hdf5
from avlib.memory import returning_memory
from avlib.progress import progress

logger = logging.getLogger(__name__)

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
    """Pack the sound of a shard's videos, and write its manifest with what decoding found.

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
        h5py.File(partial, "w") as pack,
        open_previous(previous) as old,
    ):
        pack.attrs["rate_hz"] = settings.sample_rate
        listed = returning_memory(rows.itertuples())
        found = [
            _pack_row(row, sources[row.video_id], pack, old, settings)
            for row in progress(listed, "packing sound", "videos", total=len(rows))
        ]
    rows[FOUND] = pd.DataFrame(found, columns=FOUND, index=rows.index)
    write_table(rows, manifest_target, MANIFEST)
    keep_copy(pack_target, previous)


@contextmanager
def open_previous(path: Path) -> Iterator[h5py.File | None]:
    """Yield a pack to read from, None where there is none that can be read."""
    try:
        file = h5py.File(path, "r")
    except OSError:
        yield None
    else:
        with file:
            yield file


def _pack_row(
    row: Any,
    source: ScannedVideo,
    pack: h5py.File,
    old: h5py.File | None,
    settings: SoundSettings,
) -> tuple[str, str, float | None]:
    """Add the sound of a row's video to the pack; return the columns FOUND of the row."""
    is_ok = row.status == "ok" or (row.status == "no_audio" and source.sound)
    if not is_ok:
        return row.status, row.message, row.audio_duration_s
    if source.sound and not Path(source.sound).exists():
        return "no_audio", f"{source.sound} does not exist; add it", None
    try:
        n_samples = _pack_or_reuse(source, row.content_hash, pack, old, settings)
    except DataError as error:
        return "unreadable", f"{error}; replace the file", None
    if n_samples == 0:
        return "no_audio", "the sound stream holds no samples", None
    return "ok", "", n_samples / settings.sample_rate


def _pack_or_reuse(
    source: ScannedVideo,
    content_hash: str,
    pack: h5py.File,
    old: h5py.File | None,
    settings: SoundSettings,
) -> int:
    """Add a video's sound to the pack, unless it is there for another split; return its length."""
    video_id, path = source.video_id, Path(source.sound or source.path or "")
    if video_id in pack:
        return len(pack[video_id])
    if is_hdf5(path):
        return link_sound(pack, video_id, path, settings)
    source_hash = source.sound_hash or content_hash
    made_by = (code_fingerprint("avlib.media.sound"), ffmpeg.version(ffmpeg.binary()))
    key = hashlib.sha256(repr((astuple(settings), source_hash, made_by)).encode()).hexdigest()
    if old is not None and video_id in old and old[video_id].attrs.get("key") == key:
        n_samples = len(old[video_id])
        copy_waveform(pack, video_id, old[video_id])
    else:
        n_samples = pack_sound(pack, video_id, path, settings)
    if n_samples:
        pack[video_id].attrs.update(rate_hz=settings.sample_rate, source_hash=source_hash, key=key)
    return n_samples
