"""Stage pack_audio_images: the audio images of one shard of soundtracks."""

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.atomic import atomic_path, keep_copy
from avlib.io.packs import BLOCK_SAMPLES
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table, write_table
from avlib.media.sound_packs import open_previous
from avlib.media.tables import MANIFEST
from avlib.memory import returning_memory
from avlib.progress import progress
from avlib.soundtracks.images import (
    CLIP_S,
    CLIPS_AT_ONCE,
    N_FRAMES,
    N_MELS,
    SAMPLE_RATE,
    ImageSettings,
    audio_images,
    clip_borders,
)
from avlib.soundtracks.tables import AUDIO_IMAGES

logger = logging.getLogger(__name__)

TOO_SHORT = "the sound is shorter than a clip of 0.96 s; it has no image and no score of its own"
PADDED = "the sound is shorter than a clip of 0.96 s; silence follows it in its image"


@dataclass(frozen=True)
class ImagePackSettings:
    """How images enter the packs.

    Attributes:
        images: how they are made.
        native_rate: whether to take sound at any rate as it is; else it has to be at SAMPLE_RATE.
        pads_short: whether sound that is shorter than a clip has an image, filled up with silence.
        dtype: of the stored values; float16 halves the size and rounds by up to 1/32 dB.
    """

    images: ImageSettings = field(default_factory=ImageSettings)
    native_rate: bool = False
    pads_short: bool = False
    dtype: Literal["float32", "float16"] = "float32"


def pack_audio_images(
    *,
    manifest: Path,
    sounds: Path,
    settings: ImagePackSettings,
    previous: Path,
    pack_target: Path,
    index_target: Path,
) -> None:
    """Pack the images of a shard's soundtracks, each as one data set (clips, N_MELS, N_FRAMES).

    A soundtrack that is shorter than a clip has a data set without images, unless it is padded.

    Args:
        manifest: the shard's videos.
        sounds: pack of their sound, (n,) or (n, channels), with attributes `rate_hz`.
        settings: how images are made and stored.
        previous: copy of the shard's last pack; what has not changed is taken from it.
        pack_target: HDF5 file to write.
        index_target: table of kind AUDIO_IMAGES to write, one row a soundtrack.

    Raises:
        DataError: if the pack of sound cannot be read.
    """
    rows = read_table(manifest, MANIFEST).drop_duplicates("video_id")
    with (
        atomic_path(pack_target) as partial,
        h5py.File(partial, "w") as pack,
        open_previous(previous) as old,
        _open_sounds(sounds) as waveforms,
    ):
        note_settings(pack, settings)
        listed = returning_memory(rows.itertuples(index=False))
        index = [
            _pack_row(row, waveforms, pack, old, settings)
            for row in progress(listed, "packing audio images", "soundtracks", total=len(rows))
        ]
    write_index(index, index_target)
    keep_copy(pack_target, previous)


def note_settings(pack: h5py.File, settings: ImagePackSettings) -> None:
    """Write what all images of a pack have in common into its attributes."""
    pack.attrs.update(variant=settings.images.variant, reference=settings.images.reference)
    if not settings.native_rate:
        pack.attrs["rate_hz"] = SAMPLE_RATE


def write_index(rows: list[dict[str, Any]], target: Path) -> None:
    """Write a table of kind AUDIO_IMAGES and say how many soundtracks have which status."""
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
        how many are of silence, which is one value throughout.
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
    """Return a row of AUDIO_IMAGES: without images and faults, apart from what is `changed`."""
    row = {"video_id": video_id, "split": split, "clips": 0, "silent_clips": 0, "rate_hz": None}
    return row | {"status": "ok", "message": ""} | changed


def _open_sounds(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: not a readable HDF5 file ({error})") from error


def _pack_row(
    row: Any,
    waveforms: h5py.File,
    pack: h5py.File,
    old: h5py.File | None,
    settings: ImagePackSettings,
) -> dict[str, Any]:
    """Add the images of a row of the manifest to the pack; return its row of the index."""
    name, split = row.video_id, row.split
    if row.status != "ok":
        return index_row(name, split, status=row.status, message=row.message)
    if name not in waveforms:
        message = f"{waveforms.filename} has no sound of that name; pack the sound again"
        return index_row(name, split, status="no_audio", message=message)
    waveform = waveforms[name]
    rate = int(waveform.attrs.get("rate_hz", waveforms.attrs.get("rate_hz", SAMPLE_RATE)))
    if rate != SAMPLE_RATE and not settings.native_rate:
        message = f"the sound is at {rate} Hz, images are made at {SAMPLE_RATE} Hz; resample it"
        return index_row(name, split, rate_hz=rate, status="wrong_rate", message=message)
    try:
        n_clips = len(clip_borders(len(waveform), rate)) - 1
    except DataError as error:
        return index_row(name, split, rate_hz=rate, status="wrong_rate", message=str(error))
    key = _key(waveform, rate, settings)
    note = {} if n_clips else {"status": "too_short", "message": TOO_SHORT}
    if settings.pads_short and not n_clips and len(waveform):
        waveform, n_clips, note = _padded(waveform, rate), 1, {"message": PADDED}
    images: Iterator[NDArray[np.floating]]
    if old is not None and name in old and old[name].attrs.get("key") == key:
        images = read_parts(old[name])
    else:
        images = audio_images(waveform, sample_rate=rate, settings=settings.images)
    silent = write_images(pack, name, n_clips, images, settings.dtype)
    pack[name].attrs.update(rate_hz=rate, variant=settings.images.variant, key=key)
    return index_row(name, split, clips=n_clips, silent_clips=silent, rate_hz=rate, **note)


def _padded(waveform: h5py.Dataset, rate: int) -> NDArray[Any]:
    """Return what is shorter than a clip as a clip, filled up with silence."""
    lacking = math.ceil(CLIP_S * rate) - len(waveform)
    return np.pad(waveform[:], ((0, lacking), *[(0, 0)] * (waveform.ndim - 1)))


def _key(waveform: h5py.Dataset, rate: int, settings: ImagePackSettings) -> str:
    """Return a digest of everything that a soundtrack's images are made from and by."""
    origin = waveform.attrs.get("key")
    if origin is None:
        digest = hashlib.sha256(repr((waveform.shape, waveform.dtype)).encode())
        for first in range(0, len(waveform), BLOCK_SAMPLES):
            digest.update(np.asarray(waveform[first : first + BLOCK_SAMPLES]).tobytes())
        origin = digest.hexdigest()
    made_by = code_fingerprint("avlib.soundtracks.images")
    return hashlib.sha256(repr((astuple(settings), rate, origin, made_by)).encode()).hexdigest()
