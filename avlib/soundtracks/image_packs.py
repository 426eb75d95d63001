"""Stage pack_audio_images: the audio images of one shard of soundtracks."""

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.atomic import atomic_path, keep_copy
from avlib.io.packs import BLOCK_SAMPLES
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table, write_table
from avlib.io.torn import torn
from avlib.media.sound_packs import open_previous
from avlib.media.tables import MANIFEST
from avlib.memory import returning_memory
from avlib.progress import progress
from avlib.soundtracks.images import CLIPS_AT_ONCE, audio_images, clip_borders
from avlib.soundtracks.mel import CLIP_S, N_FRAMES, N_MELS, SAMPLE_RATE, Mel
from avlib.soundtracks.tables import AUDIO_IMAGES

logger = logging.getLogger(__name__)

TOO_SHORT = "the sound is shorter than a clip of 0.96 s; it has no image and no score of its own"
PADDED = "the sound is shorter than a clip of 0.96 s; it is zero-padded to one"


@dataclass(frozen=True, kw_only=True)
class ImageShardFiles:
    """What a shard's audio images are made of, and what is written.

    Attributes:
        manifest: table of kind MANIFEST, the shard's videos.
        sounds: pack of their waveforms, (n,) or (n, channels), with attributes `rate_hz`.
        previous: copy of the shard's last pack; unchanged soundtracks are copied from it.
        pack: HDF5 file to write.
        index: table of kind AUDIO_IMAGES to write, one row a soundtrack.
    """

    manifest: Path
    sounds: Path
    previous: Path
    pack: Path
    index: Path


def pack_audio_images(
    files: ImageShardFiles, *, mel: Mel, pads_short: bool = False, native_rate: bool = False
) -> None:
    """Pack the images of a shard's soundtracks, each as one data set (clips, N_MELS, N_FRAMES).

    Args:
        files: what is read and written.
        mel: how images are made and stored.
        pads_short: whether a soundtrack shorter than a clip is zero-padded to one; else it has a
            data set without images.
        native_rate: whether waveforms may have any rate; else it has to be SAMPLE_RATE.

    Raises:
        DataError: if the pack of sound cannot be read.
    """
    rows = read_table(files.manifest, MANIFEST).drop_duplicates("video_id")
    with (
        atomic_path(files.pack) as partial,
        h5py.File(partial, "w") as pack,
        open_previous(files.previous) as old,
        _open_sounds(files.sounds) as waveforms,
    ):
        write_attributes(pack, mel, sample_rate=None if native_rate else SAMPLE_RATE)
        shard = _Shard(waveforms, pack, old, mel, pads_short, native_rate)
        listed = returning_memory(rows.itertuples(index=False))
        index = [
            shard.pack_row(row)
            for row in progress(listed, "packing audio images", "soundtracks", total=len(rows))
        ]
    write_index(index, files.index)
    keep_copy(files.pack, files.previous)


def write_attributes(pack: h5py.File, mel: Mel, *, sample_rate: int | None) -> None:
    """Write what all images of a pack have in common; a rate of None stands for any."""
    pack.attrs.update(variant=mel.variant, reference=mel.zero_db)
    if sample_rate is not None:
        pack.attrs["rate_hz"] = sample_rate


def write_index(rows: list[dict[str, Any]], target: Path) -> None:
    """Write a table of kind AUDIO_IMAGES; log how many soundtracks have which status."""
    index = pd.DataFrame(rows, columns=[column.name for column in AUDIO_IMAGES.columns])
    index["rate_hz"] = index["rate_hz"].astype("Int64")
    for status, named in index[index["status"] != "ok"].groupby("status")["video_id"]:
        logger.warning("%d soundtracks are %s, %s the first", len(named), status, named.iloc[0])
    padded = index[index["message"] == PADDED]
    if len(padded):
        logger.warning(
            "%d soundtracks are padded, %s the first", len(padded), padded.video_id.iloc[0]
        )
    silent = index[index["silent_clips"] > 0]
    if len(silent):
        counts = int(silent["silent_clips"].sum()), len(silent), silent["video_id"].iloc[0]
        logger.warning("%d clips of %d soundtracks are silent, %s the first", *counts)
    write_table(index, target, AUDIO_IMAGES)


def write_images(
    pack: h5py.File,
    video_id: str,
    n_clips: int,
    images: Iterable[NDArray[np.floating]],
    dtype: str,
) -> int:
    """Add images, given in successive parts, as one contiguous data set.

    Returns:
        how many are silent, that is, of one value throughout.
    """
    dataset = pack.create_dataset(video_id, (n_clips, N_MELS, N_FRAMES), dtype)
    first = silent = 0
    for part in images:
        dataset[first : first + len(part)] = part
        first += len(part)
        silent += int((part.min(axis=(1, 2)) == part.max(axis=(1, 2))).sum())
    return silent


def read_parts(images: h5py.Dataset) -> Iterator[NDArray[np.floating]]:
    """Yield the images of a data set in successive parts."""
    for first in range(0, len(images), CLIPS_AT_ONCE):
        yield images[first : first + CLIPS_AT_ONCE]


def index_row(video_id: str, split: str, **changed: Any) -> dict[str, Any]:
    """Return a row of AUDIO_IMAGES, without images and `ok` but for what is `changed`."""
    row = {"video_id": video_id, "split": split, "clips": 0, "silent_clips": 0, "rate_hz": None}
    return row | {"status": "ok", "message": ""} | changed


def _open_sounds(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise torn(path, "HDF5 file", error) from error


class _Shard(NamedTuple):
    """The open files of a shard, and how its images are made."""

    waveforms: h5py.File
    pack: h5py.File
    old: h5py.File | None
    mel: Mel
    pads_short: bool
    native_rate: bool

    def pack_row(self, row: Any) -> dict[str, Any]:
        """Add the images of a row of the manifest to the pack; return its row of the index."""
        name, split = row.video_id, row.split
        if row.status != "ok":
            return index_row(name, split, status=row.status, message=row.message)
        if name not in self.waveforms:
            message = f"{self.waveforms.filename} has no sound of that name; pack the sound again"
            return index_row(name, split, status="no_audio", message=message)
        waveform = self.waveforms[name]
        default = self.waveforms.attrs.get("rate_hz", SAMPLE_RATE)
        rate = int(waveform.attrs.get("rate_hz", default))
        try:
            n_clips = self._count_clips(len(waveform), rate)
        except DataError as error:
            return index_row(name, split, rate_hz=rate, status="wrong_rate", message=str(error))
        key = self._key(waveform, rate)
        note = {} if n_clips else {"status": "too_short", "message": TOO_SHORT}
        if self.pads_short and not n_clips and len(waveform):
            waveform, n_clips, note = _padded(waveform, rate), 1, {"message": PADDED}
        images = self._unchanged(name, key) or audio_images(
            waveform, sample_rate=rate, variant=self.mel.variant, reference=self.mel.zero_db
        )
        silent = write_images(self.pack, name, n_clips, images, self.mel.dtype)
        self.pack[name].attrs.update(rate_hz=rate, variant=self.mel.variant, key=key)
        return index_row(name, split, clips=n_clips, silent_clips=silent, rate_hz=rate, **note)

    def _count_clips(self, n_samples: int, rate: int) -> int:
        """Return the number of whole clips of a soundtrack.

        Raises:
            DataError: if images cannot be made at this rate.
        """
        if rate != SAMPLE_RATE and not self.native_rate:
            raise DataError(
                f"the sound is at {rate} Hz, images are made at {SAMPLE_RATE} Hz; resample it"
            )
        return len(clip_borders(n_samples, rate)) - 1

    def _unchanged(self, name: str, key: str) -> Iterator[NDArray[np.floating]] | None:
        """Return the images of the old pack if they are of the same key."""
        if self.old is None or name not in self.old or self.old[name].attrs.get("key") != key:
            return None
        return read_parts(self.old[name])

    def _key(self, waveform: h5py.Dataset, rate: int) -> str:
        """Return a digest of all that decides the images of a soundtrack."""
        origin = waveform.attrs.get("key")
        if origin is None:
            digest = hashlib.sha256(repr((waveform.shape, waveform.dtype)).encode())
            for first in range(0, len(waveform), BLOCK_SAMPLES):
                digest.update(np.asarray(waveform[first : first + BLOCK_SAMPLES]).tobytes())
            origin = digest.hexdigest()
        settings = (self.mel.model_dump(), self.pads_short, self.native_rate)
        made_by = code_fingerprint("avlib.soundtracks.images")
        return hashlib.sha256(repr((settings, rate, origin, made_by)).encode()).hexdigest()


def _padded(waveform: h5py.Dataset, rate: int) -> NDArray[Any]:
    """Return a waveform shorter than a clip, zero-padded to one."""
    lacking = math.ceil(CLIP_S * rate) - len(waveform)
    return np.pad(waveform[:], ((0, lacking), *[(0, 0)] * (waveform.ndim - 1)))
