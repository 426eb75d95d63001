"""Waveforms in HDF5 files from outside, such as EPIC-SOUNDS' official file, used in place.

Nothing but the file itself is read: links to other files, virtual data sets and external storage
are refused. The content must be what packs hold: int16, or floats in [-1, 1].
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from avlib.errors import DataError
from avlib.io.packs import BLOCK_SAMPLES

LARGEST_SAMPLE = 2.0  # floats may exceed 1 a little, after lossy coding or resampling
LARGEST_DIFFERENCE = 0.25  # of lengths of video and audio, where the file gives no rate
LARGEST_COMPRESSION = 2000  # bytes of samples for each stored byte; DEFLATE reaches 1032


def link_waveform(
    pack: h5py.File,
    video_id: str,
    path: Path,
    sample_rate: int,
    duration_s: float | None = None,
) -> int:
    """Link a waveform of another HDF5 file into a pack; return the number of samples.

    The whole waveform is read once to check its samples.

    Args:
        pack: file to write.
        video_id: name of the data set in both files.
        path: the other file.
        sample_rate: Hz that the waveform must have. Where the file gives no rate, the length of
            the video decides whether it has it.
        duration_s: of the video, where there is one.

    Raises:
        DataError: if the file has no such waveform, or one that cannot be used.
    """
    try:
        with h5py.File(path, "r") as file:
            waveform = _own_data_set(file, video_id)
            _check_rate(waveform, file, sample_rate, duration_s)
            _check_samples(waveform)
            n_samples = len(waveform)
    except DataError as error:
        raise DataError(f"{path}: {video_id}: {error}") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: {video_id}: cannot be read ({reason})") from error
    pack[video_id] = h5py.ExternalLink(str(path.absolute()), f"/{video_id}")
    return n_samples


def _own_data_set(file: h5py.File, name: str) -> h5py.Dataset:
    link = file.get(name, getlink=True)
    if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
        raise DataError("is a link; copy the data set itself into the file")
    waveform = file.get(name)
    if not isinstance(waveform, h5py.Dataset) or waveform.ndim != 1:
        raise DataError("no waveform of that name")
    if waveform.external or waveform.is_virtual:
        raise DataError("is stored in other files; copy it into this one")
    if waveform.dtype != np.int16 and waveform.dtype.kind != "f":
        raise DataError(
            f"holds {waveform.dtype} samples; convert them to int16, or to float32 in [-1, 1]"
        )
    if waveform.nbytes > LARGEST_COMPRESSION * max(waveform.id.get_storage_size(), 1):
        raise DataError(f"{len(waveform)} samples are announced, but they are not in the file")
    return waveform


def _check_rate(
    waveform: h5py.Dataset, file: h5py.File, sample_rate: int, duration_s: float | None
) -> None:
    rate: Any = waveform.attrs.get("rate_hz", file.attrs.get("rate_hz"))
    if rate is None:
        found_s = len(waveform) / sample_rate
        if duration_s and abs(found_s - duration_s) > LARGEST_DIFFERENCE * duration_s:
            raise DataError(
                f"lasts {found_s:.1f} s at {sample_rate} Hz, its video {duration_s:.1f} s; convert "
                f"it to {sample_rate} Hz, or set the attribute rate_hz if it has that rate"
            )
        return
    if np.ndim(rate) or not isinstance(rate, int | float | np.number):
        raise DataError(f"rate_hz is {str(rate)[:40]!r}, expected a number")
    if rate != sample_rate:
        raise DataError(f"{rate} Hz, the preset needs {sample_rate} Hz")


def _check_samples(waveform: h5py.Dataset) -> None:
    if waveform.dtype == np.int16:
        return
    for first in range(0, len(waveform), BLOCK_SAMPLES):
        block = waveform[first : first + BLOCK_SAMPLES]
        n_odd = int((~np.isfinite(block)).sum())
        if n_odd:
            raise DataError(f"{n_odd} samples near {first} are NaN or infinite; replace them")
        largest = float(np.abs(block).max(initial=0))
        if largest > LARGEST_SAMPLE:
            raise DataError(
                f"samples of up to {largest:g}, expected [-1, 1]; divide them by their full scale"
            )
