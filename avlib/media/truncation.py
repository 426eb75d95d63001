"""How many bytes a cut-off file lacks, by the sizes that its container writes at the front."""

import struct
from pathlib import Path
from typing import BinaryIO

EBML_HEADER = b"\x1a\x45\xdf\xa3"
MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
# Programs that write a WAV file into a pipe announce nearly 2 or 4 GiB of samples.
OPEN_ENDED = 0x7FFFF000


def missing_bytes(path: Path) -> int:
    """Return how many bytes are missing at the end of an MP4, AVI, Matroska or WAV file.

    Containers that do not announce their size (MPEG-TS, FLV, live recordings) give 0.

    Raises:
        OSError: if the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        file.seek(0)
        if start[4:8] == b"ftyp":
            end = _end_of_boxes(file, size)
        elif start[:4] == b"RIFF" and start[8:] == b"WAVE":
            end = _end_of_samples(file, size)
        elif start[:4] == b"RIFF":
            end = _end_of_riff(file, size)
        elif start[:4] == EBML_HEADER:
            end = _end_of_segment(file)
        else:
            end = 0
    return max(0, end - size)


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Walk the top-level boxes of an MP4 file (ISO/IEC 14496-12, section 4.2)."""
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(16)
        name = header[4:8]
        if len(header) < 8 or not name.isalnum():
            break  # padding after the last box
        length = int.from_bytes(header[:4], "big")
        if length == 1:  # the length follows as 64 bits
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0: the box reaches to the end of the file
            break
        end += length
    return end


def _end_of_riff(file: BinaryIO, size: int) -> int:
    """Walk the RIFF chunks of an AVI file; large ones have several."""
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(8)
        if len(header) < 8 or header[:4] != b"RIFF":
            break
        end += 8 + struct.unpack("<I", header[4:])[0]
    return end


def _end_of_samples(file: BinaryIO, size: int) -> int:
    """Walk the chunks of a WAV file up to the end of its samples; 0 if it does not say.

    What follows them, and the size of the whole, are often wrong and not needed.
    """
    end = 12
    while end < size:
        file.seek(end)
        header = file.read(8)
        if len(header) < 8:
            break
        length = struct.unpack("<I", header[4:])[0]
        if header[:4] == b"data":
            return 0 if length & OPEN_ENDED == OPEN_ENDED else end + 8 + length
        end += 8 + length + length % 2
    return end


def _end_of_segment(file: BinaryIO) -> int:
    """Return where the first segment of a Matroska file ends, or 0 if it does not say."""
    file.seek(len(EBML_HEADER))
    length = _read_length(file)
    if length is None:
        return 0
    file.seek(length, 1)
    if file.read(4) != MATROSKA_SEGMENT:
        return 0
    length = _read_length(file)
    return 0 if length is None else file.tell() + length


def _read_length(file: BinaryIO) -> int | None:
    """Read an EBML variable-length integer (RFC 8794, section 4); None stands for unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    n_bytes = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] ^ (1 << (8 - n_bytes))]) + file.read(n_bytes - 1), "big")
    return None if value == (1 << (7 * n_bytes)) - 1 else value
