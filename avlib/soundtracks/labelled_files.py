"""Files with one label each: media files in folders named after classes, as a table.

The video id is the file's name without its suffix. Where several files share it, the names of
their folders stand before it, joined by dots.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import pandas as pd

from avlib.errors import DataError
from avlib.media.videos import MEDIA_SUFFIXES, find_files, readable
from avlib.soundtracks.tables import LABELLED_FILES

logger = logging.getLogger(__name__)


class FoundFile(NamedTuple):
    """A file, and the parts of its path from the searched folder on, readable and in NFC."""

    path: str
    names: tuple[str, ...]

    @property
    def stem(self) -> str:
        """Name of the file without its suffix."""
        return self.names[-1].rpartition(".")[0] or self.names[-1]


class LabelledFile(NamedTuple):
    """A file with its label, split and fold."""

    file: FoundFile
    label: str
    split: str
    fold: str | None = None


def find_media(folder: Path, root: Path) -> list[FoundFile]:
    """Return the media files below a folder, with the parts of their paths from `root` on."""
    prefix = f"{root}/"
    return [
        FoundFile(path, tuple(normalize("NFC", readable(path.removeprefix(prefix))).split("/")))
        for path in find_files(folder, MEDIA_SUFFIXES)
    ]


def files_in_class_folders(
    root: Path,
    found: Sequence[FoundFile],
    form: Sequence[str],
    split: Callable[[str], str] | None = None,
) -> list[LabelledFile]:
    """Return the files whose paths have as many parts as `form`, labelled by their folders.

    Args:
        root: searched folder.
        found: its files.
        form: parts of a path, for messages.
        split: returns the split of a stem; None: the first folder is the split.

    Raises:
        DataError: if there is no such file.
    """
    files = [
        LabelledFile(file, file.names[-2], split(file.stem) if split else file.names[0])
        for file in found
        if len(file.names) == len(form)
    ]
    others = [file.path for file in found if len(file.names) != len(form)]
    elsewhere = f"; {len(others)} lie elsewhere, {others[0]} the first" if others else ""
    if not files:
        raise DataError(f"{root}: no sound or video file {'/'.join(form)}{elsewhere}")
    if others:
        used = f"{len(files)} sound or video files {'/'.join(form)} are used"
        logger.warning("%s: %s%s", root, used, elsewhere)
    return files


def files_table(
    root: Path,
    files: Sequence[LabelledFile],
    splits: Iterable[str],
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return a table of kind LABELLED_FILES; log classes that are missing in a split.

    Args:
        root: folder of the files, for messages.
        files: labelled files.
        splits: those in which every class is expected.
        names: names of the classes by number; None: the labels, sorted.

    Raises:
        DataError: if a label is not among the names, or two files have one video id.
    """
    found = {file.label for file in files}
    names = sorted(found) if names is None else names
    unknown = sorted(found - set(names))
    if unknown:
        raise DataError(f"{root}: {unknown[0]!r} is none of the {len(names)} classes of the list")
    held = {(file.split, file.label) for file in files}
    for split in splits:
        missing = [name for name in names if (split, name) not in held]
        if missing:
            few = f"{split}: {len(missing)} of {len(names)} classes have no file"
            logger.warning("%s: %s, %s the first", root, few, missing[0])
    return number_files(files, names)


def number_files(files: Sequence[LabelledFile], names: Sequence[str]) -> pd.DataFrame:
    """Return a table of kind LABELLED_FILES with unique video ids and the numbers of classes.

    Args:
        files: labelled files.
        names: names of the classes by number.

    Raises:
        DataError: if two files have one video id.
    """
    counts = Counter(file.stem for file, *_ in files)
    number = {name: number for number, name in enumerate(names)}
    owner: dict[str, str] = {}
    rows = []
    for file, label, split, fold in files:
        video_id = file.stem
        if counts[video_id] > 1:
            video_id = ".".join((*file.names[:-1], video_id))
        if owner.setdefault(video_id, file.path) != file.path:
            raise DataError(f"{file.path} and {owner[video_id]} have one name; rename one")
        rows.append((video_id, split, readable(file.path), label, number[label], fold))
    return pd.DataFrame(rows, columns=[column.name for column in LABELLED_FILES.columns])
