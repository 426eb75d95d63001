"""What a row of the registry says of an extractor: what the network sees, where its code is.

The module of a row has functions that are imported when they are used:

- `check_weights(checkpoint, target, **options)` writes what a checkpoint is to the JSON file
  `target`, if it fits the network; otherwise it raises a CheckpointError.
- `extract_shard(files, settings, views)` writes the features of a shard's videos and their index.
- Where `interval_shape` is given, `extract_intervals(files, settings)` writes features of intervals
  in the same form, which `extract_shard` makes of videos or seconds.
- Where `cut` is "clips", `embed_clips(files, settings)` takes its place, and
  `embed_texts(files, settings)` writes the embeddings of texts in the same space.

See `docs/adding_an_extractor.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from avlib.extractors.embedding import ClipFiles, TextFiles
    from avlib.extractors.extraction import ShardFiles

COMMON_SETTINGS = ("seed", "dtype", "device", "allow_tf32")


@dataclass(frozen=True)
class AudioInput:
    """Mono waveforms.

    Attributes:
        sample_rate: Hz that the network was trained on; None: that of a preset.
        window_s: length of one input in seconds.
    """

    sample_rate: int | None
    window_s: float


@dataclass(frozen=True)
class FrameInput:
    """Video frames.

    Attributes:
        rate_fps: frames per second that are looked at; None: those of an interval, at any rate.
        size: height and width of one input in pixels.
        frames: frames of one input.
    """

    rate_fps: int | None
    size: int
    frames: int = 1


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A network that makes features.

    Attributes:
        name: key of EXTRACTORS.
        network: name of its weights in the configuration, and of its folder below `model/`.
        folder: name of its folder below `features/`.
        module: its code, with the functions that the head of this file describes.
        modality: what it sees.
        sees: one input of the network.
        cut: what becomes a row of features: the intervals of a table, with views, in files
            `<split>/<video_id>.npy` (intervals, views, *shape); whole seconds, the same with one
            view; equal parts of a whole video, in files `<video_id>.npy` (rows, *shape); or the
            clips of a table, one row each, in one file a shard.
        rows: of a whole video; None: as many as it has intervals or seconds.
        shape: of one row of features, with the published weights.
        interval_shape: of one row of features of an interval, where `cut` is another.
        weights: files of published weights, as their authors name them; none where features are
            computed without any.
        package: file below `weights/` that `make weights` makes of a package; None where no package
            carries weights.
        tokenizer: bert or roberta, whose files its texts become tokens by, where it takes texts.
        settings: names of the settings that it takes, beside COMMON_SETTINGS.
        interval_settings: the same for features of intervals where `cut` is another.
        text_settings: those of them on which embeddings of texts depend.
        options: those of its settings on which it depends whether weights fit.
        views_vary: whether training intervals have augmented views; if not, each has one view.
        is_trainable: whether a study can train it on its own train split.
    """

    name: str
    network: str
    folder: str
    module: str
    modality: Literal["audio", "visual"]
    sees: AudioInput | FrameInput
    cut: Literal["intervals", "seconds", "video", "clips"]
    rows: int | None = None
    shape: tuple[int, ...]
    interval_shape: tuple[int, ...] = ()
    weights: tuple[str, ...]
    package: str | None = None
    tokenizer: str = ""
    settings: tuple[str, ...] = ()
    interval_settings: tuple[str, ...] = ()
    text_settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    views_vary: bool = True
    is_trainable: bool = False

    @property
    def channels(self) -> int:
        """Channels of a feature, with the published weights."""
        return self.shape[-1]

    @property
    def makes_intervals(self) -> bool:
        """Whether it makes features of the intervals of a table."""
        return self.cut == "intervals" or bool(self.interval_shape)

    @property
    def settings_of_intervals(self) -> tuple[str, ...]:
        """Names of the settings that `extract_intervals` takes, beside COMMON_SETTINGS."""
        return self.settings if self.cut == "intervals" else self.interval_settings

    def check_weights(self, checkpoint: Path, target: Path, **options: Any) -> None:
        """Write what a checkpoint is, if it fits the network.

        Args:
            checkpoint: the file.
            target: JSON file to write.
            options: values of `self.options`.

        Raises:
            CheckpointError: if it does not fit.
        """
        import_module(self.module).check_weights(checkpoint, target, **options)

    def extract_shard(
        self, files: "ShardFiles", settings: Mapping[str, Any], views: Mapping[str, int]
    ) -> None:
        """Write the features of every usable video of a shard, and their index.

        Args:
            files: inputs and outputs. The sources are packs of waveforms, or lists of videos for
                visual features and those of whole videos.
            settings: values of COMMON_SETTINGS and of `self.settings`.
            views: views of each interval, by split; of no effect unless `cut` is "intervals".

        Raises:
            CheckpointError: if the weights do not fit the network.
        """
        import_module(self.module).extract_shard(files, settings, views)

    def extract_intervals(
        self, files: "ShardFiles", settings: Mapping[str, Any], views: Mapping[str, int]
    ) -> None:
        """Write features of intervals as `extract_shard` does, whatever `cut` is.

        Args:
            files: inputs and outputs.
            settings: values of COMMON_SETTINGS and of `self.settings_of_intervals`.
            views: views of each interval, by split; of no effect where `cut` is another.

        Raises:
            CheckpointError: if the weights do not fit the network.
        """
        if self.cut == "intervals":
            self.extract_shard(files, settings, views)
        else:
            import_module(self.module).extract_intervals(files, settings)

    def embed_clips(self, files: "ClipFiles", settings: Mapping[str, Any]) -> None:
        """Write the embeddings of the clips of a shard's videos, and their index.

        Args:
            files: inputs and outputs. The sources are packs of waveforms for sound.
            settings: values of COMMON_SETTINGS and of `self.settings`.

        Raises:
            CheckpointError: if the weights do not fit the network.
        """
        import_module(self.module).embed_clips(files, settings)

    def embed_texts(self, files: "TextFiles", settings: Mapping[str, Any]) -> None:
        """Write the embeddings of texts, each distinct text once.

        Args:
            files: inputs and outputs.
            settings: values of COMMON_SETTINGS and of `self.text_settings`.

        Raises:
            CheckpointError: if the weights do not fit the network.
            DataError: if the tokenizer cannot be read.
        """
        import_module(self.module).embed_texts(files, settings)
