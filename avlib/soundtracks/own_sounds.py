"""Labelled files of one's own: class folders, or a folder with a CSV list of its files."""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import pandas as pd

from avlib.datasets.splits import SPLITS, split_of
from avlib.errors import DataError
from avlib.io.text_tables import match_columns, read_text_table
from avlib.media.videos import is_safe_id
from avlib.soundtracks.folds import ALL
from avlib.soundtracks.labelled_files import (
    FoundFile,
    LabelledFile,
    files_in_class_folders,
    files_table,
    find_media,
    number_files,
)

logger = logging.getLogger(__name__)

# Columns of a list, and the names that ESC-50 and UrbanSound8K have for them.
COLUMNS: dict[str, tuple[str, ...]] = {
    "file": ("filename", "slice_file_name"),
    "label": ("category", "class"),
    "split": (),
    "fold": (),
}
FOLD = re.compile(r"[A-Za-z0-9_.-]+")  # which paths and wildcards may hold


class _Row(NamedTuple):
    """A row of a list; None stands for a column that it does not have."""

    line: int
    file: str
    label: str | None
    split: str | None
    fold: str | None


def labelled_sounds(folder: Path, table: Path | None) -> pd.DataFrame:
    """Return labelled files of sound or video as a table of kind LABELLED_FILES.

    Without a list they are `<folder>/<class>/<file>`, or, where all files lie in folders called
    train, val or test, `<folder>/<split>/<class>/<file>`.

    A list is CSV. Its column `file` (or `filename`, `slice_file_name`) is a path below the folder,
    or a name that one file there has. `label` (or `category`, `class`) is by default the name of
    the file's folder, and `split` and `fold` are optional; other columns are not read. Blanks, case
    and underscores of the names of columns are of no account. Files that are not listed are not
    used, and rows without a file are left out.

    Where there are no splits, a hash of the file's name without its suffix chooses them, as for
    the user's own events.

    Args:
        folder: folder of the files.
        table: the list; None: the files lie in class folders.

    Raises:
        DataError: if there are no files, two of them would have one video id, or, naming the line,
            if a column is missing or has nearly the name of a known one, a value is empty, a split
            is unknown, a fold cannot name a folder, or a path is listed twice, leaves the folder or
            has no label.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; correct the path of the sounds")
    found = find_media(folder, folder)
    if table is not None:
        return _listed(folder, found, table)
    tops = {file.names[0] for file in found if len(file.names) > 1}
    if tops and tops <= set(SPLITS):
        form: tuple[str, ...] = ("{train,val,test}", "<class>", "<file>")
        files = files_in_class_folders(folder, found, form)
        return files_table(folder, files, sorted(tops, key=SPLITS.index))
    files = files_in_class_folders(folder, found, ("<class>", "<file>"), split_of)
    return files_table(folder, files, SPLITS)


def _listed(folder: Path, found: Sequence[FoundFile], table: Path) -> pd.DataFrame:
    """Return the files that a CSV table lists."""
    finder = _Finder(folder, found)
    files: list[LabelledFile] = []
    missing: list[str] = []
    line_of: dict[str, int] = {}
    rows = _rows(table)
    for row in rows:
        where = f"{table}: line {row.line}"
        file = finder.find(row.file, where)
        if file is None:
            missing.append(f"{where}: no file {row.file!r}")
            continue
        if line_of.setdefault(file.path, row.line) != row.line:
            first = f"repeats line {line_of[file.path]}"
            raise DataError(f"{where}: file {row.file!r} {first}; remove one of them")
        files.append(_label(file, row, where))
    if missing:
        few = f"{missing[0]} in {folder}; {len(missing)} of {len(rows)} rows are without a file"
        if not files:
            raise DataError(f"{few}; correct the folder or the names")
        logger.warning("%s and left out", few)
    unused = [file.path for file in found if file.path not in line_of]
    if unused:
        few = f"{len(unused)} files of {folder} are not listed and not used"
        logger.warning("%s: %s, %s the first", table, few, unused[0])
    if rows[0].label is None:
        _check_folders(table, files)
    return number_files(files, sorted({file.label for file in files}))


def _check_folders(table: Path, files: Sequence[LabelledFile]) -> None:
    """Check that folders, taken for labels, are not the parts of the data set.

    Raises:
        DataError: if each lies in one fold, or in one split of a table with splits: no class could
            be tested that was trained on.
    """
    parts: dict[str, set[str]] = {}
    for file in files:
        parts.setdefault(file.label, set()).add(file.fold or file.split)
    is_part = all(len(found) == 1 for found in parts.values())
    if is_part and len(set().union(*parts.values())) > 1:
        raise DataError(
            f"{table}: no column 'label', and the folders of the files are no labels: each lies in "
            f"one fold or split, {next(iter(parts))!r} the first; name the column of labels 'label'"
        )


def _rows(table: Path) -> list[_Row]:
    """Return the rows of a list; None stands for columns that it does not have."""
    known = [n for name, others in COLUMNS.items() for n in (name, *others)]
    text = read_text_table(table, known)
    # A slip in the name of the labels is the worst, since folders would take their place.
    cutoffs = {"label": 0.65}
    places = match_columns(text.columns, COLUMNS, table, required=("file",), cutoffs=cutoffs)
    unread = [name for i, name in enumerate(text.columns) if i not in places.values()]
    if unread:
        logger.info("%s: columns that are not read: %s", table, ", ".join(map(repr, unread)))
    if "label" not in places:
        logger.warning("%s: no column label; the folders of the files are their labels", table)
    if not text.rows:
        raise DataError(f"{table}: holds no rows")
    rows = []
    for line, values in zip(text.lines, text.rows, strict=True):
        row = {name: values[place] for name, place in places.items()}
        empty = next((name for name, value in row.items() if not value), None)
        if empty:
            raise DataError(f"{table}: line {line}: {empty} is '', expected a text")
        rows.append(_Row(line, **{name: row.get(name) for name in COLUMNS}))  # type: ignore[arg-type]
    return rows


class _Finder:
    """Look-up of the files of a folder by path or, where it is unique, by name."""

    def __init__(self, folder: Path, found: Sequence[FoundFile]) -> None:
        self.folder = folder
        self.by_path = {file.names: file for file in found}
        self.by_name: dict[str, FoundFile | None] = {}
        for file in found:
            self.by_name[file.names[-1]] = None if file.names[-1] in self.by_name else file

    def find(self, name: str, where: str) -> FoundFile | None:
        """Return the file of a listed name, None if there is none."""
        plain = normalize("NFC", name)
        file = self.by_path.get(tuple(plain.split("/"))) or self.by_name.get(plain)
        if file is not None:
            return file
        below = Path(os.path.relpath(self.folder / name, self.folder))
        if below.parts[:1] == ("..",):
            raise DataError(f"{where}: file {name!r} is not below {self.folder}; correct the name")
        names, path = tuple(normalize("NFC", str(below)).split("/")), self.folder / below
        if names not in self.by_path and path.is_file():  # with a suffix that is not searched for
            return FoundFile(str(path), names)
        return self.by_path.get(names) or self.by_name.get(names[-1])


def _label(file: FoundFile, row: _Row, where: str) -> LabelledFile:
    if row.label is None and len(file.names) == 1:
        raise DataError(f"{where}: {file.path} is in no folder of a class; add a column label")
    split, fold = row.split or split_of(file.stem), row.fold
    if split not in SPLITS:
        raise DataError(f"{where}: split is {split!r}, expected {SPLITS}")
    if fold is not None and not (FOLD.fullmatch(fold) and is_safe_id(fold) and fold != ALL):
        wanted = f"letters, digits, '_', '.' or '-', and neither '.', '..' nor {ALL!r}"
        raise DataError(f"{where}: fold is {fold!r}, expected {wanted}")
    return LabelledFile(file, normalize("NFC", row.label or file.names[-2]), split, fold)
