"""The study of TIM on Perception Test."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from avlib.datasets.miniature.perception import ANNOTATION_FILES, miniature_splits
from avlib.media.videos import Video
from avlib.sections import Positive, Section, SplitPaths, StudyName, UserPath
from avlib.studies.base import Place
from avlib.studies.event_study import EventStudy
from avlib.studies.feature_study import PresetName
from avlib.studies.tim_study import Visual
from avlib.tim.recipes import Modality, RecipeName


class PerceptionMiniature(Section):
    """Size of a rendered data set."""

    train_videos: Positive = 16
    val_videos: Positive = 6


class Perception(EventStudy):
    """TIM on Perception Test."""

    annotation_keys: ClassVar[tuple[str, ...]] = (
        *("annotations", "ids", "label_map"),
        *("actions", "sounds", "video_info"),
    )
    rendered_annotations: ClassVar[dict[str, str]] = ANNOTATION_FILES
    published_recipe: ClassVar[RecipeName] = "perception"

    name: StudyName = Field("perception", description="Folder below results/")
    annotations: SplitPaths = Field(SplitPaths(), description="all_train.json, all_valid.json")
    ids: SplitPaths = Field(
        SplitPaths(), description="Lists of the videos of the challenge; null: all videos"
    )
    label_map: UserPath | None = Field(
        None, description="JSON of classes by label id; null: ids of train in ascending order"
    )
    actions: SplitPaths = Field(
        SplitPaths(),
        description="TIM's Perception_Test_Action_{train,validation}.pkl in place of annotations",
    )
    sounds: SplitPaths = Field(
        SplitPaths(),
        description="TIM's Perception_Test_Sound_{train,validation}.pkl in place of annotations",
    )
    video_info: UserPath | None = Field(
        None, description="TIM's Perception_Test_video_info.pkl, with actions and sounds"
    )
    preset: PresetName = Field(
        "perception_test", description="Rate, resampler, weights and views as published"
    )
    visual: Visual = Visual()
    miniature: PerceptionMiniature = PerceptionMiniature()

    @property
    def dataset(self) -> str:
        """Name of the format of the annotations."""
        return "perception"

    def rendered_videos(self, at: Place) -> Sequence[Video]:
        """Return the videos that will be rendered."""
        splits = miniature_splits(**self.miniature.model_dump())
        folder = at.miniature / "videos"
        return [Video(video_id, split, f"{folder}/{video_id}.mp4") for video_id, split in splits]

    def _require_labels(self, modality: Modality, splits: Sequence[str]) -> None:
        """Check that the tables of one label space are given, if the public files are not."""
        if not all(getattr(self.annotations, split) for split in splits):
            super()._require_labels(modality, splits)
