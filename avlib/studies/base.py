"""What a study is: a section of the configuration with its videos, weights, files, targets."""

from abc import abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from avlib.errors import ConfigError
from avlib.extractors.omnivore.recipes import OmnivoreTraining
from avlib.media.videos import Video
from avlib.origins import Origin, Weights
from avlib.sections import PowerOfTwo, Section, StudyName

Source = Literal["miniature", "official"]


@dataclass(frozen=True)
class Place:
    """Where a study's results go, and what its random draws come from.

    Attributes:
        folder: `results/<name>`.
        seed: seed of the configuration.
    """

    folder: Path
    seed: int

    @property
    def miniature(self) -> Path:
        """Folder of the rendered data set."""
        return self.folder / "miniature"


@dataclass(frozen=True)
class MediaNeeds:
    """What packs of audio and of frames hold.

    Attributes:
        sample_rate: Hz of the waveforms.
        resampler: ffmpeg or soxr.
        channels: mono, or those of the file.
        bits: 16, or 32: of the samples that ffmpeg writes.
        rate_fps: small frames a second, on which a narrow visual network is trained.
        short_side: pixels of their shorter side.
    """

    sample_rate: int
    resampler: str
    channels: Literal["mono", "own"] = "mono"
    bits: Literal[16, 32] = 16
    rate_fps: int = 8
    short_side: int = 80

    @property
    def audio(self) -> dict[str, Any]:
        """The part of it that concerns packs of waveforms."""
        needs = asdict(self)
        return {name: needs[name] for name in ("sample_rate", "resampler", "channels", "bits")}

    @property
    def frames(self) -> dict[str, int]:
        """The part of it that concerns packs of frames."""
        return {"rate_fps": self.rate_fps, "short_side": self.short_side}


class Study(Section):
    """One experiment on one data set; each has a file in this folder and a field of Config."""

    # The rule that writes the study's metrics: evaluate_<evaluated_as>; empty where there are none.
    evaluated_as: ClassVar[str] = ""
    # The manifest of a shard, of the stage that leaves out the most videos.
    shard_manifest: ClassVar[str] = "audio/{}.parquet"

    name: StudyName = Field(description="Folder below results/; by default the section's name")
    shards: PowerOfTwo = Field(4, description="Parts of the stages of videos, a power of two")

    @property
    def section(self) -> str:
        """Name of the section in the configuration."""
        return str(type(self).model_fields["name"].default)

    def key(self, name: str) -> str:
        """Return the whole name of a key, as a user writes it."""
        return f"{self.section}.{name}"

    @property
    def is_rendered(self) -> bool:
        """Whether the workflow renders the videos itself."""
        return False

    @property
    def needs_videos(self) -> bool:
        """Whether the study starts from videos, or their sound, and not from features of them."""
        return True

    @abstractmethod
    def list_videos(self, at: Place) -> list[Video]:
        """Return the videos, each with its split, its file and what stands in for its audio.

        Raises:
            ConfigError: if the study names no videos, or what it names is missing.
            DataError: if an annotation file is wrong.
        """

    def media(self) -> MediaNeeds:
        """Return what the packs of the study hold.

        Raises:
            ConfigError: if it has none.
        """
        raise ConfigError(f"{self.name} has no such results; it packs no waveforms or frames")

    @abstractmethod
    def weights(self) -> dict[str, Weights]:
        """Return the networks that the study uses, with the origin of their weights."""

    @abstractmethod
    def files(self) -> dict[str, Path | None]:
        """Return what must exist, beside weights, by key."""

    def media_folders(self) -> list[Path]:
        """Return the folders in which media files are searched; other files in them are counted."""
        if self.is_rendered:
            return []
        paths = (self.files().get(key) for key in ("videos", "sound", "folder"))
        return [path for path in paths if path is not None and path.is_dir()]

    @abstractmethod
    def targets(self, at: Place) -> list[str]:
        """Return the final results: metrics and figures."""

    def notices(self, at: Place) -> list[str]:
        """Return what a run says before it begins, of annotations that go but are not good."""
        return []

    def rendered_files(self, at: Place) -> list[Path]:
        """Return what must be rendered before the videos exist."""
        return []

    def visual_training(self) -> OmnivoreTraining:
        """Return the training of a narrow visual network on the study.

        Raises:
            ConfigError: if it trains none.
        """
        raise ConfigError(f"{self.name} has no such results; it trains no visual network")

    def origins(self) -> dict[str, Origin]:
        """Return the origin of the weights of each network, as the metrics file reports it."""
        return {name: weights.origin for name, weights in self.weights().items()}

    def require_trainable(self, network: str) -> None:
        """Check that the weights of a network can be trained here.

        Raises:
            ConfigError: if they cannot; the message says what to give in their place.
        """

    def check_inputs(self, network: str, at: Place) -> dict[str, Path]:
        """Return the files against which given weights of a network are checked."""
        return {}

    def check_options(self, network: str) -> dict[str, Any]:
        """Return the settings on which it depends whether weights of a network fit."""
        return {}

    def existing_file(self, name: str, path: Path | None) -> str:
        """Return the file that a key names.

        Args:
            name: of the key within the section.
            path: its value.

        Raises:
            ConfigError: if there is no such file.
        """
        if path is None:
            raise ConfigError(f"{self.key(name)}: no file is given")
        if not path.is_file():
            raise ConfigError(f"{self.key(name)}: {path} is no file; correct the path")
        return str(path)

    def existing_folder(self, name: str, path: Path | None) -> Path:
        """Return the folder that a key names, as `existing_file` does a file.

        Raises:
            ConfigError: if there is no such folder.
        """
        if path is None:
            raise ConfigError(f"{self.key(name)}: no folder is given")
        if not path.is_dir():
            raise ConfigError(f"{self.key(name)}: {path} is no folder; correct the path")
        return path
