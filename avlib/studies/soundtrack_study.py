"""What studies that recognise labelled soundtracks by audio images have in common."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from avlib.media.videos import SOUND_SUFFIXES, Video
from avlib.origins import Weights, configured_weights
from avlib.sections import PowerOfTwo, Section, UserPath
from avlib.soundtracks.folds import ALL
from avlib.soundtracks.labelling import read_labelled_files
from avlib.soundtracks.mel import SAMPLE_RATE, Mel
from avlib.soundtracks.network_choice import Network
from avlib.soundtracks.recipes import SoundtrackTraining
from avlib.soundtracks.sweep import Space
from avlib.studies.base import MediaNeeds, Place, Study


class SoundtrackCheckpoints(Section):
    """Weights from outside."""

    soundtrack: UserPath | None = Field(
        None, description="Weights of the network (.pth.tar or .safetensors); null: trained"
    )


class SoundtrackStudy(Study):
    """What the studies of labelled soundtracks have in common."""

    pads_short: ClassVar[bool] = False  # whether audio too short for an image is zero-padded

    mel: Mel = Mel()
    network: Network = Network()
    training: SoundtrackTraining = SoundtrackTraining()
    pooling: Space = Field("logit", description="What is averaged over the clips of a soundtrack")
    checkpoints: SoundtrackCheckpoints = SoundtrackCheckpoints()
    shards: PowerOfTwo = Field(4, description="Parts of the audio stages, a power of two")

    @property
    def recipe(self) -> str:
        """Name of the recipe of the network: the configured one, or that of the data set."""
        return self.training.recipe or self.default_recipe

    @property
    @abstractmethod
    def default_recipe(self) -> str:
        """Name of the recipe where none is configured."""

    @abstractmethod
    def label_lists(self) -> list[Path]:
        """Return the user's lists of classes or of labels, if there are any.

        Raises:
            ConfigError: if one does not exist.
        """

    @abstractmethod
    def label_source(self, at: Place) -> dict[str, Any]:
        """Return where the labels come from, as `read_labelled_files` takes it.

        Raises:
            ConfigError: if no folder is configured, or it does not exist.
        """

    def list_videos(self, at: Place) -> list[Video]:
        """Return the labelled files with their splits."""
        self.label_lists()
        files = read_labelled_files(self.label_source(at))
        rows = zip(files["video_id"], files["split"], files["path"], strict=True)
        return [Video(*row, row[-1] if _is_sound(row[-1]) else None) for row in rows]

    def media(self) -> MediaNeeds:
        """Return the waveforms that audio images are made of."""
        return MediaNeeds(SAMPLE_RATE, "ffmpeg", "own")

    def weights(self) -> dict[str, Weights]:
        """Return the weights of the network of soundtracks."""
        return {"soundtrack": configured_weights("soundtrack", self.checkpoints.soundtrack)}

    def check_inputs(self, network: str, at: Place) -> dict[str, Path]:
        """Return the classes, which given weights of soundtracks must have."""
        return {"classes": at.folder / "classes.json"} if network == "soundtrack" else {}

    def folds(self) -> list[str]:
        """Return the folds, each left out once; `all` where there are none.

        Raises:
            ConfigError: if there are folds and weights are given.
            DataError: as `read_labelled_files`.
        """
        return [ALL]

    def outside_files(self) -> dict[str, str]:
        """Return the files from outside, beside media and weights, whose hashes are reported."""
        return {path.name: str(path) for path in self.label_lists()}

    def targets(self, at: Place) -> list[str]:
        """Return the metrics, the figures of the report, and what `predict` needs to know."""
        files = ["test_metrics.json", "report/confusion.svg", "model/soundtrack.json"]
        if self.checkpoints.soundtrack is None:
            files += [f"model/soundtrack/{fold}/curves.svg" for fold in self.folds()]
        return [str(at.folder / file) for file in files]


def _is_sound(path: str) -> bool:
    return Path(path).suffix.lower() in SOUND_SUFFIXES
