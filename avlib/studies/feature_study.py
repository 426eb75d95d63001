"""What studies of features of intervals have in common."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from avlib.datasets.events import read_events
from avlib.errors import ConfigError
from avlib.extractors.auditory_slowfast.presets import PRESETS, Preset
from avlib.extractors.auditory_slowfast.recipes import AsfRecipeName, AsfTraining
from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.row import Extractor
from avlib.media.videos import Video, folder_videos, is_hdf5, named_videos, sound_files
from avlib.origins import Weights, configured_weights
from avlib.sections import PowerOfTwo, Section, SplitPaths, UserPath
from avlib.studies.base import MediaNeeds, Place, Study
from avlib.studies.tag_legs import TagLegs
from avlib.tagging.recipes import TagTokenizers

PresetName = Literal["epic_sounds", "perception_test", "ave"]
PUBLISHED_VISUAL_VIEWS, SMALL_VISUAL_VIEWS = 4, 2  # of a training interval


class Checkpoints(Section):
    """Weights from outside."""

    asf: UserPath | Literal["untrained"] | None = Field(
        None,
        description="Auditory SlowFast weights (.pyth or .safetensors); null: trained on the "
        "train split; untrained: random, to try the pipeline",
    )
    omnivore: UserPath | Literal["untrained"] | None = Field(
        None,
        description="Omnivore weights (.torch or .safetensors); null: a narrow one trained on the "
        "train split of a study of TIM; untrained: random, to try the pipeline",
    )
    videomae: UserPath | Literal["untrained"] | None = Field(
        None, description="VideoMAE weights (.pth.tar); cannot be trained here"
    )
    yamnet: UserPath | Literal["untrained"] | None = Field(
        None,
        description="YAMNet weights (yamnet.pth or .safetensors); null: those of `make weights`",
    )
    efficientnet_lite0: UserPath | Literal["untrained"] | None = Field(
        None,
        description="EfficientNet-Lite0 weights (.pth or .safetensors); null: those of "
        "`make weights`",
    )


class VisualFeatures(Section):
    """How frames become visual features."""

    frames: Literal["decoded", "jpeg"] = Field(
        "decoded", description="jpeg: through ffmpeg's JPEG files, as published"
    )
    views: Annotated[int, Field(ge=1, le=4)] | None = Field(
        None,
        description="Views of each training interval; null: 2 where Omnivore is trained, else 4",
    )
    first_frame: Literal["consistent", "reference"] = Field(
        "consistent", description="reference: a view's first frame is augmented differently"
    )


def _of_intervals(name: str) -> str:
    known = [row.name for row in EXTRACTORS.values() if row.cut == "intervals"]
    if name not in known:
        raise ValueError(f"no extractor of intervals has this name; there are {', '.join(known)}")
    return name


IntervalExtractor = Annotated[str, AfterValidator(_of_intervals)]


class FeatureStudy(Study):
    """Videos, or audio alone, to features of intervals."""

    shard_manifest: ClassVar[str] = "manifest/{}.parquet"
    # The recipe of Auditory SlowFast for rendered videos.
    rendered_asf: ClassVar[AsfRecipeName] = "miniature"
    # Whether an annotated id may have a sound file in place of a video.
    takes_sound_files: ClassVar[bool] = False
    # The fields that name annotation files, a path or one path a split each.
    annotation_keys: ClassVar[tuple[str, ...]] = ("annotations", "splits")

    videos: UserPath | None = Field(
        None, description="Folder of videos, searched with its subfolders"
    )
    sound: UserPath | None = Field(
        None, description="EPIC HDF5 file, or folder of wav files, in place of the videos' sound"
    )
    intervals: SplitPaths = Field(
        SplitPaths(), description="Published interval pickles; null: made by the 1.1 s rule"
    )
    preset: PresetName = Field("ave", description="Rate, resampler, weights and views as published")
    views: Annotated[int, Field(ge=1, le=5)] | None = Field(
        None, description="Views of each training interval; null: the preset's"
    )
    specaug: Literal["reference", "standard"] = Field(
        "reference", description="Augmentation of views 1 and up: as published, or as intended"
    )
    checkpoints: Checkpoints = Checkpoints()
    visual: VisualFeatures = VisualFeatures()
    pretraining: AsfTraining = AsfTraining()
    shards: PowerOfTwo = Field(4, description="Parts of the sound stages, a power of two")
    feature_shards: PowerOfTwo = Field(2, description="Parts of extraction, at most `shards`")

    @model_validator(mode="after")
    def _feature_shards_are_made_of_shards(self) -> Self:
        if self.feature_shards > self.shards:
            raise ValueError(f"feature_shards may be at most shards ({self.shards})")
        return self

    @model_validator(mode="after")
    def _a_rendered_data_set_has_no_paths(self) -> Self:
        given = [key for key, path in self.data_paths().items() if path is not None]
        if self.is_rendered and given:
            raise ValueError(
                f"{self.key(given[0])} is given, but the data set is rendered; set "
                f"{self.key('source')}: official"
            )
        return self

    def data_paths(self) -> dict[str, Any]:
        """Return where the user's data are, by key."""
        return {"videos": self.videos, "sound": self.sound} | self.given_annotations()

    @property
    def asf(self) -> Preset:
        """The preset's values."""
        return PRESETS[self.preset]

    # Annotations and videos

    @property
    @abstractmethod
    def dataset(self) -> str:
        """Name of the format of the annotations, as `read_events` takes it."""

    @property
    def has_annotations(self) -> bool:
        """Whether there are labelled events."""
        return any(self.given_annotations().values())

    @property
    def tag_legs(self) -> TagLegs:
        """The networks that score the sound and the picture of every second."""
        return TagLegs(self.checkpoints, TagTokenizers())

    @property
    def finds_events(self) -> bool:
        """Whether the table of events is of those that are found without annotations."""
        return False

    def given_annotations(self) -> dict[str, Path | None]:
        """Return the configured annotation files by their keys."""
        found: dict[str, Path | None] = {}
        for key in self.annotation_keys:
            value = getattr(self, key)
            is_split = isinstance(value, SplitPaths)
            found |= {f"{key}.{split}": path for split, path in value} if is_split else {key: value}
        return found

    def annotation_files(self, at: Place) -> dict[str, Path]:
        """Return the annotation files by their keys; of the field `splits` these are the splits.

        Raises:
            ConfigError: if a file that the study needs is not configured or does not exist.
        """
        return {
            key.removeprefix("splits."): Path(self.existing_file(key, path))
            for key, path in self.given_annotations().items()
            if path is not None
        }

    def list_videos(self, at: Place) -> list[Video]:
        """Return the videos of the annotations, or of the whole folder where there are none."""
        if self.videos is None and self.sound is None:
            raise ConfigError(
                f"{self.key('videos')}: name a folder of videos, or an HDF5 file or folder of "
                f"audio as {self.key('sound')}"
            )
        splits = self._annotated_splits(at)
        sounds = sound_files(self._existing_sound(self.sound)) if self.sound else None
        if self.videos is None:
            return self._audio_only(sounds or {}, splits)
        folder = self.existing_folder("videos", self.videos)
        if splits is None:
            videos = folder_videos(folder, self.unlabelled_split)
            if not videos:
                raise ConfigError(
                    f"{self.key('videos')}: no video or sound file in {folder}; name another folder"
                )
        else:
            videos = named_videos(folder, splits, includes_sounds=self.takes_sound_files)
        return self._with_sounds(videos, sounds)

    @property
    def unlabelled_split(self) -> str:
        """Split of videos without annotations."""
        return "test"

    def _annotated_splits(self, at: Place) -> Iterable[tuple[str, str]] | None:
        """Return each (video_id, split) of the annotations, None without annotations."""
        if not self.has_annotations:
            return None
        return read_events(self.dataset, self.annotation_files(at), at.seed).video_splits

    @property
    def draws_splits(self) -> bool:
        """Whether the seed decides the splits."""
        return False

    def _with_sounds(
        self, videos: Iterable[Video], sounds: Mapping[str, str] | None
    ) -> list[Video]:
        """Return videos with the files that stand in for their audio, if there are such."""
        if sounds is None:
            return list(videos)
        return [replace(v, sound=sounds.get(v.video_id, self._expected_sound(v))) for v in videos]

    def _existing_sound(self, source: Path) -> Path:
        return source if source.is_file() else self.existing_folder("sound", source)

    def _expected_sound(self, video: Video) -> str:
        """Return where the audio of a video should be, for the manifest to say so."""
        source = str(self.sound)
        return source if is_hdf5(source) else f"{source}/{video.video_id}.wav"

    def _audio_only(
        self, sounds: dict[str, str], splits: Iterable[tuple[str, str]] | None
    ) -> list[Video]:
        if splits is None:
            splits = [(video_id, self.unlabelled_split) for video_id in sounds]
        found = ((video_id, split, sounds.get(video_id)) for video_id, split in splits)
        return sorted(Video(video_id, split, path, path) for video_id, split, path in found)

    def media(self) -> MediaNeeds:
        """Return the waveforms of the preset."""
        return MediaNeeds(self.asf.sample_rate, self.asf.resampler)

    def interval_rule(self) -> dict[str, float | int | None]:
        """Return length and distance of the intervals in seconds, or how many seconds they are."""
        return {"interval_s": self.asf.interval_s, "hop_s": self.asf.hop_s, "seconds": None}

    # Features

    def extractor_names(self) -> tuple[str, ...]:
        """Return the networks whose features the study uses."""
        return ("asf",)

    @property
    def needs_sound(self) -> bool:
        """Whether a video without sound is left out."""
        return True

    @property
    def packs_sound(self) -> bool:
        """Whether waveforms are packed, also where a video may do without."""
        return self.needs_sound

    def extraction(self) -> dict[str, Any]:
        """Return the settings of all extractors, by the names that these have for them."""
        visual = {"frames": self.visual.frames, "first_frame": self.visual.first_frame}
        audio = {"preset": self.preset, "specaug": self.specaug}
        return audio | {"sample_rate": self.media().sample_rate} | visual

    @property
    def by_interval(self) -> bool:
        """Whether every extractor makes features of the intervals, whatever its row says."""
        return False

    def pack_rate(self, extractor: str) -> int:
        """Return the rate in Hz of the packs that an extractor of sound takes."""
        return self.media().sample_rate

    def train_views(self, extractor: str) -> int:
        """Return the views of a training interval; whole seconds have one."""
        row = EXTRACTORS[extractor]
        if row.cut != "intervals" or not row.views_vary:
            return 1
        if row.modality == "audio":
            return self.views or self.asf.train_views
        is_trained = self.weights()[row.network].origin == "trained"
        default = SMALL_VISUAL_VIEWS if is_trained else PUBLISHED_VISUAL_VIEWS
        return self.visual.views or default

    def weights(self) -> dict[str, Weights]:
        """Return the weights of the extractors."""
        return {name: self._weights(EXTRACTORS[name]) for name in self.extractor_names()}

    def _weights(self, row: Extractor) -> Weights:
        if not row.weights:
            return Weights(row.name, "none")
        return configured_weights(row.name, getattr(self.checkpoints, row.name), row.package)

    def require_trainable(self, network: str) -> None:
        """Check that the weights of an extractor can be trained on the study."""
        if not EXTRACTORS[network].is_trainable:
            raise ConfigError(
                f"{self.key('checkpoints')}.{network}: these features need published weights, "
                "which cannot be trained here; give them, or `untrained` to try the pipeline "
                "with random ones"
            )

    def check_options(self, network: str) -> dict[str, Any]:
        """Return the preset that weights of Auditory SlowFast are for."""
        return {"preset": self.preset} if network == "asf" else {}

    def files(self) -> dict[str, Path | None]:
        """Return videos, annotations, intervals and weights to start from."""
        return {
            "videos": self.videos,
            "sound": self.sound,
            "pretraining.checkpoint": self.pretraining.checkpoint,
            **{f"intervals.{split}": path for split, path in self.intervals},
            **self.given_annotations(),
        }

    def feature_targets(self, at: Place) -> list[str]:
        """Return the indices of the features, and the curves of the extractors trained here."""
        indices = [f"features/{name}/index.parquet" for name in self.extractor_names()]
        return [str(at.folder / file) for file in [*indices, *self._extractor_curves()]]

    def _extractor_curves(self) -> list[str]:
        weights = self.weights()
        trained = [
            n for n in self.extractor_names() if n in weights and weights[n].origin == "trained"
        ]
        return [f"model/{name}/curves.svg" for name in trained]
