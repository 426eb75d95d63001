"""Sources of a video's audio: its own file, a sound file of its name, or an EPIC HDF5 file."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryDirectory
from typing import Any, BinaryIO, Literal, cast

import h5py
import numpy as np
import soundfile
from numpy.typing import NDArray

from avlib.io.packs import BLOCK_SAMPLES, as_float32, write_waveform
from avlib.media.decode import SPOOL_BYTES, DecodedSound, extract_channels, extract_waveform
from avlib.media.resample import block_size, check_rate, resample_mono

logger = logging.getLogger(__name__)

# libsndfile decodes the same samples as ffmpeg, with more than 16 bits where there are more.
LOSSLESS_FORMATS = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC"}
FLOAT_CONTAINERS = {b"RIFF", b"RIFX", b"RF64", b"FORM", b"riff"}  # first bytes


@dataclass(frozen=True)
class SoundSettings:
    """How audio enters the packs.

    Attributes:
        sample_rate: Hz of the packs.
        resampler: ffmpeg's (`ffmpeg -ac 1 -ar RATE`), or soxr HQ on the mean of the channels.
        channels: one; or those of the file, of which ffmpeg mixes more than two to two, in
            int16 and with ffmpeg's resampler also for sound files.
    """

    sample_rate: int
    resampler: Literal["ffmpeg", "soxr"]
    channels: Literal["mono", "own"] = "mono"

    @property
    def n_channels(self) -> int | None:
        """One, or None for those of the file."""
        return 1 if self.channels == "mono" else None


def pack_sound(
    pack: h5py.File,
    video_id: str,
    path: Path,
    settings: SoundSettings,
    decoded: DecodedSound | None = None,
    *,
    is_substitute: bool = False,
) -> int:
    """Add the audio of a file to a pack under the video's id; return the number of samples.

    A file without samples adds nothing. What is `decoded` already is not decoded again.

    Args:
        pack: HDF5 file to write.
        video_id: name of the data set.
        path: a media file.
        settings: rate, resampler and channels.
        decoded: the audio of the file, if another process has decoded it.
        is_substitute: whether the file is used in place of a video's own audio; TIM's loader of
            wav folders then decides the samples.

    Raises:
        DataError: if the file cannot be decoded.
    """
    if decoded is not None:
        return _pack_decoded(pack, video_id, decoded, settings)
    folder = str(Path(pack.filename).parent)
    with (
        finite_samples(path, folder) as (source, n_replaced),
        SpooledTemporaryFile(SPOOL_BYTES, dir=folder) as spool,
    ):
        raw = cast(BinaryIO, spool)
        if is_decoded_by_ffmpeg(settings, is_substitute=is_substitute):
            _, channels = extract_waveform(source, settings.sample_rate, raw, settings.n_channels)
            n_samples = _pack_decoded(pack, video_id, DecodedSound(raw, channels), settings)
        else:
            write = _write_sound_file if is_substitute else _write_soxr
            write(source, settings.sample_rate, raw, folder)
            n_samples = raw.tell() // np.dtype(np.float32).itemsize
            if n_samples:
                write_waveform(pack, video_id, (n_samples,), _blocks(raw, np.float32))
        if n_samples and n_replaced:
            pack[video_id].attrs["replaced_samples"] = n_replaced
        return n_samples


def is_decoded_by_ffmpeg(settings: SoundSettings, *, is_substitute: bool) -> bool:
    """Say whether the samples of a media file are those that the ffmpeg command writes."""
    return settings.channels == "own" or (settings.resampler == "ffmpeg" and not is_substitute)


def _pack_decoded(
    pack: h5py.File, video_id: str, sound: DecodedSound, settings: SoundSettings
) -> int:
    """Add audio as int16 (n_samples, 1 or 2) if it has its own channels, else as float32."""
    n_samples = sound.raw.seek(0, SEEK_END) // (2 * sound.channels)
    blocks = _blocks(sound.raw, np.int16, sound.channels)
    if n_samples and settings.channels == "own":
        shaped = (block.reshape(-1, sound.channels) for block in blocks)
        write_waveform(pack, video_id, (n_samples, sound.channels), shaped, np.int16)
    elif n_samples:
        write_waveform(pack, video_id, (n_samples,), map(as_float32, blocks))
    return n_samples


def _write_sound_file(path: Path, sample_rate: int, target: BinaryIO, folder: str) -> None:
    """Write a file's audio, through libsndfile where that is sure of the length, else ffmpeg."""
    try:
        with soundfile.SoundFile(path) as file:
            if file.format in LOSSLESS_FORMATS:
                check_rate(file.samplerate)
                blocks = _blocks_of(file, block_size(file.samplerate, sample_rate))
                for block in resample_mono(blocks, file.samplerate, sample_rate):
                    target.write(block.data)
                if file.tell() == file.frames > 0:
                    return
    except soundfile.LibsndfileError as error:
        logger.debug("%s: %s", path, error.error_string)
    target.seek(0)
    target.truncate()
    _write_soxr(path, sample_rate, target, folder)


def _blocks_of(file: soundfile.SoundFile, size: int) -> Iterator[NDArray[np.float32]]:
    """Yield what a file holds, (n_samples, channels), whatever length its header announces."""
    while len(block := file.read(size, dtype="float32", always_2d=True)):
        yield block


@contextmanager
def finite_samples(path: Path, folder: str) -> Iterator[tuple[Path, int]]:
    """Yield a file whose samples are all finite, and the number of samples that were replaced.

    It is the file itself, or a copy with zeros in place of NaN and infinity.

    Args:
        path: a media file; only uncompressed floating-point audio can hold such samples.
        folder: where a copy lies until the end of the context.
    """
    n_odd = _count_odd_samples(path)
    if not n_odd:
        yield path, 0
        return
    with TemporaryDirectory(dir=folder) as name, soundfile.SoundFile(path) as file:
        copy, kind = Path(name) / "finite.wav", file.subtype
        with soundfile.SoundFile(
            copy, "w", file.samplerate, file.channels, kind, format="RF64"
        ) as new:
            for block in file.blocks(BLOCK_SAMPLES, dtype="float64", always_2d=True):
                new.write(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0))
        yield copy, n_odd


def _count_odd_samples(path: Path) -> int:
    """Return how many samples of a file of uncompressed floats are NaN or infinite."""
    with path.open("rb") as raw:
        if raw.read(4) not in FLOAT_CONTAINERS:
            return 0
    try:
        with soundfile.SoundFile(path) as file:
            if file.subtype not in {"FLOAT", "DOUBLE"}:
                return 0
            blocks = file.blocks(BLOCK_SAMPLES, dtype="float64", always_2d=True)
            return sum(int((~np.isfinite(block)).any(axis=1).sum()) for block in blocks)
    except soundfile.LibsndfileError:
        return 0


def _write_soxr(path: Path, sample_rate: int, target: BinaryIO, folder: str) -> None:
    with SpooledTemporaryFile(SPOOL_BYTES, dir=folder) as spool:
        raw = cast(BinaryIO, spool)
        own_rate, channels = extract_channels(path, raw)
        check_rate(own_rate)
        own_blocks = _blocks(raw, np.int16, channels, block_size(own_rate, sample_rate))
        floats = (as_float32(block).reshape(-1, channels) for block in own_blocks)
        for block in resample_mono(floats, own_rate, sample_rate):
            target.write(block.data)


def _blocks(
    raw: BinaryIO, dtype: type, channels: int = 1, size: int = BLOCK_SAMPLES
) -> Iterator[NDArray[Any]]:
    """Yield the content of a raw file of samples from its start."""
    raw.seek(0)
    while block := raw.read(size * channels * np.dtype(dtype).itemsize):
        yield np.frombuffer(block, dtype)
