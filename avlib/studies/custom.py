"""The study of the user's own videos."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from avlib.datasets.splits import Split
from avlib.errors import ConfigError
from avlib.extractors.registry import EXTRACTORS
from avlib.sections import SplitPaths, StudyName, UserPath
from avlib.studies.base import Place
from avlib.studies.feature_study import FeatureStudy, IntervalExtractor


class Custom(FeatureStudy):
    """The user's own videos."""

    takes_sound_files: ClassVar[bool] = True

    name: StudyName = Field("custom", description="Folder below results/")
    features: Annotated[tuple[IntervalExtractor, ...], Field(min_length=1)] = Field(
        ("asf",), description="Networks whose features are made: asf, omnivore, videomae"
    )
    annotation_format: Literal["csv", "vggsound", "epic_sounds", "epic_kitchens"] = Field(
        "csv", description="`annotations` is a CSV; or `splits` are published tables"
    )
    annotations: UserPath | None = Field(None, description="CSV of labelled events to train on")
    splits: SplitPaths = Field(SplitPaths(), description="Published tables of labelled events")
    split: Split = Field(
        "test", description="Split of videos without annotations; train has the preset's views"
    )

    @property
    def dataset(self) -> str:
        """Name of the format of the annotations."""
        return self.annotation_format

    @property
    def unlabelled_split(self) -> str:
        """Split of videos without annotations."""
        return self.split

    def extractors(self) -> tuple[str, ...]:
        """Return the networks whose features are made."""
        return self.features

    def annotation_files(self, at: Place) -> dict[str, Path]:
        """Return the files that the format needs.

        Raises:
            ConfigError: if one is not configured, or does not exist.
        """
        files = super().annotation_files(at)
        if self.annotation_format == "csv" and "annotations" not in files:
            raise ConfigError(f"{self.key('annotations')}: name a CSV of events, as format csv has")
        if self.annotation_format != "csv" and not files.keys() - {"annotations"}:
            raise ConfigError(
                f"{self.key('splits')}: name a table for each split, as format "
                f"{self.annotation_format} has"
            )
        return files

    def require_trainable(self, network: str) -> None:
        """Check that the network is trained on audio, and that there are labelled events."""
        super().require_trainable(network)
        if EXTRACTORS[network].modality != "audio":
            raise ConfigError(
                f"{self.key('checkpoints')}.{network}: give weights, or `untrained` to try the "
                "pipeline with random ones; visual networks are trained for studies of TIM alone"
            )
        if not self.has_annotations:
            raise ConfigError(
                f"{self.key('checkpoints')}.{network}: give weights (preset {self.preset}: "
                f"{self.asf.checkpoint}), or {self.key('annotations')} to train them on, or "
                "`untrained` to try the pipeline with random ones"
            )

    def targets(self, at: Place) -> list[str]:
        """Return the index of the features, and the curves of a network trained here."""
        return self.feature_targets(at)
