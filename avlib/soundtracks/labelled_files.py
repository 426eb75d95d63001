"""Files with one label each: folders named after classes, or a folder with a list beside it.

Files are those of sound or video. The video id is the file's name without its suffix; where
several files share that, the names of their folders stand before it, joined by dots.
"""

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import pandas as pd

from avlib.datasets.kinetics import read_class_names
from avlib.datasets.published import read_published
from avlib.datasets.splits import SPLITS, share_of, split_of
from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.media.videos import MEDIA_SUFFIXES, find_files, is_safe_id, readable
from avlib.soundtracks.folds import ALL
from avlib.soundtracks.tables import LABELLED_FILES

logger = logging.getLogger(__name__)

KINETICS_FOLDERS = ("train", "val")
# Columns of a list, under our names and those of ESC-50.
COLUMNS = {
    "file": ("file", "filename"),
    "label": ("label", "category"),
    "split": ("split",),
    "fold": ("fold",),
}
FOLD = re.compile(r"[A-Za-z0-9_.-]+")  # of which paths and wildcards are made


class _Found(NamedTuple):
    """A file and the names that lead to it from the folder searched, readable and in NFC."""

    path: str
    names: tuple[str, ...]

    @property
    def stem(self) -> str:
        return self.names[-1].rpartition(".")[0] or self.names[-1]


class _Labelled(NamedTuple):
    file: _Found
    label: str
    split: str
    fold: str | None = None


class _Row(NamedTuple):
    file: str
    label: str | None
    split: str | None
    fold: str | None


def kinetics_files(root: Path, classes: Path | None, validation_share: float) -> pd.DataFrame:
    """Return the files of `<root>/{train,val}/<class>/<file>` as a table of kind LABELLED_FILES.

    The folder val is the split test. Of the folder train, files whose hash of the name is below
    `validation_share` are the split val, so that further files never move the others.

    Args:
        root: folder of the dataset.
        classes: list of classes as Kinetics has it; None: the folders, sorted by code points.
        validation_share: share of the folder train that becomes the split val, 0 to 1.

    Raises:
        DataError: if a folder is missing or holds no files, a folder is of no known class, or two
            files of one class have one name.
    """
    files: list[_Labelled] = []
    for folder in KINETICS_FOLDERS:
        form = (folder, "<class>", "<file>")
        if not (root / folder).is_dir():
            raise DataError(f"{root}: no folder {folder}; expected {root}/{'/'.join(form)}")
        split = partial(kinetics_split, folder, validation_share=validation_share)
        files += _in_class_folders(root, _find(root / folder, root), form, split)
    splits = SPLITS if validation_share > 0 else ("train", "test")
    names = None if classes is None else read_class_names(classes)
    return _checked_classes(root, files, splits, names)


def kinetics_split(folder: str, stem: str, validation_share: float) -> str:
    """Return the split of a file of Kinetics, as `kinetics_files` chooses it.

    Args:
        folder: train or val.
        stem: name of the file without its suffix.
        validation_share: share of the folder train that is the split val, 0 to 1.
    """
    if folder == "val":
        return "test"
    return "val" if share_of(stem) < validation_share else "train"


def labelled_sounds(folder: Path, table: Path | None) -> pd.DataFrame:
    """Return labelled files of sound or video as a table of kind LABELLED_FILES.

    Without a table they are `<folder>/<class>/<file>`, or, where all files lie in folders called
    train, val or test, `<folder>/<split>/<class>/<file>`.

    A table is CSV. Its column `file` (or `filename`) is a path below the folder, or a name that
    one file there has. `label` (or `category`) is by default the name of the file's folder, and
    `split` and `fold` are optional; other columns are not read. Files that the table does not
    list are not used, and rows without a file are left out.

    Where there are no splits, a hash of the file's name without its suffix chooses them, as for
    the user's own events.

    Args:
        folder: folder of the files.
        table: list of the files; None: they lie in folders of classes.

    Raises:
        DataError: if there are no files, two of them are of one name in one place, or naming the
            row, if a column is missing, a value is empty, a split is unknown, a fold cannot name a
            folder, or a path is listed twice, leaves the folder or has no label.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; correct the path of the sounds")
    found = _find(folder, folder)
    if table is not None:
        return _listed(folder, found, table)
    tops = {file.names[0] for file in found if len(file.names) > 1}
    if tops and tops <= set(SPLITS):
        form: tuple[str, ...] = ("{train,val,test}", "<class>", "<file>")
        files = _in_class_folders(folder, found, form)
        return _checked_classes(folder, files, sorted(tops, key=SPLITS.index))
    files = _in_class_folders(folder, found, ("<class>", "<file>"), split_of)
    return _checked_classes(folder, files, SPLITS)


def whole_file_events(
    files: pd.DataFrame, seconds: Mapping[str, float], modality: str = "audio"
) -> pd.DataFrame:
    """Return labelled files as a table of kind EVENTS: each is one event from start to end.

    Args:
        files: of kind LABELLED_FILES.
        seconds: length of each file's sound by its video id; files without one are left out.
        modality: of the events.
    """
    known = files[files["video_id"].isin(list(seconds))]
    columns = ("video_id", "split", "label", "class_id")
    events = known[list(columns)].assign(
        event_id=known["video_id"],
        modality=modality,
        start_s=0.0,
        stop_s=known["video_id"].map(dict(seconds)).astype("float64"),
    )
    return events.reindex(columns=[column.name for column in EVENTS.columns])


def _find(folder: Path, root: Path) -> list[_Found]:
    """Return the files below a folder, with their names from `root` on."""
    prefix = f"{root}/"
    return [
        _Found(path, tuple(normalize("NFC", readable(path.removeprefix(prefix))).split("/")))
        for path in find_files(folder, MEDIA_SUFFIXES)
    ]


def _in_class_folders(
    root: Path,
    found: Sequence[_Found],
    form: Sequence[str],
    split: Callable[[str], str] | None = None,
) -> list[_Labelled]:
    """Return the files that lie as deep as `form` says, labelled by their folders.

    Their splits follow from their stems, or are the names of their first folders.
    """
    files = [
        _Labelled(file, file.names[-2], split(file.stem) if split else file.names[0])
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


def _checked_classes(
    root: Path,
    files: Sequence[_Labelled],
    splits: Iterable[str],
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the table of files; warn of classes that are missing in a split."""
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
    return _table(files, names)


def _listed(folder: Path, found: Sequence[_Found], table: Path) -> pd.DataFrame:
    """Return the files that a CSV table lists."""
    finder = _Finder(folder, found)
    files: list[_Labelled] = []
    missing: list[str] = []
    row_of: dict[str, int] = {}
    rows = _rows(table)
    for number, row in enumerate(rows, start=1):
        where = f"{table}: row {number}"
        file = finder.find(row.file, where)
        if file is None:
            missing.append(f"{where}: no file {row.file!r}")
            continue
        if row_of.setdefault(file.path, number) != number:
            first = f"repeats row {row_of[file.path]}"
            raise DataError(f"{where}: file {row.file!r} {first}; remove one of them")
        files.append(_labelled(file, row, where))
    if missing:
        few = f"{missing[0]} in {folder}; {len(missing)} of {len(rows)} rows are without a file"
        if not files:
            raise DataError(f"{few}; correct the folder or the names")
        logger.warning("%s and left out", few)
    unused = [file.path for file in found if file.path not in row_of]
    if unused:
        few = f"{len(unused)} files of {folder} are not listed and not used"
        logger.warning("%s: %s, %s the first", table, few, unused[0])
    return _table(files, sorted({file.label for file in files}))


def _rows(table: Path) -> list[_Row]:
    """Return the rows of a list; None stands for columns that it does not have."""
    read_published(table)  # tells why a table cannot be read
    header = list(pd.read_csv(table, nrows=0, encoding="utf-8-sig").columns)
    given = {name: [c for c in known if c in header] for name, known in COLUMNS.items()}
    columns = {found[0]: name for name, found in given.items() if found}
    if not given["file"]:
        raise DataError(f"{table}: no column 'file'; the columns are {header}")
    if not given["label"]:
        logger.info("%s: no column label; the folders of the files are their labels", table)
    rows = read_published(table, texts=list(columns)).rename(columns=columns)
    if rows.empty:
        raise DataError(f"{table}: holds no rows")
    absent = [None] * len(rows)
    values = [rows[name].to_list() if name in rows else absent for name in _Row._fields]
    return [_Row._make(row) for row in zip(*values, strict=True)]


class _Finder:
    """Look-up of the files of a folder by path or, where one file alone has it, by name."""

    def __init__(self, folder: Path, found: Sequence[_Found]) -> None:
        self.folder = folder
        self.by_path = {file.names: file for file in found}
        self.by_name: dict[str, _Found | None] = {}
        for file in found:
            self.by_name[file.names[-1]] = None if file.names[-1] in self.by_name else file

    def find(self, name: str, where: str) -> _Found | None:
        """Return the file of a listed name, None if there is none."""
        plain = normalize("NFC", name)
        file = self.by_path.get(tuple(plain.split("/"))) or self.by_name.get(plain)
        if file is not None:
            return file
        below = Path(os.path.relpath(self.folder / name, self.folder))
        if below.parts[:1] == ("..",):
            raise DataError(f"{where}: file {name!r} is not below {self.folder}; correct the name")
        names, path = tuple(normalize("NFC", str(below)).split("/")), self.folder / below
        if names not in self.by_path and path.is_file():  # of a suffix that is not searched for
            return _Found(str(path), names)
        return self.by_path.get(names) or self.by_name.get(names[-1])


def _labelled(file: _Found, row: _Row, where: str) -> _Labelled:
    if row.label is None and len(file.names) == 1:
        raise DataError(f"{where}: {file.path} is in no folder of a class; add a column label")
    split, fold = row.split or split_of(file.stem), row.fold
    if split not in SPLITS:
        raise DataError(f"{where}: split is {split!r}, expected {SPLITS}")
    if fold is not None and not (FOLD.fullmatch(fold) and is_safe_id(fold) and fold != ALL):
        wanted = f"letters, digits, '_', '.' or '-', and neither '.', '..' nor {ALL!r}"
        raise DataError(f"{where}: fold is {fold!r}, expected {wanted}")
    return _Labelled(file, normalize("NFC", row.label or file.names[-2]), split, fold)


def _table(files: Sequence[_Labelled], names: Sequence[str]) -> pd.DataFrame:
    """Return rows of LABELLED_FILES, each with a video id that no other has."""
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
