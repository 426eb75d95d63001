"""The study of AudioEpicMIR: retrieval of the clips of EPIC-KITCHENS-100 by their sound."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from avlib.datasets import epic_mir
from avlib.sections import StudyName
from avlib.studies.ranking_study import RankingStudy


class EpicMir(RankingStudy):
    """AudioEpicMIR: the multi-instance retrieval of EPIC-KITCHENS-100 by sound."""

    grades: ClassVar[tuple[str, ...]] = ("caption", "verb", "noun")

    name: StudyName = Field("epic_mir", description="Folder below results/")

    def published_files(
        self, folder: Path, relevancy: str, kinds: Sequence[str]
    ) -> dict[str, Path]:
        """Return the tables of EPIC-KITCHENS-100, and the authors' of a subset."""
        return epic_mir.files(folder, relevancy, kinds)

    def matrix_files(self, folder: Path, relevancy: str, kind: str) -> list[Path]:
        """Return the published matrices that a subset may have, the preferred one first."""
        return epic_mir.relevancy_files(folder, relevancy, self.graded_by, kind)
