"""Files with one label each: folders named after classes, or a folder with a list beside it."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import pandas as pd

from avlib.datasets.custom import split_of
from avlib.datasets.published import read_published
from avlib.errors import DataError
from avlib.io.tables import EVENTS, LABELLED_FILES
from avlib.media.videos import SOUND_SUFFIXES, VIDEO_SUFFIXES, is_safe_id

logger = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
MEDIA_SUFFIXES = SOUND_SUFFIXES | VIDEO_SUFFIXES


class _File(NamedTuple):
    split: str
    label: str
    path: Path
    fold: str | None


def read_class_folders(root: Path, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the files of `<root>/<split>/<class>/<file>` as a table of kind LABELLED_FILES.

    Splits are train, val and test, those that there are. A file's video id is its name without
    the suffix; where several files share that, `<split>.<class>.<name>`. Hidden files and those
    that are neither sound nor video are left out.

    Args:
        root: folder of the splits.
        classes: names by number; the default are all class folders, sorted by code points. A
            class may be without files in a split.

    Raises:
        DataError: if there are no files, a folder is of no known class, or two files are of one
            name in a folder.
    """
    files = [
        _File(split, normalize("NFC", folder.name), path, None)
        for split in SPLITS
        for folder in _visible(root / split)
        if folder.is_dir()
        for path in _visible(folder)
        if path.suffix.lower() in MEDIA_SUFFIXES
    ]
    if not files:
        wanted = f"{root}/{{{','.join(SPLITS)}}}/<class>/<file>"
        raise DataError(f"{root}: no sound or video file; expected {wanted}")
    found = {file.label for file in files}
    names = sorted(found) if classes is None else list(classes)
    unknown = sorted(found - set(names))
    if unknown:
        raise DataError(f"{root}: {unknown[0]!r} is none of the {len(names)} classes")
    absent = {split: _absent(files, split, names) for split in {file.split for file in files}}
    for split, missing in sorted(absent.items()):
        if missing:
            few = f"{split}: {len(missing)} of {len(names)} classes have no file"
            logger.warning("%s: %s, %s the first", root, few, missing[0])
    return _table(files, names)


def _absent(files: Sequence[_File], split: str, names: Sequence[str]) -> list[str]:
    """Return the classes that have no file in a split."""
    seen = {file.label for file in files if file.split == split}
    return [name for name in names if name not in seen]


def read_labelled_sounds(folder: Path, table: Path) -> pd.DataFrame:
    """Return the files of a CSV table of labelled sounds as a table of kind LABELLED_FILES.

    The header names `file`, a path below the folder, `label` and, if wanted, `split` and `fold`.
    Without a column `split`, a hash of the video id chooses it, as for the user's own events. A
    fold is any name; all rows have one or there is no such column.

    Args:
        folder: folder of the sounds.
        table: CSV file.

    Raises:
        DataError: naming the row, if a column is missing, a value is empty, a split is unknown,
            or a path is listed twice, leaves the folder or is no file.
    """
    rows = read_published(table, texts=("file", "label"))
    given = [name for name in ("split", "fold") if name in pd.read_csv(table, nrows=0).columns]
    if given:
        rows = read_published(table, texts=("file", "label", *given))
    files: list[_File] = []
    seen: dict[Path, int] = {}
    for number, row in enumerate(rows.to_dict("records"), start=1):
        path = folder / row["file"]
        where = f"{table}: row {number}: file {row['file']!r}"
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise DataError(f"{where} is no file in {folder}; correct the name or remove the row")
        if seen.setdefault(path, number) != number:
            raise DataError(f"{where} repeats row {seen[path]}; remove one of them")
        if row.get("split", SPLITS[0]) not in SPLITS:
            raise DataError(f"{table}: row {number}: split is {row['split']!r}, expected {SPLITS}")
        split = row.get("split") or split_of(_stem(path))
        files.append(_File(split, normalize("NFC", row["label"]), path, row.get("fold")))
    if not files:
        raise DataError(f"{table}: holds no rows")
    return _table(files, sorted({file.label for file in files}))


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


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _stem(path: Path) -> str:
    return normalize("NFC", path.name.removesuffix(path.suffix))


def _table(files: Sequence[_File], names: Sequence[str]) -> pd.DataFrame:
    """Return rows of LABELLED_FILES, each with a video id that no other has."""
    counts = Counter(_stem(file.path) for file in files)
    number = {name: number for number, name in enumerate(names)}
    owner: dict[str, Path] = {}
    rows = []
    for file in files:
        video_id = _stem(file.path)
        if counts[video_id] > 1:
            video_id = f"{file.split}.{file.label}.{video_id}"
        if owner.setdefault(video_id, file.path) != file.path:
            raise DataError(
                f"{file.path} and {owner[video_id]} have one name, split and class; rename one"
            )
        if not is_safe_id(video_id):
            raise DataError(f"{file.path}: {video_id!r} cannot name a data set; rename it")
        class_id = number[file.label]
        rows.append((video_id, file.split, str(file.path), file.label, class_id, file.fold))
    return pd.DataFrame(rows, columns=[column.name for column in LABELLED_FILES.columns])
