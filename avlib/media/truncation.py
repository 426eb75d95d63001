"""Whether a media file is cut off.

What a container announces of its whole size is a hint: recorders, pipes and other programs write
wrong ones. A file is cut off where one of its smallest parts begins in it and ends after it.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

EBML_HEADER = 0x1A45DFA3
MATROSKA_SEGMENT = 0x18538067
# Void, checksum, SeekHead, Info, Tracks, Cluster, Cues, Chapters, Attachments, Tags.
MATROSKA_PARTS = {
    0xEC, 0xBF, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0x1043A770, 0x1941A469,
    0x1254C367,
}  # fmt: skip
# Programs that write a WAV file into a pipe announce nearly 2 or 4 GiB of samples.
OPEN_ENDED = 0x7FFFF000
HEADER_BYTES = 8  # of an MP4 box or a RIFF chunk
SHORTEST_LOSS_S = 0.1  # of audio; less is taken for a wrong size of a WAV file


class _Part(NamedTuple):
    """A part of a file: its name, and where its content begins and ends."""

    name: bytes | int
    start: int
    end: int


class Extent(NamedTuple):
    """How far a file reaches.

    Attributes:
        missing: bytes that are missing at its end.
        has_fragments: whether it is an MP4 file with parts of its index between its packets.
    """

    missing: int
    has_fragments: bool = False


def extent(path: Path) -> Extent:
    """Return whether an MP4, AVI, Matroska or WAV file is cut off, by its parts.

    The packets of an MP4 file whose index comes first are not looked at. Containers that do not
    announce sizes (MPEG-TS, FLV, live recordings) miss nothing.

    Raises:
        OSError: if the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[4:8] == b"ftyp":
            return _extent_of_mp4(file, size)
        if start[:4] == b"RIFF" and start[8:] == b"WAVE":
            return Extent(_missing_samples(file, size))
        if start[:4] == b"RIFF":
            return Extent(max(0, _end_of_riff(file, size) - size))
        if int.from_bytes(start[:4], "big") == EBML_HEADER:
            return Extent(max(0, _end_of_matroska(file, size) - size))
    return Extent(0)


def _extent_of_mp4(file: BinaryIO, size: int) -> Extent:
    """Look at the top-level boxes of an MP4 file (ISO/IEC 14496-12, section 4.2)."""
    names, missing = set(), 0
    for box in _boxes(file, 0, size):
        names.add(box.name)
        if box.name == b"moov":
            missing = max(0, _end_of_index(file, box, size) - size)
        elif box.name in {b"mdat", b"moof"} and (b"moov" not in names or b"moof" in names):
            missing = max(0, box.end - size)
    return Extent(missing, b"moof" in names)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Part]:
    while start < end:
        file.seek(start)
        header = file.read(16)
        name = header[4:8]
        if len(header) < 8 or not name.isalnum():
            return  # padding, or something else behind the last box
        length, n_bytes = int.from_bytes(header[:4], "big"), 8
        if length == 1:  # the length follows as 64 bits
            length, n_bytes = int.from_bytes(header[8:16], "big"), 16
        if length < n_bytes:  # 0: the box reaches to the end of the file
            return
        yield _Part(name, start + n_bytes, start + length)
        start += length


def _end_of_index(file: BinaryIO, box: _Part, size: int) -> int:
    """Return where the last part of an MP4 file's index ends."""
    if box.end <= size:
        return box.end
    end = max((part.end for part in _boxes(file, box.start, size)), default=box.start)
    return end + HEADER_BYTES if 0 < size - end < HEADER_BYTES else end


def _end_of_riff(file: BinaryIO, size: int) -> int:
    """Return where the last chunk of an AVI file ends; large ones have several RIFF chunks."""
    end = 0
    for chunk in _chunks(file, 0, size):
        if chunk.name != b"RIFF":
            break  # something else behind them
        end = chunk.end if chunk.end <= size else _end_of_list(file, chunk, size)
    return end


def _end_of_list(file: BinaryIO, parent: _Part, size: int) -> int:
    """Return where the last chunk ends in one whose own size reaches beyond the file."""
    end = parent.start + 4
    for chunk in _chunks(file, end, size):
        end = chunk.end
        if chunk.name == b"LIST" and (chunk.end > size or chunk.end == chunk.start):
            return _end_of_list(file, chunk, size)
    return end + HEADER_BYTES if 1 < size - end < HEADER_BYTES else end


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[_Part]:
    while start + HEADER_BYTES <= end:
        file.seek(start)
        name, length = struct.unpack("<4sI", file.read(HEADER_BYTES))
        yield _Part(name, start + HEADER_BYTES, start + HEADER_BYTES + length)
        start += HEADER_BYTES + length + length % 2


def _missing_samples(file: BinaryIO, size: int) -> int:
    """Walk the chunks of a WAV file up to its samples; 0 if it does not say where these end.

    What follows them, and the size of the whole, are often wrong and not needed. Some recorders
    count the headers as samples.
    """
    bytes_a_second = 0
    for chunk in _chunks(file, 12, size):
        if chunk.name == b"fmt ":
            bytes_a_second = int.from_bytes(file.read(12)[8:], "little")
        if chunk.name == b"data":
            length, missing = chunk.end - chunk.start, chunk.end - size
            is_open = length & OPEN_ENDED == OPEN_ENDED or length >> 31
            tolerated = max(chunk.start, SHORTEST_LOSS_S * bytes_a_second)
            return 0 if is_open or missing <= tolerated else missing
    return 0


def _end_of_matroska(file: BinaryIO, size: int) -> int:
    """Return where the last element of a Matroska file's segments ends."""
    end = 0
    known = {EBML_HEADER, MATROSKA_SEGMENT}
    while end < size:
        element = _element(file, end)
        if element is None or element.name not in known:
            break  # something else, or of unknown length, as in live recordings
        if element.name == MATROSKA_SEGMENT and element.end > size:
            end, known = element.start, MATROSKA_PARTS  # its own size may be wrong
        else:
            end = element.end
    return end


def _element(file: BinaryIO, start: int) -> _Part | None:
    """Read the header of an EBML element (RFC 8794); None if its length is unknown."""
    file.seek(start)
    first = file.read(1)
    n_bytes = 9 - first[0].bit_length() if first else 9
    if n_bytes > 4:
        return None
    name = int.from_bytes(first + file.read(n_bytes - 1), "big")
    length = _read_length(file)
    if length is None:
        return None
    return _Part(name, file.tell(), file.tell() + length)


def _read_length(file: BinaryIO) -> int | None:
    """Read an EBML variable-length integer (RFC 8794, section 4); None stands for unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    n_bytes = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] ^ (1 << (8 - n_bytes))]) + file.read(n_bytes - 1), "big")
    return None if value == (1 << (7 * n_bytes)) - 1 else value
