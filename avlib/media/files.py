"""Opening of media files that come from outside: regular files only, whatever their names."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from avlib.errors import DataError
from avlib.media.videos import readable

AnyStream = TypeVar("AnyStream", bound=Stream)


def check_regular(path: Path) -> None:
    """Check that a path is a regular file that can be read.

    Reading a named pipe or a device may never end.

    Raises:
        DataError: if it is not; the message says why.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        raise DataError(f"{readable(str(path))}: {error.strerror}") from error


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a media file with FFmpeg's libraries.

    The name is never taken for the address of another protocol, although it may hold a colon.

    Raises:
        DataError: if it is not a regular file, or cannot be read.
        av.FFmpegError: if it is not a media file.
    """
    check_regular(path)
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        yield container


def packets(container: InputContainer, *streams: AnyStream) -> "Iterator[Packet[AnyStream]]":
    """Yield the packets of streams in the order of the file, and an empty one of each at its end.

    PyAV has no place for a stream that appears after a file was opened, and may raise at the end.
    """
    try:
        yield from cast("Iterator[Packet[AnyStream]]", container.demux(*streams))
    except IndexError:
        return
