"""Packs: HDF5 files with one data set a video, of waveforms, audio images or small frames.

Waveforms are contiguous, as in EPIC-SOUNDS: float32 (samples,) in [-1, 1], or int16 (samples,
channels), where 32768 stands for 1. Audio images are float32 or float16 (clips, bands, frames),
small frames uint8 (frames, height, width, 3).
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, Self

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from avlib.errors import DataError, NoAudioError
from avlib.io.torn import torn


class Waveform(Protocol):
    """A mono waveform that is read by slices: a numpy array or an HDF5 data set.

    Its samples are float32 in [-1, 1], or integers, of which int16 has 32768 for 1.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, samples: slice, /) -> Any: ...


INT16_SCALE = 32_768
BLOCK_SAMPLES = 1 << 20
PACKS_OPEN = 128  # below the limits of operating systems, 256 and up


def as_float32(samples: NDArray[np.integer] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return samples as float32 in [-1, 1]; integers have their whole range for it."""
    if samples.dtype.kind == "i":
        scale = np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
        return np.multiply(samples, scale, dtype=np.float32)
    return samples.astype(np.float32, copy=False)


def write_waveform(
    pack: h5py.File,
    video_id: str,
    shape: tuple[int, ...],
    blocks: Iterable[NDArray[Any]],
    dtype: DTypeLike = np.float32,
) -> h5py.Dataset:
    """Add a waveform as one contiguous data set, given its shape and successive parts of it.

    Only one part at a time is in memory, so a waveform may be larger than that.
    """
    parts = iter(blocks)
    first_part = next(parts)
    if len(first_part) == shape[0]:  # as usual; this takes half the time
        return pack.create_dataset(video_id, shape, dtype, data=first_part)
    waveform = pack.create_dataset(video_id, shape, dtype)
    first = 0
    for part in chain([first_part], parts):
        waveform[first : first + len(part)] = part
        first += len(part)
    return waveform


def copy_waveform(pack: h5py.File, video_id: str, waveform: h5py.Dataset) -> h5py.Dataset:
    """Add a waveform of another pack, not an empty one, as it is."""
    parts = (
        waveform[first : first + BLOCK_SAMPLES] for first in range(0, len(waveform), BLOCK_SAMPLES)
    )
    return write_waveform(pack, video_id, waveform.shape, parts, waveform.dtype)


def add_attributes(waveform: h5py.Dataset, attributes: Mapping[str, str | int]) -> None:
    """Add attributes to a data set that has none of these names.

    They are those that `waveform.attrs.update` adds in twice the time, which is as long as it takes
    to write 10 s of audio.
    """
    scalar = h5py.h5s.create_simple(())
    for name, value in attributes.items():
        is_text = isinstance(value, str)
        content = np.asarray(value, h5py.string_dtype() if is_text else None)
        kind = h5py.h5t.py_create(content.dtype, logical=True)
        h5py.h5a.create(waveform.id, name.encode(), kind, scalar).write(content)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        OSError,
        RuntimeError,
        LookupError,
        ValueError,
        TypeError,
    ) as error:  # h5py has them all
        raise torn(path, "HDF5 file", error) from error


class PackStore:
    """What a study's packs hold, one data set a video.

    At most PACKS_OPEN packs are open at once.

    Args:
        packs: HDF5 files.
        rate: expected where a pack says its own rate.
        rate_name: attribute with a pack's rate, whose ending is the unit.

    Raises:
        DataError: if a file is no HDF5 file, or has another rate.
    """

    def __init__(self, packs: Iterable[Path], *, rate: float, rate_name: str) -> None:
        self._rate, self._rate_name = rate, rate_name
        self._open: OrderedDict[Path, h5py.File] = OrderedDict()
        self._path_of: dict[str, Path] = {}
        for path in packs:
            with _reading(path):
                self._path_of.update(dict.fromkeys(self._file(path), path))

    def __contains__(self, video_id: str) -> bool:
        return video_id in self._path_of

    def __getitem__(self, video_id: str) -> h5py.Dataset:
        """Return a video's data set: `len` reads nothing, and a slice no more than itself.

        It is valid until PACKS_OPEN other packs have been read.

        Raises:
            NoAudioError: if no pack has the video.
        """
        if video_id not in self._path_of:
            raise NoAudioError(f"{video_id}: no audio in the file")
        path = self._path_of[video_id]
        with _reading(path):
            found = self._file(path)[video_id]
            if not isinstance(found, h5py.Dataset):
                raise TypeError(f"{video_id} is no data set")
            return found

    def origin(self, video_id: str) -> str:
        """Return the key of what a data set was made from; empty if the pack does not say so."""
        with _reading(self._path_of[video_id]):
            return str(self[video_id].attrs.get("key", ""))

    def close(self) -> None:
        """Close all files."""
        while self._open:
            self._open.popitem()[1].close()

    def _file(self, path: Path) -> h5py.File:
        """Return an open pack; the one that was not used for longest makes room."""
        if path not in self._open:
            if len(self._open) >= PACKS_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[path] = self._open_pack(path)
        self._open.move_to_end(path)
        return self._open[path]

    def _open_pack(self, path: Path) -> h5py.File:
        with _reading(path):
            file = h5py.File(path, "r")
            rate = file.attrs.get(self._rate_name, self._rate)
            is_right = bool(rate == self._rate)
        if not is_right:
            file.close()
            unit = {"rate_hz": "Hz", "rate_fps": "frames a second"}[self._rate_name]
            raise DataError(f"{path}: {rate} {unit}, but the preset needs {self._rate} {unit}")
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class WaveformStore(PackStore):
    """The waveforms of a study, read a slice at a time.

    Args:
        packs: HDF5 files with one data set a video.
        sample_rate: Hz; expected where a pack says its own rate.

    Raises:
        DataError: as `PackStore`.
    """

    def __init__(self, packs: Iterable[Path], *, sample_rate: int) -> None:
        super().__init__(packs, rate=sample_rate, rate_name="rate_hz")
        self.sample_rate = sample_rate

    def n_samples(self, video_id: str) -> int:
        """Return the number of samples of a video."""
        return len(self[video_id])

    def read(self, video_id: str, first: int, last: int) -> NDArray[np.float32]:
        """Return samples [first, last) of a video, cut at the borders as array slices are."""
        with _reading(self._path_of[video_id]):
            return as_float32(self[video_id][first:last])


class ImageStore(PackStore):
    """The audio images of a study, (clips, bands, frames) a video.

    Args:
        packs: HDF5 files with one data set a video.
        sample_rate: Hz of the audio; expected where a pack says its own rate.

    Raises:
        DataError: as `PackStore`.
    """

    def __init__(self, packs: Iterable[Path], *, sample_rate: int) -> None:
        super().__init__(packs, rate=sample_rate, rate_name="rate_hz")

    def n_clips(self, video_id: str) -> int:
        """Return the number of a video's images, which may be 0."""
        return len(self[video_id])

    def read(self, video_id: str, first: int, last: int) -> NDArray[np.float32]:
        """Return images [first, last) of a video in dB, cut at the borders as slices are."""
        with _reading(self._path_of[video_id]):
            images: NDArray[np.floating] = self[video_id][first:last]
        return images.astype(np.float32, copy=False)


class FrameStore(PackStore):
    """Small frames of a study's videos at a low rate, read a clip at a time.

    Args:
        packs: HDF5 files with one data set a video, uint8 (N, H, W, 3), RGB.
        rate_fps: frames a second; expected where a pack says its own rate.

    Raises:
        DataError: as `PackStore`.
    """

    def __init__(self, packs: Iterable[Path], *, rate_fps: int) -> None:
        super().__init__(packs, rate=rate_fps, rate_name="rate_fps")
        self.rate_fps = rate_fps

    def n_frames(self, video_id: str) -> int:
        """Return the number of a video's frames."""
        return len(self[video_id])

    def read(self, video_id: str, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """Return frames of a video by their ascending numbers: (T, H, W, 3).

        Those before the first frame become the first, those after the last one the last.
        """
        frames = self[video_id]
        inside = np.clip(numbers, 0, len(frames) - 1)
        first = int(inside[0])
        with _reading(self._path_of[video_id]):
            span: NDArray[np.uint8] = frames[first : int(inside[-1]) + 1]
        return span[inside - first]
