"""The study of EpicSoundsRet: retrieval of the sounds of EPIC-SOUNDS by their classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from avlib.datasets import epic_sounds_ret
from avlib.errors import ConfigError
from avlib.retrieval.settings import GradedBy
from avlib.sections import StudyName, UserPath
from avlib.studies.base import Place
from avlib.studies.ranking_study import RankingStudy
from avlib.studies.retrieval_study import Model, Relevancy


class EpicSoundsRet(RankingStudy):
    """EpicSoundsRet: the sounds of EPIC-KITCHENS-100, and their classes as texts."""

    rendered_relevancies: ClassVar[tuple[str, ...]] = ("all",)
    grades: ClassVar[tuple[str, ...]] = ("class",)

    name: StudyName = Field("epic_sounds_ret", description="Folder below results/")
    split: Literal["test", "val"] = Field("test", description="Of the authors' selection")
    events: UserPath | None = Field(
        None,
        description="EPIC_Sounds_validation.csv, from which clips and texts are built where the "
        "authors' tables are not at hand",
    )
    descriptions: UserPath | None = Field(
        None, description="Table of class and description, for `events` with texts of kind llm"
    )
    models: Annotated[tuple[Model, ...], Field(min_length=1)] = Field(
        ("clap", "ase_audiocaps", "ase_clotho"),
        description="Networks, and pairs of egovlp and a network of sound",
    )
    relevancy: Annotated[tuple[Relevancy, ...], Field(min_length=1)] = Field(
        ("all",), description="Other subsets need tables named as those of AudioEpicMIR"
    )
    graded_by: GradedBy = Field("class", description="Relevance: 1 for the same class, else 0")

    @model_validator(mode="after")
    def _built_from_one_source(self) -> Self:
        events = self.key("events")
        if self.events is not None and self.annotations is not None:
            raise ValueError(f"{events}: there are annotations, too; give one of both")
        if self.events is not None and self.is_rendered:
            raise ValueError(
                f"{events}: not used with the rendered miniature; remove it, or set "
                f"{self.key('source')}: official"
            )
        if self.descriptions is not None and self.events is None:
            key = self.key("descriptions")
            raise ValueError(f"{key}: they are for {events}; the authors' tables have their own")
        if self.events is not None and self.relevancy != ("all",):
            key = self.key("relevancy")
            raise ValueError(f"{key}: there are subsets of the authors' tables only; set [all]")
        if self.is_rendered and self.split != "test":
            raise ValueError(f"{self.key('split')}: the miniature has test only; remove it")
        return self

    def annotation_folder(self, at: Place) -> Path:
        """Return the folder of the authors' tables, or of the table that is built from."""
        return super().annotation_folder(at) if self.events is None else self.events.parent

    def published_files(
        self, folder: Path, relevancy: str, kinds: Sequence[str]
    ) -> dict[str, Path]:
        """Return the authors' tables, or what is built from in their place.

        Raises:
            ConfigError: if texts of a language model are needed and there are no descriptions.
        """
        if self.events is None:
            return epic_sounds_ret.files(folder, self.split, relevancy, kinds)
        if "llm" not in kinds:
            return epic_sounds_ret.own_files(self.events, None)
        if self.descriptions is None:
            raise ConfigError(
                f"{self.key('texts')}: llm needs {self.key('descriptions')} where the clips are "
                "built from events; name the table, or set texts: [original]"
            )
        return epic_sounds_ret.own_files(self.events, self.descriptions)

    def notes(self) -> list[str]:
        """Return also that the benchmark is not the authors' selection, where it is not."""
        return super().notes() + ([epic_sounds_ret.OWN_NOTE] if self.events is not None else [])

    def matrix_files(self, folder: Path, relevancy: str, kind: str) -> list[Path]:
        """Return the published matrices that a subset may have, the preferred one first."""
        return epic_sounds_ret.relevancy_files(folder, self.split, relevancy, kind)

    def files(self) -> dict[str, Path | None]:
        """Return also the tables that clips and texts are built from."""
        return super().files() | {"events": self.events, "descriptions": self.descriptions}
