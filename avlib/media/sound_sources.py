"""Sources of a video's audio: its own file, a sound file of its name, or an EPIC HDF5 file."""

from collections.abc import Iterator
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Literal, cast

import h5py
import numpy as np
import soundfile
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.packs import as_float32, write_waveform
from avlib.media.decode import SPOOL_BYTES, DecodedSound, extract_channels, extract_waveform
from avlib.media.resample import resample_mono

BLOCK_SAMPLES = 1 << 20


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
    with SpooledTemporaryFile(SPOOL_BYTES, dir=folder) as spool:
        raw = cast(BinaryIO, spool)
        if is_decoded_by_ffmpeg(settings, is_substitute=is_substitute):
            _, channels = extract_waveform(path, settings.sample_rate, raw, settings.n_channels)
            return _pack_decoded(pack, video_id, DecodedSound(raw, channels), settings)
        if is_substitute:
            _write_sound_file(path, settings.sample_rate, raw)
        else:
            _write_soxr(path, settings.sample_rate, raw, folder)
        n_samples = raw.tell() // np.dtype(np.float32).itemsize
        if n_samples:
            write_waveform(pack, video_id, (n_samples,), _blocks(raw, np.float32))
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


def _write_sound_file(path: Path, sample_rate: int, target: BinaryIO) -> None:
    try:
        with soundfile.SoundFile(path) as file:
            blocks = file.blocks(BLOCK_SAMPLES, dtype="float32", always_2d=True)
            for block in resample_mono(blocks, file.samplerate, sample_rate):
                target.write(block.data)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: {error.error_string}") from error


def _write_soxr(path: Path, sample_rate: int, target: BinaryIO, folder: str) -> None:
    with SpooledTemporaryFile(SPOOL_BYTES, dir=folder) as spool:
        raw = cast(BinaryIO, spool)
        own_rate, channels = extract_channels(path, raw)
        own_blocks = _blocks(raw, np.int16, channels)
        floats = (as_float32(block).reshape(-1, channels) for block in own_blocks)
        for block in resample_mono(floats, own_rate, sample_rate):
            target.write(block.data)


def _blocks(raw: BinaryIO, dtype: type, channels: int = 1) -> Iterator[NDArray[Any]]:
    """Yield the content of a raw file of samples from its start."""
    raw.seek(0)
    while block := raw.read(BLOCK_SAMPLES * channels * np.dtype(dtype).itemsize):
        yield np.frombuffer(block, dtype)
