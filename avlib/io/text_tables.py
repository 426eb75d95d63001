"""Tables and lists as text, as people bring them: encoding, delimiter, lines and columns.

A row is a line, or several where a value in quotes has line breaks: a quote that stays open is an
error of its line and swallows no other. What can be understood in one way only (blanks, case,
delimiter) is forgiven, and all else is refused.
"""

import csv
import difflib
import logging
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError

logger = logging.getLogger(__name__)

SLIP = 0.88  # similarity from which one name is taken for another with a slip
MOST_BREAKS = 20  # line breaks in a row
LARGEST_BYTES = 2**30  # of a table; larger files are something else
DELIMITERS = (",", ";", "\t")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "&": "ampersands"}
_MARKS = (  # byte order marks, longest first
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
_LINE_END = re.compile(r"\r\n|\r|\n")  # not all that Python takes for one
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_SHOWN = 80  # characters of a value in a message
_KINDS = (
    (b"PK\x03\x04", "an Excel workbook or another ZIP archive; save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; save the table as CSV"),
    (b"PAR1", "a Parquet table; save it as CSV"),
    (b"\x89HDF", "an HDF5 file; save the table as CSV"),
    (b"\x93NUMPY", "a numpy array; save the table as CSV"),
    (b"SQLite format 3", "a database; save the table as CSV"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with git lfs pull"),
    (b"<", "a web page, as of a failed download; download the file again"),
    (b"\x80", "a pickle; give it the suffix .pkl"),
)


@dataclass(frozen=True)
class TextTable:
    """Rows of a table.

    Attributes:
        path: of the file, for messages.
        columns: names as the header has them, without surrounding blanks.
        rows: values of each row, as many as columns, without surrounding blanks.
        lines: number of the line of each row, from 1.
    """

    path: Path
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]


def read_content(path: Path) -> bytes:
    """Return what a regular file of moderate size holds.

    Raises:
        DataError: if it cannot be read, is no regular file, or is larger than any table.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: cannot be read (not a regular file)")
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise DataError(f"{path}: has {size} bytes, which is too large for a table")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a NUL byte in a name is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason})") from error


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 or UTF-32 with a mark; gzip is unpacked.

    Raises:
        DataError: if the file cannot be read or is no text; of a text in another encoding the
            message names the line.
    """
    content = read_content(path)
    if content.startswith(b"\x1f\x8b") or path.suffix == ".gz":
        content = _unpacked(content, path)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    if encoding in ("utf-8", "utf-8-sig"):
        kind = next((kind for head, kind in _KINDS if content.startswith(head)), "")
        if kind:
            raise DataError(f"{path}: cannot be read as a table, it is {kind}")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = len(_LINE_END.split(content[: error.start].decode("latin-1")))
        found = f"byte {content[error.start]:#04x} in line {line} is not {encoding.upper()}"
        raise DataError(
            f"{path}: cannot be read ({found}; perhaps the table is in Latin-1 or "
            "Windows-1252); save it as UTF-8"
        ) from error
    if "\0" in text:
        line = len(_LINE_END.split(text[: text.index("\0")]))
        raise DataError(
            f"{path}: cannot be read (a NUL byte in line {line}; this is no text, or UTF-16 "
            "without a mark); save it as UTF-8"
        )
    return text


def _unpacked(content: bytes, path: Path) -> bytes:
    parts, left = [], LARGEST_BYTES
    try:
        while content:  # an archive may have several members
            unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            parts.append(unpacker.decompress(content, left))
            left -= len(parts[-1])
            if unpacker.unconsumed_tail or left <= 0:
                raise DataError(f"{path}: unpacks to more than {LARGEST_BYTES} bytes")
            if not unpacker.eof:
                raise DataError(f"{path}: cannot be read (the gzip archive is cut off)")
            content = unpacker.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise DataError(f"{path}: cannot be read (a damaged gzip archive: {error})") from error
    return b"".join(parts)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text, without the blank ones at its end.

    Raises:
        DataError: as `read_text`.
    """
    lines = _LINE_END.split(read_text(path))
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def read_text_table(path: Path, known: Sequence[str]) -> TextTable:
    """Return the rows of a table with a header.

    The delimiter is the one with which the header has most of the known names. Blank lines, and
    rows of nothing but delimiters, as spreadsheets write them, are passed over and counted.

    Args:
        path: text file; a line `sep=;` before the header is understood.
        known: names of columns that the caller may use.

    Raises:
        DataError: if the file cannot be read or is empty, or, naming the line, if a quote is not
            closed or a row has more or fewer values than the header.
    """
    lines = [(n, line) for n, line in enumerate(read_lines(path), start=1) if line.strip()]
    announced = re.fullmatch(r'"?sep=(.)"?', lines[0][1].strip(" ")) if lines else None
    lines = lines[1:] if announced else lines
    if not lines:
        raise DataError(f"{path}: no column {next(iter(known), '')!r}; the file is empty")
    delimiter = announced[1] if announced else find_delimiter(lines[0][1], known)
    columns = fields_of(lines[0][1], delimiter, f"{path}: line {lines[0][0]}")
    rows, places, blank = [], [], 0
    for number, line in _records(lines[1:], delimiter, len(columns)):
        values = fields_of(line, delimiter, f"{path}: line {number}")
        if not any(values):
            blank += 1
            continue
        if len(values) != len(columns):
            between = _NAMES.get(delimiter, repr(delimiter))
            raise DataError(
                f"{path}: line {number} has {len(values)} fields, the header has {len(columns)} "
                f"(between {between}); put a value that holds the delimiter in quotes"
            )
        rows.append(values)
        places.append(number)
    if blank:
        logger.warning("%s: %d rows without any value are passed over", path, blank)
    while columns and not (columns[-1] or any(row[-1] for row in rows)):  # a last delimiter
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return TextTable(path, columns, rows, places)


def _records(
    lines: Sequence[tuple[int, str]], delimiter: str, n_columns: int
) -> Iterator[tuple[int, str]]:
    """Yield the lines of rows, each with its number; a value in quotes may have line breaks.

    Lines are joined only where that gives a row of the right number of values, so that a quote that
    is not closed takes no other row with it.
    """
    at = 0
    while at < len(lines):
        number, line = lines[at]
        at += 1
        if line.count('"') % 2:
            for end in range(at + 1, min(at + MOST_BREAKS, len(lines)) + 1):
                joined = "\n".join((line, *(more for _, more in lines[at:end])))
                if not joined.count('"') % 2:
                    if _count(joined, delimiter) == n_columns:
                        line, at = joined, end
                    break
        yield number, line


def _count(record: str, delimiter: str) -> int:
    """Return the number of values of joined lines, 0 where they are no row."""
    try:
        return len(_split(record, delimiter))
    except (csv.Error, ValueError):  # the second where they are several rows
        return 0


def _split(record: str, delimiter: str) -> list[str]:
    lines = (f"{line}\n" for line in record.split("\n"))
    (values,) = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    return values


def find_delimiter(header: str, known: Iterable[str], among: Sequence[str] = DELIMITERS) -> str:
    """Return the delimiter that splits a header into most known names, or else most fields."""
    keys = {key_of(name) for name in known}

    def fit(delimiter: str) -> tuple[int, int]:
        fields = header.split(delimiter)
        return sum(key_of(field) in keys for field in fields), len(fields)

    return max(among, key=fit)


def fields_of(line: str, delimiter: str, where: str) -> list[str]:
    """Return the values of a line without surrounding blanks.

    Raises:
        DataError: if a quote is not closed, or a value goes on after its closing quote.
    """
    if not line.isascii():
        line = normalize("NFC", line)
    if '"' not in line:
        return [value.strip() for value in line.split(delimiter)]
    try:
        return [value.strip() for value in _split(line, delimiter)]
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise DataError(
                f"{where}: a quote is not closed: {line[:_SHOWN]!r}; close it, or remove the line "
                "break from the value"
            ) from None
        raise DataError(f"{where}: cannot be split into values ({error})") from None


def key_of(name: str) -> str:
    """Return what names of columns are compared by: letters and digits, whatever the case."""
    return "".join(char for char in name.casefold() if char.isalnum())


def match_columns(
    columns: Sequence[str],
    wanted: Mapping[str, Sequence[str]],
    path: Path,
    *,
    required: Sequence[str],
    cutoffs: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, int]:
    """Return the places of the wanted columns; of several names for one the first counts.

    Args:
        columns: names in a table; blanks, case and underscores are of no account.
        wanted: other names that each column may have, besides its own.
        path: of the table, for messages.
        required: columns that must be there.
        cutoffs: how similar, 0 to 1, an unknown name may be to a missing optional one without
            being taken for a slip, where it is not SLIP.

    Raises:
        DataError: if a wanted column occurs twice, a required one is missing, or an optional one
            is missing and a column that nobody wants has nearly its name.
    """
    places = _places(columns, wanted, path)
    accepted = {key_of(n) for name, others in wanted.items() for n in (name, *others)}
    strangers = [str(name) for name in columns if key_of(str(name)) not in accepted]
    for name in (n for n in required if n not in places):
        near = nearest(strangers, (name, *wanted[name]), 0.6)
        hint = f"; is {near[0]!r} meant? Rename it to {near[1]!r}" if near else ""
        if not near and any(key_of(stranger).isdigit() for stranger in strangers):
            hint = "; is the header missing?"
        shown = [str(column)[:_SHOWN] for column in columns[:20]]
        raise DataError(f"{path}: no column {name!r}; the columns are {shown}{hint}")
    for name in (n for n in wanted if n not in places):
        near = nearest(strangers, (name, *wanted[name]), cutoffs.get(name, SLIP))
        if near:
            raise DataError(f"{path}: unknown column {near[0]!r}, did you mean {near[1]!r}?")
    return places


def _places(
    columns: Sequence[str], wanted: Mapping[str, Sequence[str]], path: Path
) -> dict[str, int]:
    """Return the places of the wanted columns that there are, each of which occurs once."""
    keys = [key_of(str(name)) for name in columns]
    places: dict[str, int] = {}
    for name, others in wanted.items():
        found = next((key_of(n) for n in (name, *others) if key_of(n) in keys), None)
        if found is not None:
            places[name] = keys.index(found)
        if found is not None and keys.count(found) > 1:
            raise DataError(f"{path}: column {str(columns[places[name]])!r} occurs twice")
    return places


def nearest(names: Sequence[str], wanted: Sequence[str], cutoff: float) -> tuple[str, str] | None:
    """Return the name that is nearest to any of the wanted ones, and that; None if none is near."""
    pairs = [(nearness(name, other), name, other) for name in names for other in wanted]
    score, name, other = max(pairs, key=lambda pair: pair[0], default=(0.0, "", ""))
    return (name[:_SHOWN], other) if score >= cutoff else None


def nearness(name: str, other: str) -> float:
    """Return how similar two names of columns are, from 0 to 1."""
    return difflib.SequenceMatcher(None, key_of(name[:_SHOWN]), key_of(other)).ratio()


def numbers_of(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """Return numbers, None if one of the texts is none by the rules of `number_of`."""
    if not all(map(_NUMBER.fullmatch, texts)):
        return None
    values = np.array([float(text) for text in texts], dtype=np.float64)
    return values if np.isfinite(values).all() else None


def number_of(text: str, where: str) -> float:
    """Return a number that is written with a decimal point.

    Raises:
        DataError: if the text is no such number, `where` naming the line and the column.
    """
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    hint = "; write a point for the decimal comma" if _DECIMAL_COMMA.fullmatch(text) else ""
    raise DataError(f"{where} is {text[:_SHOWN]!r}, expected a number{hint}")
