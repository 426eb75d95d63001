"""The ffmpeg command: which binary, and every command line that the project runs."""

import errno
import functools
import os
import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError, no_room, out_of_room
from avlib.media.isolation import STALL_S, how_it_ended
from avlib.media.videos import readable

PIPE_BYTES = 1 << 21
# Where the clock goes back, the picture goes on; the command does so itself in MPEG-TS alone.
JOINED = "setpts='if(isnan(PREV_OUTPTS),PTS,PREV_OUTPTS+if(lt(PTS,PREV_INPTS),{},PTS-PREV_INPTS))'"
QUEUED_PACKETS = 1024  # between reading and decoding; with few, two threads wait for each other


@functools.cache
def binary() -> str:
    """Return the ffmpeg on the PATH, else the one that came with the Python environment."""
    return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())


@functools.cache
def version(command: str) -> str:
    """Return the version of an ffmpeg binary, such as `9.0.2`.

    Raises:
        DataError: if the binary does not run.
    """
    try:
        banner = subprocess.run(
            [command, "-version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise DataError(f"{command} does not run ({error}); reinstall ffmpeg") from error
    match = re.match(r"ffmpeg version \D*(\d+(?:\.\d+)*)", banner)
    return match.group(1) if match else banner.splitlines()[0]


def command_waveform(
    path: Path, *, sample_rate: int, channels: int, bits: int = 16
) -> Iterator[NDArray[np.integer]]:
    """Yield the audio of a file in blocks, as `ffmpeg -vn -c:a pcm_s16le` writes it.

    Args:
        path: a media file with an audio stream.
        sample_rate: Hz.
        channels: the samples are interleaved.
        bits: of a sample, 16 or 32.

    Raises:
        DataError: if the command fails; the message is its last line.
    """
    with _output(path, bits, format=f"s{bits}le", ar=sample_rate, ac=channels) as output:
        yield from _blocks(output, channels, bits)


def first_stream(path: Path) -> Iterator[tuple[int, int] | NDArray[np.integer]]:
    """Yield the rate in Hz and the channels of a file's first audio stream, then its samples.

    Rate and channels are those of the samples, whatever the file says. They stay those of the
    beginning where the file's own change.

    Raises:
        DataError: if the command fails; the message is its last line.
    """
    with _output(path, 16, format="wav", map="0:a:0") as output:
        if found := _read_wav_header(output):
            yield found
            yield from _blocks(output, found[1], 16)


@contextmanager
def _output(path: Path, bits: int, **options: str | int) -> Iterator[BinaryIO]:
    """Yield the audio of a file as the command writes it into a pipe, samples of `bits`."""
    arguments = (
        _input(path)
        .output("pipe:", vn=None, acodec=f"pcm_s{bits}le", **options)
        .global_args("-nostdin", "-loglevel", "error")
        .compile(cmd=binary())
    )
    # A damaged file can bring more complaints than a pipe holds, hence a file for them.
    with TemporaryFile() as stderr:
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=stderr) as process:
            assert process.stdout is not None
            yield cast(BinaryIO, process.stdout)
        if process.returncode != 0:
            stderr.seek(0)
            complaints = stderr.read().decode(errors="replace")
            raise DataError(f"{path}: ffmpeg {_reason(process.returncode, complaints)}")


def _blocks(output: BinaryIO, channels: int, bits: int) -> Iterator[NDArray[np.integer]]:
    """Yield what a pipe holds, blocks that have all channels of each sample."""
    sample_bytes = bits // 8 * channels
    while block := output.read(PIPE_BYTES // sample_bytes * sample_bytes):
        yield np.frombuffer(block[: len(block) // sample_bytes * sample_bytes], f"int{bits}")


def _read_wav_header(output: BinaryIO) -> tuple[int, int] | None:
    """Read a WAV stream up to its samples; return their rate and channels, None without any."""
    output.read(12)
    rate = channels = 0
    while header := output.read(8):
        name, length = struct.unpack("<4sI", header)
        if name == b"data":
            return rate, channels
        chunk = output.read(length)
        if name == b"fmt ":
            channels, rate = struct.unpack_from("<HI", chunk, 2)
    return None


def write_waveforms(
    files: Sequence[tuple[Path, int, BinaryIO]], *, sample_rate: int, bits: int = 16
) -> None:
    """Write the audio of several files by one process, whose start may cost more than a clip.

    Args:
        files: of each, a media file with one audio stream, the number of channels, and an empty
            file that gets the samples of `ffmpeg -ac CHANNELS -ar RATE -c:a pcm_s16le`.
        sample_rate: Hz of the samples.
        bits: of a sample, 16 or 32.

    Raises:
        DataError: if the command complains about any of the files; its output is then not
            reliable, as a share of errors that ends it for one file may pass among several.
    """
    outputs = [
        _input(path, thread_queue_size=QUEUED_PACKETS)["a"].output(
            f"pipe:{target.fileno()}",
            acodec=f"pcm_s{bits}le",
            format=f"s{bits}le",
            ac=channels,
            ar=sample_rate,
        )
        for path, channels, target in files
    ]
    arguments = (
        ffmpeg.merge_outputs(*outputs)
        .global_args("-nostdin", "-loglevel", "error")
        .compile(cmd=binary())
    )
    descriptors = [target.fileno() for _, _, target in files]
    done = _run(arguments, lambda: [os.fstat(d).st_size for d in descriptors], pass_fds=descriptors)
    complaints = done.stderr.decode(errors="replace")
    if done.returncode != 0 or complaints:
        raise DataError(f"ffmpeg failed with {len(files)} files: {_last_line(complaints)}")


def write_jpeg_frames(
    path: Path,
    folder: Path,
    *,
    name: str = "frame_%10d.jpg",
    rate: float | None = None,
    stream: int | None = None,
    joined_rate: float | None = None,
) -> None:
    """Write the frames of a file as `frame_0000000001.jpg` and so on into an empty folder.

    This is the command behind the published features, `ffmpeg -i VIDEO frame_%10d.jpg`.

    Args:
        path: a video.
        folder: where the command runs.
        name: of the files, as ffmpeg takes it.
        rate: frames per second; None keeps the file's own (`-r` is left out).
        stream: index of the stream; None leaves the choice to ffmpeg (`-map` is left out).
        joined_rate: frames per second of a file whose clock starts again, as in recordings that
            are joined, so that the parts follow each other; else None.

    Raises:
        DataError: if it writes no frame; the message is its last line.
        StorageError: if the disk of `folder` is full.
    """
    joined = None if joined_rate is None else JOINED.format(f"1/({joined_rate}*TB)")
    track = None if stream is None else f"0:{stream}"
    arguments = _frames_command(path.absolute(), name, {"r": rate, "map": track, "vf": joined})
    # Run in the folder, whose own name might hold what the command takes for a pattern. Complaints
    # stay in memory, as a full disk would not take them either.
    done = _run(arguments, lambda: len(list(folder.iterdir())), cwd=folder)
    # The frames before it look like those of a shorter video.
    _check_room(done, f"{folder} (set TMPDIR to have it elsewhere)")
    complaints = done.stderr.decode(errors="replace")
    if done.returncode < 0:
        raise DataError(f"{path}: ffmpeg {_reason(done.returncode, complaints)}")
    if not any(folder.iterdir()):
        raise DataError(f"{path}: ffmpeg wrote no frame: {_last_line(complaints)}")


def _frames_command(path: Path, name: str, options: Mapping[str, float | str | None]) -> list[str]:
    """Return the command that writes frames as files; options that are None are left out."""
    given = {option: value for option, value in options.items() if value is not None}
    output = _input(path).output(name, **given).global_args("-nostdin", "-loglevel", "error")
    return cast("list[str]", output.compile(cmd=binary()))


def cut_clip(path: Path, target: Path, *, start_s: float, duration_s: float) -> None:
    """Write a part of a video as mp4 (H.264, AAC).

    This is the command behind LLP's clips, `ffmpeg -ss START -i VIDEO -t 10.0 -vcodec libx264
    -acodec aac -strict -2`. The part is shorter, or holds nothing, where the video ends before.

    Args:
        path: a video.
        target: written over if it exists; the name needs no suffix.
        start_s: of the part, in seconds.
        duration_s: of the part, in seconds.

    Raises:
        DataError: if the command fails; the message is its last line.
        StorageError: if the disk of `target` is full.
    """
    arguments = (
        _input(path, ss=start_s)
        .output(
            f"file:{target}", t=duration_s, vcodec="libx264", acodec="aac", strict=-2, format="mp4"
        )
        .global_args("-nostdin", "-loglevel", "error")
        .overwrite_output()
        .compile(cmd=binary())
    )
    done = _run(arguments, lambda: target.exists() and target.stat().st_size)
    _check_room(done, target)
    complaints = done.stderr.decode(errors="replace")
    if done.returncode != 0:
        raise DataError(f"{path}: ffmpeg {_reason(done.returncode, complaints)}")


def _run(
    arguments: list[str],
    made: Callable[[], object],
    *,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command to its end, unless it hangs.

    Args:
        arguments: the command.
        made: returns how much the command has written.
        cwd: where it runs.
        pass_fds: files that it writes to.

    Raises:
        DataError: if it writes nothing for long; then it is ended.
    """
    before = None
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, cwd=cwd, pass_fds=pass_fds) as process:
        while True:
            try:
                _, complaints = process.communicate(timeout=STALL_S)
            except subprocess.TimeoutExpired:
                now = made()
                if now == before:
                    process.kill()
                    source = arguments[arguments.index("-i") + 1].removeprefix("file:")
                    raise DataError(f"{source}: ffmpeg got no further in {STALL_S:g} s") from None
                before = now
            else:
                return subprocess.CompletedProcess(arguments, process.returncode, stderr=complaints)


def _check_room(done: subprocess.CompletedProcess[bytes], target: Path | str) -> None:
    """Check that a command found room for what it writes.

    Raises:
        StorageError: if it did not.
    """
    number = no_room(RuntimeError(done.stderr.decode(errors="replace")))
    if done.returncode == -signal.SIGXFSZ:
        number = errno.EFBIG
    if number is not None:
        raise out_of_room(target, number)


def _input(path: Path, **options: float) -> Any:
    """Return a file as the input of a command.

    Raises:
        DataError: if its path is not UTF-8, which ffmpeg-python cannot take.
    """
    try:
        return ffmpeg.input(f"file:{path}", **options)
    except UnicodeEncodeError as error:
        raise DataError(f"{readable(str(path))}: the path is not UTF-8; rename it") from error


def _reason(code: int, complaints: str) -> str:
    """Return what to say of a command that failed."""
    if code < 0:
        return how_it_ended(code)
    if "matches no streams" in complaints:
        return "failed: no audio stream in the file"
    return f"failed: {_last_line(complaints)}"


def _last_line(complaints: str) -> str:
    lines = complaints.strip().splitlines()
    return lines[-1] if lines else "no reason"
