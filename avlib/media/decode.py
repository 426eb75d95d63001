"""The audio of a media file as integer samples, equal to what the ffmpeg command writes.

Decoding in process is several times faster than a process a file, but two releases of FFmpeg
need not give the same bits. So it is done only where both are shown to agree (the tests compare
them, codec by codec); everything else goes through the command, which is the definition, several
short files a process.
"""

import logging
import math
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from os import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard
from numpy.typing import DTypeLike, NDArray

from avlib.errors import DataError
from avlib.media import ffmpeg
from avlib.media.files import open_media
from avlib.media.isolation import Worker, lent_worker

logger = logging.getLogger(__name__)

# Releases (command, libraries in process) that agree on these codecs with one or two channels.
AGREEING_RELEASES = {("9.0", "8.1")}
LOSSLESS_CODECS = {"flac", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_u8", "pcm_f32le"}
LOSSY_CODECS = {"aac", "mp3", "mp3float", "mp2", "mp2float", "opus", "vorbis"}

FIFO_SAMPLES = 16_384  # larger blocks are slower: each brings memory that was never touched
HELD_BYTES = 64 << 20  # audio up to this size stays in memory
READ_SAMPLES = 1 << 20  # of a file at once
AAC_FRAME_SAMPLES = 1024
LAYOUTS = {1: "mono", 2: "stereo"}


@dataclass(frozen=True)
class Start:
    """The beginning of the samples; blocks that came before it do not count.

    Attributes:
        sample_rate: Hz.
        channels: their samples are interleaved.
        n_replaced: samples that were no finite numbers.
    """

    sample_rate: int
    channels: int
    n_replaced: int = 0


@dataclass(frozen=True)
class DecodedSound:
    """Audio of known length.

    Attributes:
        start: what it begins with.
        n_samples: of each channel.
        blocks: its samples, interleaved; they can be read once.
    """

    start: Start
    n_samples: int
    blocks: Iterable[NDArray[Any]]


Blocks = Generator[Start | NDArray[np.integer], None, None]


class _CommandNeededError(Exception):
    """Decoding in process is not known to give the bits of the command for this file."""


def agrees_with_command() -> bool:
    """Say whether the libraries in process give the bits of the ffmpeg command."""
    releases = (ffmpeg.version(ffmpeg.binary()), str(av.ffmpeg_version_info))
    return tuple(".".join(release.split(".")[:2]) for release in releases) in AGREEING_RELEASES


def waveform_blocks(
    path: Path, sample_rate: int, channels: int | None = 1, bits: int = 16
) -> Blocks:
    """Yield the audio of a file, a `Start` and then blocks of interleaved samples.

    The samples are those of `ffmpeg -vn -ac CHANNELS -ar RATE -c:a pcm_s16le`.

    Args:
        path: a media file.
        sample_rate: Hz of the samples.
        channels: one or two. None: one where all audio streams have one, else two.
        bits: of a sample: 16, or 32, which loses nothing of what a codec decodes.

    Raises:
        DataError: if ffmpeg cannot read the file, or it has no audio stream.
    """
    try:
        # Opening can take longer than decoding, hence but once.
        with open_media(path) as container:
            if not container.streams.audio:
                raise DataError(f"{path}: no audio stream in the file")
            channels = channels or _own_channels(container)
            yield Start(sample_rate, channels)
            yield from _decode_in_process(container, sample_rate, channels, bits)
            return
    except MemoryError:
        raise
    except (_CommandNeededError, av.FFmpegError, ValueError, AttributeError) as reason:
        if channels is None:
            raise DataError(f"{path}: the audio stream cannot be read ({reason})") from reason
        logger.debug("%s: decoded by the command (%s)", path, reason)
    yield Start(sample_rate, channels)
    yield from ffmpeg.command_waveform(path, sample_rate=sample_rate, channels=channels, bits=bits)


@contextmanager
def decoded_together(
    files: Mapping[str, Path],
    sample_rate: int,
    folder: Path,
    worker: Worker,
    channels: int | None = 1,
    bits: int = 16,
) -> Iterator[dict[str, DecodedSound]]:
    """Decode several files by one process of the command; yield their audio by name.

    The samples are those of `waveform_blocks`. A file without exactly one audio stream is left
    out, and all are if the command complains: those are then to be decoded by themselves.

    Args:
        files: media files by any name.
        sample_rate: Hz of the samples.
        folder: where the samples lie until the end of the context, in files without names.
        worker: process that opens the files first.
        channels: one or two. None: one where the audio stream has one, else two.
        bits: of a sample, 16 or 32.
    """
    with ExitStack() as stack:
        jobs = {}
        for name, path in files.items():
            if own_channels := _channels_of_only_stream(path, worker):
                raw = cast(BinaryIO, stack.enter_context(TemporaryFile(dir=folder)))
                jobs[name] = (path, channels or min(own_channels, 2), raw)
        try:
            if jobs:
                ffmpeg.write_waveforms(list(jobs.values()), sample_rate=sample_rate, bits=bits)
        except DataError as reason:
            logger.debug("%s", reason)
            jobs = {}
        kind = np.dtype(f"int{bits}")
        yield {name: _filed(Start(sample_rate, n), raw, kind) for name, (_, n, raw) in jobs.items()}


def channel_blocks(path: Path) -> Blocks:
    """Yield the first audio stream of a file at its own rate, with its own channels.

    The samples are those of `ffmpeg -map 0:a:0 -c:a pcm_s16le`.

    Raises:
        DataError: if ffmpeg cannot read the file, or the stream is empty.
    """
    part = None
    for part in ffmpeg.first_stream(path):
        yield Start(*part) if isinstance(part, tuple) else part
    if part is None:
        raise DataError(f"{path}: the audio stream holds no samples")


@contextmanager
def held(blocks: Iterator[Start | NDArray[Any]], folder: Path) -> Iterator[DecodedSound]:
    """Read blocks, as `waveform_blocks` yields them, to their end; yield them as a whole.

    Args:
        blocks: a `Start` and what follows it.
        folder: where long audio lies until the end of the context, in a file without a name.
    """
    start, parts, raw, dtype = None, list[NDArray[Any]](), None, np.dtype(np.int16)
    with ExitStack() as stack:
        for block in blocks:
            if isinstance(block, Start):
                start, parts, raw = block, [], None
                continue
            dtype = block.dtype
            parts.append(block)
            if raw is None and sum(part.nbytes for part in parts) > HELD_BYTES:
                raw = stack.enter_context(TemporaryFile(dir=folder))
            if raw is not None:
                raw.writelines(part.data for part in parts)
                parts = []
        assert start is not None
        if raw is None:
            yield DecodedSound(start, sum(map(len, parts)) // start.channels, parts)
        else:
            yield _filed(start, raw, dtype)


def _filed(start: Start, raw: IO[bytes], dtype: DTypeLike) -> DecodedSound:
    """Return the audio that an open file of raw samples holds."""
    sample_bytes = np.dtype(dtype).itemsize * start.channels

    def blocks() -> Iterator[NDArray[Any]]:
        raw.seek(0)
        while block := raw.read(READ_SAMPLES * sample_bytes):
            yield np.frombuffer(block, dtype)

    return DecodedSound(start, raw.seek(0, SEEK_END) // sample_bytes, blocks())


def read_channels(path: Path) -> tuple[NDArray[np.int16], int]:
    """Return the first audio stream of a file as it is, (n_samples, channels), and its rate in Hz.

    Raises:
        DataError: if ffmpeg cannot read the file, or the stream is empty.
    """
    with lent_worker() as worker:
        samples, sample_rate = gathered(worker.items(channel_blocks, path))
    if not len(samples):
        raise DataError(f"{path}: the audio stream holds no samples")
    return samples, sample_rate


def read_waveform(path: Path, sample_rate: int, channels: int) -> NDArray[np.int16]:
    """Return the audio of a file as `waveform_blocks` has it: (n_samples, channels).

    Raises:
        DataError: if ffmpeg cannot read the file.
    """
    with lent_worker() as worker:
        samples, _ = gathered(worker.items(waveform_blocks, path, sample_rate, channels))
    return samples


def gathered(blocks: Iterator[Start | NDArray[Any]]) -> tuple[NDArray[Any], int]:
    """Return blocks, as `waveform_blocks` yields them, as (n_samples, channels), and the rate."""
    start, parts = None, list[NDArray[Any]]()
    for block in blocks:
        if isinstance(block, Start):
            start, parts = block, []
        else:
            parts.append(block)
    assert start is not None
    samples = np.concatenate([np.zeros(0, np.int16), *parts])
    return samples.reshape(-1, start.channels), start.sample_rate


def _own_channels(container: InputContainer) -> int:
    return 1 if all(stream.channels == 1 for stream in container.streams.audio) else 2


def _channels_of_only_stream(path: Path, worker: Worker) -> int:
    """Return the channels of a file's audio stream, zero if there is not exactly one."""
    try:
        channels = worker.call(_channels_of_streams, path)
    except DataError:
        return 0
    return channels[0] if len(channels) == 1 else 0


def _channels_of_streams(path: Path) -> list[int]:
    try:
        with open_media(path) as container:
            return [int(stream.channels) for stream in container.streams.audio]
    except (av.FFmpegError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not readable ({error})") from error


def _decode_in_process(
    container: InputContainer, sample_rate: int, channels: int, bits: int = 16
) -> Iterator[NDArray[np.integer]]:
    stream = container.streams.audio[0]
    limit = _samples_kept(container, stream)
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all  # so that the video stream is not even read
    resampler = av.AudioResampler(format=f"s{bits}", layout=LAYOUTS[channels], rate=sample_rate)
    fifo = av.AudioFifo()
    layout, n_decoded = None, 0
    for frame in _frames(container, stream):
        layout = layout or frame.layout
        if frame.layout != layout:  # the queue would read channels that are not there
            raise _CommandNeededError(f"{layout.name} that turns to {frame.layout.name}")
        frame.pts = None  # like the command, leave gaps in the timestamps unfilled
        fifo.write(frame)
        n_decoded += frame.samples
        if n_decoded > limit:
            break
        if fifo.samples >= FIFO_SAMPLES:
            yield from _resample(resampler, fifo.read())
    rest = fifo.samples - max(n_decoded - limit, 0)
    if rest > 0:
        yield from _resample(resampler, fifo.read(int(rest)))
    yield from _resample(resampler, None)
    if _is_lossless_mov(container, stream) and n_decoded != stream.duration:
        raise _CommandNeededError("an edit list that hides the end of the audio")


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
    # What `packets` and their decoding yield, in one call that costs half as much.
    with suppress(IndexError):
        yield from container.decode(stream)


def _resample(
    resampler: av.AudioResampler, frame: av.AudioFrame | None
) -> Iterator[NDArray[np.integer]]:
    for resampled in resampler.resample(frame):
        kind = f"int{8 * resampled.format.bytes}"
        samples = np.frombuffer(bytes(resampled.planes[0]), kind)  # and what fills up the buffer
        yield samples[: resampled.samples * resampled.layout.nb_channels]


def _samples_kept(container: InputContainer, stream: AudioStream) -> float:
    """Return how many decoded samples the command keeps, or infinity for all.

    FFmpeg 9 drops the samples that lie after the end of an MP4 edit list, FFmpeg 8 does not; of a
    lossless codec it drops even more.

    Raises:
        _CommandNeededError: if the command's choice is not known here.
    """
    if not agrees_with_command():
        raise _CommandNeededError("another release of FFmpeg")
    codec = stream.codec_context
    if len(container.streams.audio) > 1:
        raise _CommandNeededError("several audio streams, of which the command chooses one")
    if codec.name not in LOSSLESS_CODECS | LOSSY_CODECS or stream.channels > 2:
        raise _CommandNeededError(f"{codec.name} with {stream.channels} channels")
    if "mov" not in container.format.name:
        return math.inf
    entries = stream.index_entries
    if _is_lossless_mov(container, stream):
        is_from_start = stream.start_time == 0 and entries and entries[0].timestamp == 0
        if is_from_start and stream.time_base == Fraction(1, stream.rate):
            return math.inf
        raise _CommandNeededError("an edit list that hides the beginning of the audio")
    if codec.name != "aac" or codec.profile != "LC" or not entries or stream.duration is None:
        raise _CommandNeededError(f"{codec.name} in {container.format.name}")
    n_before = (len(entries) - 1) * AAC_FRAME_SAMPLES
    if entries[-1].timestamp - entries[0].timestamp != n_before:
        raise _CommandNeededError("gaps in the audio")
    if stream.duration - entries[-1].timestamp >= AAC_FRAME_SAMPLES:
        return math.inf
    starts_plainly = stream.start_time == 0 and entries[0].timestamp == -AAC_FRAME_SAMPLES
    if starts_plainly and stream.time_base == Fraction(1, stream.rate):
        return int(stream.duration)
    raise _CommandNeededError("an edit list of another form")


def _is_lossless_mov(container: InputContainer, stream: AudioStream) -> bool:
    return "mov" in container.format.name and stream.codec_context.name in LOSSLESS_CODECS
