"""The study of TIM on EPIC-KITCHENS-100 and EPIC-SOUNDS."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from avlib.datasets.miniature.epic import ANNOTATION_FILES, miniature_splits
from avlib.media.videos import Video
from avlib.sections import Positive, Section, SplitPaths, StudyName, UserPath
from avlib.studies.base import Place
from avlib.studies.event_study import EventStudy
from avlib.studies.feature_study import IntervalExtractor, PresetName
from avlib.studies.tim_study import TrainedVisual
from avlib.tim.recipes import RecipeName


class EpicMiniature(Section):
    """Size of a rendered data set."""

    train_videos: Positive = 12
    val_videos: Positive = 4
    test_videos: Positive = 2


class EpicVisual(TrainedVisual):
    """Visual features of one network or several."""

    extractors: Annotated[tuple[IntervalExtractor, ...], Field(min_length=1)] = Field(
        ("omnivore",),
        description="omnivore, videomae; of both, as published, the channels are put side by side",
    )
    allow_fewer_views: bool = Field(
        False, description="Use as many views as all have, where their numbers differ"
    )

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the extractors, in the order of their channels."""
        return self.extractors


class Epic(EventStudy):
    """TIM on EPIC-KITCHENS-100 and EPIC-SOUNDS."""

    annotation_keys: ClassVar[tuple[str, ...]] = (
        *("actions", "sounds", "video_info"),
        *("action_classes", "verb_classes", "noun_classes", "sound_classes"),
    )
    rendered_annotations: ClassVar[dict[str, str]] = ANNOTATION_FILES
    published_recipe: ClassVar[RecipeName] = "epic"

    name: StudyName = Field("epic", description="Folder below results/")
    actions: SplitPaths = Field(
        SplitPaths(),
        description="EPIC_100_train, EPIC_100_validation, EPIC_100_test_timestamps; csv or pkl",
    )
    sounds: SplitPaths = Field(
        SplitPaths(),
        description="EPIC_Sounds_train, EPIC_Sounds_validation, "
        "EPIC_Sounds_recognition_test_timestamps; csv or pkl",
    )
    video_info: UserPath | None = Field(None, description="EPIC_100_video_info.csv")
    action_classes: UserPath | None = Field(
        None,
        description="CSV of verb_class and noun_class, an action class a row; null: the pairs of "
        "train and val",
    )
    verb_classes: UserPath | None = Field(
        None, description="EPIC_100_verb_classes.csv, for names; null: those of the annotations"
    )
    noun_classes: UserPath | None = Field(None, description="EPIC_100_noun_classes.csv, likewise")
    sound_classes: UserPath | None = Field(None, description="CSV of names, likewise")
    tail_verbs: UserPath | None = Field(
        None, description="EPIC_100_tail_verbs.csv; null: the rarest with 20 % of train"
    )
    tail_nouns: UserPath | None = Field(None, description="EPIC_100_tail_nouns.csv, likewise")
    preset: PresetName = Field(
        "epic_sounds", description="Rate, resampler, weights and views as published"
    )
    visual: EpicVisual = EpicVisual()
    miniature: EpicMiniature = EpicMiniature()

    @property
    def dataset(self) -> str:
        """Name of the format of the annotations."""
        return "epic"

    def rendered_videos(self, at: Place) -> Sequence[Video]:
        """Return the videos that will be rendered."""
        splits = miniature_splits(**self.miniature.model_dump())
        folder = at.miniature / "videos"
        return [Video(video_id, split, f"{folder}/{video_id}.mp4") for video_id, split in splits]

    def tail_classes(self) -> dict[str, str]:
        """Return the given lists of tail classes by head."""
        given = {"verb": ("tail_verbs", self.tail_verbs), "noun": ("tail_nouns", self.tail_nouns)}
        return {
            head: self.existing_file(key, path)
            for head, (key, path) in given.items()
            if path is not None
        }

    def files(self) -> dict[str, Path | None]:
        """Return also the lists of tail classes."""
        return super().files() | {"tail_verbs": self.tail_verbs, "tail_nouns": self.tail_nouns}
