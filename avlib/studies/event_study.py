"""What EPIC-KITCHENS-100 and Perception Test have in common: actions and sounds of long videos."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from avlib.datasets.events import read_events
from avlib.datasets.published import read_published
from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError
from avlib.extractors.auditory_slowfast.recipes import AsfRecipeName
from avlib.media.frame_sources import frame_sources
from avlib.media.videos import Video, sound_files
from avlib.sections import Section, SplitPaths, UserPath
from avlib.studies.base import Place, Source
from avlib.studies.tim_study import FeatureSource, TimStudy
from avlib.tim.recipes import MODELS, Modality, RecipeName

# Fields of the annotations of each label space.
TRACKS: dict[Modality, str] = {"visual": "actions", "audio": "sounds"}


class PublishedFeatures(Section):
    """Folders `<split>/<video_id>.npy` of published features, used where they are."""

    visual: tuple[UserPath, ...] = Field(
        (), description="Folders whose channels are put side by side, as Omnivore and VideoMAE"
    )
    audio: UserPath | None = Field(None, description="Folder of Auditory SlowFast features")


class EventStudy(TimStudy):
    """Recognition of actions and sounds that overlap, in videos of minutes."""

    evaluated_as: ClassVar[str] = "events"
    evaluated_split: ClassVar[str] = "val"
    small_recipe: ClassVar[RecipeName] = "small_events"
    rendered_asf: ClassVar[AsfRecipeName] = "miniature_events"
    # The files of the miniature by the keys of `annotation_files`.
    rendered_annotations: ClassVar[dict[str, str]] = {}

    source: Source = Field("miniature", description="Rendered by the workflow, or the paths below")
    frames: UserPath | None = Field(
        None, description="Folder of extracted frames, in folders or tar files, in place of videos"
    )
    actions: SplitPaths = Field(SplitPaths(), description="Tables of actions, csv or pkl")
    sounds: SplitPaths = Field(SplitPaths(), description="Tables of sounds, csv or pkl")
    video_info: UserPath | None = Field(None, description="Table of the lengths of the videos")
    intervals: SplitPaths = Field(
        SplitPaths(),
        description="Published interval pickles, needed with published features; null: made by "
        "the 1.1 s rule",
    )
    published: PublishedFeatures = PublishedFeatures()

    @model_validator(mode="after")
    def _videos_or_frames(self) -> Self:
        if self.videos is not None and self.frames is not None:
            raise ValueError(
                f"give {self.key('videos')} or {self.key('frames')}, not both; the sound of "
                f"frames is named as {self.key('sound')}"
            )
        return self

    @model_validator(mode="after")
    def _published_features_have_intervals(self) -> Self:
        if not self.has_published_features:
            return self
        for modality in self.modalities:
            if not getattr(self.published, modality):
                raise ValueError(
                    f"published features are given, but not the {modality} ones that the models "
                    f"take; name them as {self.key('published')}.{modality}, or set "
                    f"{self.key('tim')}.models"
                )
        for split in self.given_splits():
            if getattr(self.intervals, split) is None:
                raise ValueError(
                    f"published features need the intervals that they are of; name the table as "
                    f"{self.key('intervals')}.{split}"
                )
        return self

    @property
    def is_rendered(self) -> bool:
        """Whether the workflow renders the videos itself."""
        return self.source == "miniature"

    def data_paths(self) -> dict[str, Any]:
        """Return also folders of frames and of published features."""
        published = self.published if self.has_published_features else None
        return super().data_paths() | {"frames": self.frames, "published": published}

    @property
    def has_annotations(self) -> bool:
        """Whether there are labelled events."""
        return True

    def annotation_files(self, at: Place) -> dict[str, Path]:
        """Return the annotation files by their keys.

        Raises:
            ConfigError: also if the labels are not given that a model predicts.
        """
        if self.is_rendered:
            return {key: at.miniature / name for key, name in self.rendered_annotations.items()}
        used = (self.evaluated_split,) if self.checkpoints.tim else ("train", self.evaluated_split)
        for modality in self.label_spaces:
            self._require_labels(modality, used)
        return super().annotation_files(at)

    def rendered_files(self, at: Place) -> list[Path]:
        """Return the files that are there once the miniature is."""
        return list(self.annotation_files(at).values()) if self.is_rendered else []

    @abstractmethod
    def rendered_videos(self, at: Place) -> Sequence[Video]:
        """Return the videos that will be rendered."""

    def list_videos(self, at: Place) -> list[Video]:
        """Return the annotated videos; of a miniature those that will be rendered.

        Raises:
            ConfigError: also if what a model sees, or hears, is not named.
        """
        if self.is_rendered:
            return list(self.rendered_videos(at))
        if "visual" in self.modalities and self.videos is None and self.frames is None:
            raise ConfigError(
                f"{self.key('videos')}: name a folder of videos, {self.key('frames')}, or "
                f"published features; or set {self.key('tim')}.models: [audio]"
            )
        return super().list_videos(at) if self.frames is None else self._videos_of_frames(at)

    def _videos_of_frames(self, at: Place) -> list[Video]:
        """Return the annotated videos whose frames are images."""
        if self.needs_sound and self.sound is None:
            raise ConfigError(
                f"{self.key('sound')}: frames have no sound; name an HDF5 file or a folder, or set "
                f"{self.key('tim')}.models: [visual]"
            )
        splits = read_events(self.dataset, self.annotation_files(at)).video_splits
        folder = self.existing_folder("frames", self.frames)
        found, rates = frame_sources(folder, [v for v, _ in splits]), self._frame_rates()
        videos = [Video(v, s, found.get(v), fps=rates.get(v)) for v, s in sorted(splits)]
        if not self.needs_sound or self.sound is None:
            return videos
        return self._with_sounds(videos, sound_files(self._existing_sound(self.sound)))

    def _frame_rates(self) -> dict[str, float]:
        """Return the frames per second of the videos, from the table that has their lengths."""
        if self.video_info is None:
            return {}
        path = Path(self.existing_file("video_info", self.video_info))
        table = read_published(path, texts=("video_id",), numbers=("fps",), optional=("fps",))
        known = table[table["fps"] > 0]
        return dict(zip(known["video_id"], known["fps"].tolist(), strict=True))

    # Features

    @property
    def has_published_features(self) -> bool:
        """Whether features came as folders of the data set, in place of videos."""
        return bool(self.published.visual or self.published.audio)

    def published_folders(self, modality: Modality) -> list[Path]:
        """Return the folders of published features of one modality.

        Raises:
            ConfigError: if one does not exist.
        """
        given = self.published.visual if modality == "visual" else (self.published.audio,)
        return [self.existing_folder(f"published.{modality}", path) for path in given]

    def feature_source(self, modality: Modality, at: Place) -> FeatureSource:
        """Return where the features of one modality are, or will be."""
        if not self.has_published_features:
            return super().feature_source(modality, at)
        index = at.folder / "published" / modality / "index.parquet"
        return FeatureSource(self.published_folders(modality), {modality: index})

    # Splits and labels

    def given_splits(self) -> list[str]:
        """Return the splits that there are annotations of."""
        if not self.is_rendered:
            return super().given_splits()
        rendered = {key.partition(".")[2] for key in self.rendered_annotations}
        return [split for split in SPLITS if split in rendered]

    @property
    def label_spaces(self) -> tuple[Modality, ...]:
        """Label spaces that the models predict: visual, audio or both."""
        predicted = {MODELS[model][1] for model in self.models}
        return tuple(m for m in TRACKS if predicted & {"audio_visual", m})

    def _require_labels(self, modality: Modality, splits: Sequence[str]) -> None:
        for split in splits:
            if getattr(getattr(self, TRACKS[modality]), split) is None:
                raise ConfigError(
                    f"{self.key(TRACKS[modality])}.{split}: name the table that the models are "
                    f"trained and evaluated on, or set {self.key('tim')}.models"
                )

    def targets(self, at: Place) -> list[str]:
        """Return also the tables of heads, subsets and classes."""
        return [*super().targets(at), str(at.folder / "report/tables.html")]

    def files(self) -> dict[str, Path | None]:
        """Return also frames and published features."""
        visual = {f"published.visual.{i}": path for i, path in enumerate(self.published.visual)}
        folders = {"frames": self.frames, **visual, "published.audio": self.published.audio}
        return super().files() | folders
