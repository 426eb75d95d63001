"""Labelled files of Kinetics-600: folders train and val of class folders."""

from functools import partial
from pathlib import Path

import pandas as pd

from avlib.datasets.kinetics import read_class_names
from avlib.datasets.splits import SPLITS, share_of
from avlib.errors import DataError
from avlib.soundtracks.labelled_files import (
    LabelledFile,
    files_in_class_folders,
    files_table,
    find_media,
)

FOLDERS = ("train", "val")


def kinetics_files(folder: Path, classes: Path | None, validation_share: float) -> pd.DataFrame:
    """Return the files of `<folder>/{train,val}/<class>/<file>` as a table of kind LABELLED_FILES.

    The folder val is the split test. In the folder train, files whose hash of the name is below
    `validation_share` are the split val, so that added files do not change the split of others.

    Args:
        folder: folder of the data set.
        classes: list of classes as Kinetics has it; None: the folders, sorted by code points.
        validation_share: share of the folder train that becomes the split val, 0 to 1.

    Raises:
        DataError: if a folder is missing or holds no files, a folder is of no known class, or two
            files of one class have one name.
    """
    files: list[LabelledFile] = []
    for part in FOLDERS:
        form = (part, "<class>", "<file>")
        if not (folder / part).is_dir():
            raise DataError(f"{folder}: no folder {part}; expected {folder}/{'/'.join(form)}")
        split = partial(kinetics_split, part, validation_share=validation_share)
        files += files_in_class_folders(folder, find_media(folder / part, folder), form, split)
    splits = SPLITS if validation_share > 0 else ("train", "test")
    names = None if classes is None else read_class_names(classes)
    return files_table(folder, files, splits, names)


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
