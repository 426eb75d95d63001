"""Cross-validation: the splits of labelled files for each fold."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from avlib.errors import DataError
from avlib.io.tables import read_table
from avlib.soundtracks.tables import LABELLED_FILES

ALL = "all"  # stands for a single training, where there are no folds
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
SCORED_SPLITS = ("val", "test")  # which no network is trained on


@dataclass(frozen=True)
class Labels:
    """The labelled files of a study, as one fold of the cross-validation splits them.

    Attributes:
        labelled_files: table of kind LABELLED_FILES.
        classes: JSON with the names of the classes, as `class_id`.
        fold: as in `splits_of_fold`.
    """

    labelled_files: Path
    classes: Path
    fold: str = ALL

    def read(self) -> pd.DataFrame:
        """Return the labelled files with the splits of the fold.

        Raises:
            DataError: as `splits_of_fold`, or if the table cannot be read.
        """
        return splits_of_fold(read_table(self.labelled_files, LABELLED_FILES), self.fold)


def fold_names(files: pd.DataFrame) -> list[str]:
    """Return the names of the folds of a table of kind LABELLED_FILES; ALL without any.

    They are sorted by number if all are numbers, else by code points.

    Raises:
        DataError: if there is only one, or a fold is called ALL.
    """
    names = sorted(set(files["fold"].dropna()))
    if all(NUMBER.fullmatch(name) for name in names):
        names.sort(key=float)
    if len(names) == 1:
        raise DataError(
            f"all files are of the fold {names[0]!r}, expected at least two folds; name those of "
            "each file, or remove the column fold"
        )
    if ALL in names:
        raise DataError(f"a fold is called {ALL!r}, which means that there are none; rename it")
    return names or [ALL]


def splits_of_fold(files: pd.DataFrame, fold: str) -> pd.DataFrame:
    """Return labelled files with the splits of one fold of the cross-validation.

    Args:
        files: of kind LABELLED_FILES.
        fold: name of the fold whose files are split `test`, all others being `train`; ALL leaves
            the table's own splits unchanged.

    Raises:
        DataError: if no file is of that fold.
    """
    names = fold_names(files)
    if fold == ALL:
        return files
    if fold not in names:
        known = "there are no folds" if names == [ALL] else f"the folds are {', '.join(names)}"
        raise DataError(f"fold {fold!r} has no files; {known}")
    is_test = files["fold"] == fold
    return files.assign(split=is_test.map({True: "test", False: "train"}))
