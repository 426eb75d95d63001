"""Names of the classes of AudioSet that YAMNet scores, in the order of its outputs."""

import csv
from pathlib import Path
from typing import NamedTuple

from avlib.errors import DataError
from avlib.extractors.yamnet.network import N_CLASSES

FILE_NAME = "yamnet_class_map.csv"
HEADER = ["index", "mid", "display_name"]


class ClassMap(NamedTuple):
    """The classes.

    Attributes:
        names: as people read them, all different.
        mids: identifiers of AudioSet.
    """

    names: list[str]
    mids: list[str]


def read_class_map(path: Path) -> ClassMap:
    """Return the classes of `yamnet_class_map.csv`.

    Raises:
        DataError: if the file cannot be read or holds anything else.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable class map ({error})") from error
    if header != HEADER or len(rows) != N_CLASSES:
        raise DataError(
            f"{path}: expected {N_CLASSES} rows below the header {','.join(HEADER)}, got "
            f"{len(rows)} below {','.join(header)}"
        )
    for number, row in enumerate(rows):
        if len(row) != len(HEADER) or row[0] != str(number):
            raise DataError(f"{path}: row {number}: expected index {number}, mid, name; got {row}")
    return ClassMap([row[2] for row in rows], [row[1] for row in rows])


def classes(weights: Path) -> list[str]:
    """Return the names of the classes.

    Args:
        weights: folder that `make weights` wrote.

    Raises:
        DataError: as `read_class_map`.
    """
    return read_class_map(weights / FILE_NAME).names
