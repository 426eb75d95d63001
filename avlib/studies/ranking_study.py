"""What studies that rank all clips and all sentences share: graded relevance."""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from avlib.retrieval.settings import RetrievalEvaluation
from avlib.sections import UserPath
from avlib.studies.base import Place
from avlib.studies.retrieval_study import RetrievalStudy


class RankingStudy(RetrievalStudy, RetrievalEvaluation):
    """Retrieval among all clips, or among all sentences, with graded relevance."""

    grades: ClassVar[tuple[str, ...]]  # what relevance can be graded by

    relevancy_files: UserPath | None = Field(
        None,
        description="Folder with relevancy/*.pkl, the authors' matrices of graded relevance; "
        "null: computed from the classes",
    )

    @model_validator(mode="after")
    def _measures_fit(self) -> Self:
        if self.graded_by not in self.grades:
            expected = " or ".join(self.grades)
            raise ValueError(f"{self.key('graded_by')}: expected {expected}, got {self.graded_by}")
        if self.fusion.normalisation is not None:
            key = self.key("fusion.normalisation")
            raise ValueError(f"{key}: it is of the choices of questions; set null")
        return self

    @abstractmethod
    def matrix_files(self, folder: Path, relevancy: str, kind: str) -> list[Path]:
        """Return the published matrices that a subset may have, the preferred one first."""

    def graded_files(self, at: Place) -> dict[str, Path]:
        """Return the given matrices of graded relevance by `<relevancy>.<kind of text>`.

        Raises:
            ConfigError: if there is none of a subset.
        """
        if self.relevancy_files is None:
            return {}
        folder = self.existing_folder("relevancy_files", self.relevancy_files)
        found = {}
        for relevancy in self.relevancy:
            for kind in self.texts:
                paths = self.matrix_files(folder, relevancy, kind)
                existing = [path for path in paths if path.is_file()]
                self.existing_file("relevancy_files", (existing or paths)[0])
                found[f"{relevancy}.{kind}"] = existing[0]
        return found

    def files(self) -> dict[str, Path | None]:
        """Return also the folder of matrices."""
        return super().files() | {"relevancy_files": self.relevancy_files}
