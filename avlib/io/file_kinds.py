"""What a file is by its first bytes, whatever its name."""

from pathlib import Path

HEAD_BYTES = 512
TEXT = "a text file"
# First bytes of files that are given as weights by mistake.
SIGNATURES = (
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with git lfs pull"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"%PDF", "a PDF document"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1", "a Parquet table"),
    (b"\x93NUMPY", "a numpy array"),
    (b"RIFF", "a sound or video file"),
    (b"OggS", "a sound file"),
    (b"fLaC", "a sound file"),
    (b"ID3", "a sound file"),
    (b"\x7fELF", "a program"),
)


def is_safetensors(path: Path) -> bool:
    """Say whether a file begins as a safetensors file does: a length, and so much JSON.

    A file of that suffix that begins otherwise is not one.
    """
    with path.open("rb") as file:
        head = file.read(9)
    length = int.from_bytes(head[:8], "little")
    return len(head) == 9 and head[8:] == b"{" and length <= path.stat().st_size - 8


def wrong_kind(path: Path) -> str:
    """Return what a file is if it is clearly no weights file, else an empty text."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(path.stat().st_size - 1, 0))
        end = file.read(1)
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "filled with zeros, as after an interrupted download"
    for signature, kind in SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[4:8] == b"ftyp":
        return "a video"
    kind = _kind_of_text(head)
    # A pickle of protocol 0 is text, too, and ends with a full stop.
    return "" if kind == TEXT and end == b"." else kind


def _kind_of_text(head: bytes) -> str:
    try:
        text = head.decode("utf-8-sig").lstrip().lower()
    except UnicodeDecodeError:
        return ""
    if not text:
        return ""
    if text.startswith(("<!doctype", "<html", "<?xml", "<")):
        return "a web page, as of a failed download; download the file again"
    if text.startswith("{") and '"weight_map"' in text:
        return "the index of weights in several files; give the weights"
    if text.startswith(("{", "[")):
        return "JSON text"
    printable = sum(c.isprintable() or c in "\n\r\t" for c in text)
    return TEXT if printable == len(text) else ""
