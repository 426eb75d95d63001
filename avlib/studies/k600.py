"""The study of the soundtracks of Kinetics-600, fused with visual scores."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from avlib.datasets.miniature.k600 import LABEL_LIST, miniature_plan
from avlib.extractors.omnivore.recipes import OmnivoreTraining
from avlib.media.videos import Video
from avlib.origins import Origin, Weights
from avlib.sections import Positive, Section, StudyName, UserPath
from avlib.soundtracks.kinetics_files import kinetics_split
from avlib.soundtracks.sweep import Fusion
from avlib.studies.base import Place, Source
from avlib.studies.soundtrack_study import SoundtrackStudy

OFFICIAL_VALIDATION_SHARE, MINIATURE_VALIDATION_SHARE = 0.05, 0.2


class VideoScores(Section):
    """Visual scores from outside."""

    scores: UserPath | None = Field(None, description=".npy file, N x K, N x 1 x K or K x N x 1")
    list: UserPath | None = Field(
        None, description="Names of its rows, as Kinetics_600_vallist.txt"
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.scores is None) != (self.list is None):
            raise ValueError("give both files, scores and list, or none")
        return self


class K600Miniature(Section):
    """Size of the rendered data set."""

    classes: Annotated[int, Field(ge=2, le=12)] = 8
    train_videos: Positive = Field(16, description="Videos a class")
    val_videos: Positive = Field(8, description="Videos a class")

    def as_arguments(self) -> dict[str, Any]:
        """Return the sizes as `miniature_plan` takes them."""
        videos = {"train": self.train_videos, "val": self.val_videos}
        return {"classes": self.classes, "videos_per_class": videos}


class K600(SoundtrackStudy):
    """Soundtracks of Kinetics-600, fused with visual scores of their videos."""

    evaluated_as: ClassVar[str] = "k600"

    name: StudyName = Field("k600", description="Folder below results/")
    source: Source = Field("miniature", description="Rendered by the workflow, or the folder below")
    videos: UserPath | None = Field(
        None, description="Folder of {train,val}/<class>/<video_id>.mp4"
    )
    classes: UserPath | None = Field(
        None, description="kinetics_600_label_list.txt; null: the class folders, sorted"
    )
    validation_share: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        description="Share of folder train that is the validation split, on which the weight of "
        "the fusion is chosen; null: 0.05, of the miniature 0.2",
    )
    video_scores: VideoScores = Field(
        VideoScores(), description="Visual scores; null: of a narrow Omnivore trained here"
    )
    visual: OmnivoreTraining = Field(OmnivoreTraining(), description="Training of that Omnivore")
    fusion: Fusion = Fusion()
    miniature: K600Miniature = K600Miniature()

    @model_validator(mode="after")
    def _official_has_videos(self) -> Self:
        if (self.source == "official") != (self.videos is not None):
            raise ValueError("source official and videos belong together; give both or none")
        return self

    @property
    def is_rendered(self) -> bool:
        """Whether the workflow renders the videos itself."""
        return self.source == "miniature"

    @property
    def default_recipe(self) -> str:
        """Name of the recipe where none is configured: as published, or for rendered videos."""
        return "miniature" if self.is_rendered else "kinetics600"

    @property
    def has_video_scores(self) -> bool:
        """Whether scores of the video frames are given."""
        return self.video_scores.scores is not None

    def label_lists(self) -> list[Path]:
        """Return the list of classes, if there is one."""
        classes = self.classes
        return [] if classes is None else [Path(self.existing_file("classes", classes))]

    def label_source(self, at: Place) -> dict[str, Any]:
        """Return the folder and the list of classes, and the share of the validation split."""
        share = {"layout": "kinetics", "validation_share": self._validation_share()}
        if self.is_rendered:
            classes = str(at.miniature / LABEL_LIST)
            return share | {"folder": str(at.miniature), "classes": classes}
        folder = str(self.existing_folder("videos", self.videos))
        return share | {"folder": folder, "classes": self.classes and str(self.classes)}

    def _validation_share(self) -> float:
        if self.validation_share is not None:
            return self.validation_share
        return MINIATURE_VALIDATION_SHARE if self.is_rendered else OFFICIAL_VALIDATION_SHARE

    def rendered_files(self, at: Place) -> list[Path]:
        """Return a file that is there once the miniature is."""
        return [at.miniature / LABEL_LIST] if self.is_rendered else []

    def list_videos(self, at: Place) -> list[Video]:
        """Return the labelled files; of a miniature those that will be rendered."""
        if not self.is_rendered:
            return super().list_videos(at)
        share = self._validation_share()
        return [
            Video(
                video.video_id,
                kinetics_split(video.folder, video.video_id, share),
                str(at.miniature / video.path),
            )
            for video in miniature_plan(**self.miniature.as_arguments(), seed=at.seed)
        ]

    def weights(self) -> dict[str, Weights]:
        """Return also the weights of the network that scores the video frames."""
        visual = {} if self.has_video_scores else {"omnivore": Weights("omnivore", "trained")}
        return super().weights() | visual

    def visual_training(self) -> OmnivoreTraining:
        """Return the training of a narrow Omnivore."""
        return self.visual

    def origins(self) -> dict[str, Origin]:
        """Return the origin of what scores the soundtracks and the video frames."""
        origin: Origin = "given" if self.has_video_scores else "trained"
        return {"soundtrack": super().origins()["soundtrack"], "video": origin}

    def given_video_scores(self) -> dict[str, str]:
        """Return the given scores of the video frames, and what names their rows."""
        if not self.has_video_scores:
            return {}
        return {
            "video": self.existing_file("video_scores.scores", self.video_scores.scores),
            "videos": self.existing_file("video_scores.list", self.video_scores.list),
        }

    def outside_files(self) -> dict[str, str]:
        """Return also the given scores of the video frames."""
        given = self.given_video_scores()
        names = {"video": "video_scores", "videos": "video_list"}
        return super().outside_files() | {names[key]: path for key, path in given.items()}

    def files(self) -> dict[str, Path | None]:
        """Return videos, classes and given scores."""
        scores = {f"video_scores.{key}": path for key, path in self.video_scores}
        return {"videos": self.videos, "classes": self.classes, **scores}

    def targets(self, at: Place) -> list[str]:
        """Return also the figure of the fusion's weights."""
        files = ["report/sweep.svg"]
        files += [] if self.has_video_scores else ["model/omnivore/curves.svg"]
        return [*super().targets(at), *(str(at.folder / file) for file in files)]
