"""Named arrays through a pipe: each message is its length and the bytes of an `.npz`.

Nothing of a message is ever run, and text is an array of characters.
"""

import io
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
LENGTH = struct.Struct("<Q")  # bytes that follow


def write_message(stream: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a message and flush.

    Raises:
        OSError: if nobody reads the other end.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    content = buffer.getbuffer()
    stream.write(LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def read_message(stream: IO[bytes]) -> Arrays | None:
    """Return the next message, or None where the other end was closed after the last one.

    Raises:
        EOFError: if it was closed within a message.
    """
    header = stream.read(LENGTH.size)
    if not header:
        return None
    if len(header) < LENGTH.size:
        raise EOFError("the pipe ended within the length of a message")
    (length,) = LENGTH.unpack(header)
    content = stream.read(length)
    if len(content) < length:
        raise EOFError(f"the pipe ended after {len(content)} of {length} bytes")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
