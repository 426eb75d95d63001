"""The study of AudioEgoMCQ: which of five clips of Ego4D fits a text."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from avlib.datasets import ego_mcq
from avlib.sections import Positive, StudyName
from avlib.studies.retrieval_study import RetrievalStudy


class EgoMcq(RetrievalStudy):
    """AudioEgoMCQ: questions with five choices, of several videos or of one."""

    int16_round_trip: ClassVar[bool] = True

    name: StudyName = Field("ego_mcq", description="Folder below results/")
    num_frames: Positive = Field(4, description="Frames of a clip for EgoVLP")

    def published_files(
        self, folder: Path, relevancy: str, kinds: Sequence[str]
    ) -> dict[str, Path]:
        """Return the authors' files of questions."""
        return ego_mcq.files(folder, relevancy, kinds)
