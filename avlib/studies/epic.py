"""The study of TIM on EPIC-KITCHENS-100 and EPIC-SOUNDS."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from avlib.datasets.epic_kitchens import read_tail_classes
from avlib.datasets.miniature.epic import ANNOTATION_FILES, miniature_splits
from avlib.errors import ConfigError
from avlib.media.videos import Video
from avlib.sections import Positive, Section, SplitPaths, StudyName, UserPath
from avlib.studies.base import Place
from avlib.studies.event_study import EventStudy
from avlib.studies.feature_study import IntervalExtractor, PresetName
from avlib.studies.tim_study import TrainedVisual
from avlib.tim.recipes import MODELS, ModelName, RecipeName


class EpicMiniature(Section):
    """Size of a rendered data set."""

    train_videos: Positive = 12
    val_videos: Positive = 4
    test_videos: Positive = 2


Level = Annotated[int, Field(ge=0, le=5)]


class Submission(Section):
    """Levels of supervision that the challenge asks for; it does not check them."""

    pretraining: Level = Field(2, description="sls_pt: 2, pretrained on public labelled data")
    labels: Level = Field(3, description="sls_tl: 3, trained on full temporal supervision")
    data: Level = Field(3, description="sls_td: 3, trained on train; 4: on train and val")

    @property
    def levels(self) -> tuple[int, int, int]:
        """The levels in the order of the challenge."""
        return self.pretraining, self.labels, self.data


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
    submission: Submission = Submission()
    miniature: EpicMiniature = EpicMiniature()

    @property
    def dataset(self) -> str:
        """Name of the format of the annotations."""
        return "epic"

    @property
    def allow_fewer_views(self) -> bool:
        """Whether features of several networks have as many views as all of them have."""
        return self.visual.allow_fewer_views

    def rendered_videos(self, at: Place) -> Sequence[Video]:
        """Return the videos that will be rendered."""
        splits = miniature_splits(**self.miniature.model_dump())
        folder = at.miniature / "videos"
        return [Video(video_id, split, f"{folder}/{video_id}.mp4") for video_id, split in splits]

    def submitted_model(self) -> ModelName:
        """Return the first model that predicts actions.

        Raises:
            ConfigError: if no model does, or the test split is not given.
        """
        models = [model for model in self.models if MODELS[model][1] != "audio"]
        if not models:
            raise ConfigError(f"{self.key('tim')}.models: none predicts actions, to be handed in")
        if not self.is_rendered and self.actions.test is None:
            raise ConfigError(f"{self.key('actions')}.test: name the table of the test split")
        return models[0]

    def supervision(self) -> tuple[int, int, int]:
        """Return the levels of supervision that the challenge asks for."""
        return self.submission.levels

    def targets(self, at: Place) -> list[str]:
        """Return also what is handed in to the challenge, where it can be made."""
        predicts_actions = any(MODELS[model][1] != "audio" for model in self.models)
        has_test = self.is_rendered or self.actions.test is not None
        submission = [str(at.folder / "submission.zip")] if predicts_actions and has_test else []
        return super().targets(at) + submission

    def tail_classes(self) -> dict[str, str]:
        """Return the given lists of tail classes by head.

        Raises:
            ConfigError: if one does not exist.
            DataError: if one is wrong; the message names its row.
        """
        given = {"verb": ("tail_verbs", self.tail_verbs), "noun": ("tail_nouns", self.tail_nouns)}
        found = {
            head: self.existing_file(key, path)
            for head, (key, path) in given.items()
            if path is not None
        }
        for head, name in found.items():
            read_tail_classes(Path(name), head)  # not only when all models are trained
        return found

    def files(self) -> dict[str, Path | None]:
        """Return also the lists of tail classes."""
        return super().files() | {"tail_verbs": self.tail_verbs, "tail_nouns": self.tail_nouns}
