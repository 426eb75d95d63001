"""Sources of a video's audio: its own file, a sound file of its name, or an EPIC HDF5 file."""

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

import h5py
import numpy as np
import soundfile
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.packs import BLOCK_SAMPLES, as_float32, write_waveform
from avlib.media.decode import DecodedSound, Start, channel_blocks, held, waveform_blocks
from avlib.media.isolation import Worker
from avlib.media.resample import block_size, check_rate, resample_mono

logger = logging.getLogger(__name__)

# libsndfile decodes the same samples as ffmpeg, with more than 16 bits where there are more.
LOSSLESS_FORMATS = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC"}
SENT_SAMPLES = 1 << 18  # from process to process at once
SHORT_BYTES = 4 << 20  # of samples; several such sounds are in memory together
LARGEST_SAMPLE = 2.0**31  # in floats that were never scaled to [-1, 1]
FLOAT_CONTAINERS = {b"RIFF", b"RIFX", b"RF64", b"FORM", b"riff"}  # first bytes

Signal: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class SoundSettings:
    """How audio enters the packs.

    Attributes:
        sample_rate: Hz of the packs.
        resampler: ffmpeg's (`ffmpeg -ac 1 -ar RATE`), or soxr HQ on the mean of the channels.
        channels: one; or those of the file, of which ffmpeg mixes more than two to two, in
            int16 and with ffmpeg's resampler also for sound files.
        bits: of the samples that ffmpeg writes: 16 as the published commands, or 32, of which
            float32 keeps all that a codec decodes.
    """

    sample_rate: int
    resampler: Literal["ffmpeg", "soxr"]
    channels: Literal["mono", "own"] = "mono"
    bits: Literal[16, 32] = 16

    @property
    def n_channels(self) -> int | None:
        """One, or None for those of the file."""
        return 1 if self.channels == "mono" else None

    @property
    def bytes_a_second(self) -> int:
        """Of the samples that ffmpeg writes, at most."""
        return self.sample_rate * self.bits // 8 * (self.n_channels or 2)


def pack_sound(
    pack: h5py.File,
    video_id: str,
    path: Path,
    settings: SoundSettings,
    scratch: Path,
    worker: Worker,
    *,
    is_substitute: bool = False,
) -> h5py.Dataset | None:
    """Add the audio of a file to a pack under the video's id; None where it holds no samples.

    Args:
        pack: HDF5 file to write.
        video_id: name of the data set.
        path: a media file.
        settings: rate, resampler and channels.
        scratch: folder for temporary files.
        worker: process that decodes.
        is_substitute: whether the file is used in place of a video's own audio; TIM's loader of
            wav folders then decides the samples.

    Raises:
        DataError: if the file cannot be decoded.
    """
    blocks = worker.items(sound_blocks, path, settings, scratch, is_substitute=is_substitute)
    with held(blocks, scratch) as sound:
        return pack_decoded(pack, video_id, sound, settings)


def short_sounds(
    files: Mapping[str, Path], settings: SoundSettings, scratch: Path, worker: Worker
) -> dict[str, DecodedSound]:
    """Decode several media files by one call; return their audio by name.

    To go back and forth between two processes for each takes a tenth of its time. What is long or
    cannot be decoded is left out, and all files are if one of them ends the process: those are
    then to be decoded by themselves.

    Args:
        files: media files by any name.
        settings: rate, resampler and channels.
        scratch: folder for files of a while.
        worker: process that decodes.
    """
    if not files:
        return {}
    paths = list(files.values())
    try:
        found = worker.call(_short_sounds, paths[0], paths, settings, scratch)
    except DataError as reason:
        logger.debug("%s", reason)
        return {}
    return {
        name: DecodedSound(start, len(samples) // start.channels, [samples])
        for name, (start, samples) in zip(files, found, strict=True)
        if start is not None
    }


def _short_sounds(
    _first: Path, paths: Sequence[Path], settings: SoundSettings, folder: Path
) -> list[tuple[Start | None, NDArray[Any]]]:
    found = []
    for path in paths:
        try:
            found.append(_short_sound(path, settings, folder))
        except MemoryError:
            raise
        except Exception as reason:  # whatever it is, it is said when the file is decoded again
            logger.debug("%s: %s", path, reason)
            found.append((None, np.zeros(0)))
    return found


def _short_sound(
    path: Path, settings: SoundSettings, folder: Path
) -> tuple[Start | None, NDArray[Any]]:
    start, parts = None, list[NDArray[Any]]()
    for block in sound_blocks(path, settings, folder, is_substitute=False):
        if isinstance(block, Start):
            start, parts = block, []
            continue
        parts.append(block)
        if sum(part.nbytes for part in parts) > SHORT_BYTES:
            return None, np.zeros(0)
    return start, np.concatenate(parts) if len(parts) > 1 else (parts or [np.zeros(0)])[0]


def sound_blocks(
    path: Path, settings: SoundSettings, folder: Path, *, is_substitute: bool
) -> Generator[Start | NDArray[Any], None, None]:
    """Yield the audio of a file as it enters a pack, in large blocks.

    Args:
        path: a media file.
        settings: rate, resampler and channels.
        folder: where a copy of the file may lie for a while.
        is_substitute: as `pack_sound`.

    Raises:
        DataError: if the file cannot be decoded.
    """
    with finite_samples(path, folder) as (source, n_replaced):
        blocks: Generator[Start | NDArray[Any], None, None]
        if is_decoded_by_ffmpeg(settings, is_substitute=is_substitute):
            how = (settings.sample_rate, settings.n_channels, settings.bits)
            blocks = waveform_blocks(source, *how)
        else:
            decode = _sound_file_blocks if is_substitute else _soxr_blocks
            blocks = decode(source, settings.sample_rate)
        gathered: list[NDArray[Any]] = []
        for block in blocks:
            if isinstance(block, Start):
                gathered = []
                yield replace(block, n_replaced=n_replaced)
                continue
            gathered.append(block)
            if sum(map(len, gathered)) >= SENT_SAMPLES:
                yield np.concatenate(gathered)
                gathered = []
        if gathered:
            yield np.concatenate(gathered)


def is_decoded_by_ffmpeg(settings: SoundSettings, *, is_substitute: bool) -> bool:
    """Say whether the samples of a media file are those that the ffmpeg command writes."""
    return settings.channels == "own" or (settings.resampler == "ffmpeg" and not is_substitute)


def pack_decoded(
    pack: h5py.File, video_id: str, sound: DecodedSound, settings: SoundSettings
) -> h5py.Dataset | None:
    """Add audio as integers (n_samples, 1 or 2) if it has its own channels, else as float32.

    Returns:
        the data set; None where there are no samples: then nothing is added.
    """
    n_samples, channels = sound.n_samples, sound.start.channels
    if not n_samples:
        return None
    if settings.channels == "own":
        shaped = (block.reshape(-1, channels) for block in sound.blocks)
        kind = np.dtype(f"int{settings.bits}")
        waveform = write_waveform(pack, video_id, (n_samples, channels), shaped, kind)
    else:
        waveform = write_waveform(pack, video_id, (n_samples,), map(as_float32, sound.blocks))
    if sound.start.n_replaced:
        waveform.attrs["replaced_samples"] = sound.start.n_replaced
    return waveform


def _sound_file_blocks(path: Path, sample_rate: int) -> Generator[Start | Signal, None, None]:
    """Yield a file's audio, by libsndfile where that is sure of the length, else by ffmpeg."""
    try:
        with soundfile.SoundFile(path) as file:
            if file.format in LOSSLESS_FORMATS:
                check_rate(file.samplerate)
                yield Start(sample_rate, 1)
                blocks = _blocks_of(file, block_size(file.samplerate, sample_rate))
                yield from resample_mono(blocks, file.samplerate, sample_rate)
                if file.tell() == file.frames > 0:
                    return
    except soundfile.LibsndfileError as error:
        logger.debug("%s: %s", path, error.error_string)
    yield from _soxr_blocks(path, sample_rate)


def _blocks_of(
    file: soundfile.SoundFile, size: int, dtype: str = "float32"
) -> Iterator[NDArray[Any]]:
    """Yield what a file holds, (n_samples, channels), whatever length its header announces."""
    while len(block := file.read(size, dtype=dtype, always_2d=True)):
        yield block


@contextmanager
def finite_samples(path: Path, folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield a file whose samples are all numbers, and the number of samples that were replaced.

    It is the file itself, or a copy with zeros in place of NaN, infinity, and what is larger than
    integer samples are: powers of such samples overflow.

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
            for block in _blocks_of(file, BLOCK_SAMPLES, "float64"):
                new.write(np.where(np.abs(block) <= LARGEST_SAMPLE, block, 0.0))
        yield copy, n_odd


def _count_odd_samples(path: Path) -> int:
    """Return how many samples of a file of uncompressed floats are NaN, infinite or too large."""
    with path.open("rb") as raw:
        if raw.read(4) not in FLOAT_CONTAINERS:
            return 0
    try:
        with soundfile.SoundFile(path) as file:
            if file.subtype not in {"FLOAT", "DOUBLE"}:
                return 0
            blocks = _blocks_of(file, BLOCK_SAMPLES, "float64")
            return sum(int((~(np.abs(b) <= LARGEST_SAMPLE)).any(axis=1).sum()) for b in blocks)
    except soundfile.LibsndfileError:
        return 0


def _soxr_blocks(path: Path, sample_rate: int) -> Generator[Start | Signal, None, None]:
    """Yield the mean of the channels of a file's first audio stream, as ffmpeg decodes it."""
    parts = channel_blocks(path)
    own = next(parts)
    assert isinstance(own, Start)
    check_rate(own.sample_rate)
    yield Start(sample_rate, 1)
    signals = _signals(parts, own.channels, block_size(own.sample_rate, sample_rate))
    yield from resample_mono(signals, own.sample_rate, sample_rate)


def _signals(
    parts: Iterable[Start | NDArray[np.integer]], channels: int, size: int
) -> Iterator[Signal]:
    """Yield interleaved samples as (n_samples, channels), up to `size` at once."""
    for part in parts:
        assert not isinstance(part, Start)
        signal = as_float32(part).reshape(-1, channels)
        for first in range(0, len(signal), size):
            yield signal[first : first + size]
