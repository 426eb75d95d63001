"""The study of the user's own labelled sounds."""

from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from avlib.errors import ConfigError
from avlib.sections import StudyName, UserPath
from avlib.soundtracks.folds import ALL, fold_names
from avlib.soundtracks.own_sounds import labelled_sounds
from avlib.studies.base import Place
from avlib.studies.soundtrack_study import SoundtrackStudy


class Sounds(SoundtrackStudy):
    """The user's own labelled sounds."""

    evaluated_as: ClassVar[str] = "sounds"
    pads_short: ClassVar[bool] = True

    name: StudyName = Field("sounds", description="Folder below results/")
    folder: UserPath | None = Field(
        None, description="Folder of <class>/<file>, {train,val,test}/<class>/<file>, or of `table`"
    )
    table: UserPath | None = Field(
        None, description="CSV with file and, if wanted, label, split and fold"
    )

    @property
    def default_recipe(self) -> str:
        """Name of the recipe where none is configured."""
        return "small"

    def label_lists(self) -> list[Path]:
        """Return the table, if there is one."""
        return [] if self.table is None else [Path(self.existing_file("table", self.table))]

    def label_source(self, at: Place) -> dict[str, Any]:
        """Return the folder and the table."""
        if self.folder is None:
            raise ConfigError(f"{self.key('folder')}: name a folder of labelled sounds")
        folder = str(self.existing_folder("folder", self.folder))
        return {"layout": "sounds", "folder": folder, "table": self.table and str(self.table)}

    def folds(self) -> list[str]:
        """Return the folds of the table, each left out once; `all` without any."""
        if self.folder is None or self.table is None:
            return [ALL]
        found = _folds(self.folder, self.table)
        if found != [ALL] and self.checkpoints.soundtrack is not None:
            raise ConfigError(
                f"{self.key('checkpoints.soundtrack')}: weights are given, so no fold is left out "
                "of their training; remove them, or the column fold of the table"
            )
        return found

    def files(self) -> dict[str, Path | None]:
        """Return folder and table."""
        return {"folder": self.folder, "table": self.table}


@cache
def _folds(folder: Path, table: Path) -> list[str]:
    return fold_names(labelled_sounds(folder, table))
