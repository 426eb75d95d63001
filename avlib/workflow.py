"""What the rules ask about the configured studies: files, settings and fingerprints.

The methods take the wildcards of a job (`study`, and `shard` where there is one), so that rules
can name them as input and parameter functions.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from avlib.config import Ave, Config, Custom, config_hash
from avlib.datasets.study import annotation_files, is_rendered, study_videos
from avlib.errors import ConfigError
from avlib.media.scan import fingerprint, read_scan, scan, shard_list
from avlib.training.recipes import RECIPES


class Wildcards(Protocol):
    """The part of a job's wildcards that is used here."""

    study: str
    shard: str


class Workflow:
    """The configured studies, as files below `results`.

    Args:
        config: the checked configuration.
        results: folder of all results.
        rescan: look at the videos again; False in the jobs of a cluster, which find the lists
            that the main process has written.
    """

    def __init__(self, config: Config, *, results: Path, rescan: bool) -> None:
        self.config, self.results, self._rescan = config, results, rescan
        self._scanned = cache(self._scan)

    def _study(self, wildcards: Wildcards) -> Ave | Custom:
        return self.config.study(wildcards.study)

    def _existing(self, wildcards: Wildcards, key: str, path: Path) -> str:
        if not path.is_file():
            raise ConfigError(f"{wildcards.study}.{key}: {path} is no file; correct the path")
        return str(path)

    def _folder(self, wildcards: Wildcards) -> Path:
        return self.results / wildcards.study

    def _lists(self, study: str) -> Path:
        return self.results / study / ".cache" / "videos"

    def _scan(self, name: str) -> dict[int, str]:
        study = self.config.study(name)
        videos = study_videos(study, seed=self.config.seed, folder=self.results / name)
        return scan(
            videos,
            shards=study.shards,
            folder=self._lists(name),
            are_on_disk=not is_rendered(study),
        )

    def targets(self, study: str) -> list[str]:
        """Return the final results of a study."""
        folder = self.results / study
        features = str(folder / "features/asf/index.parquet")
        is_trained = self.config.study(study).checkpoints.asf is None
        return [features, *([str(folder / "model/asf/curves.svg")] if is_trained else [])]

    # Media

    def video_list(self, wildcards: Wildcards) -> str:
        """Return the path of the shard's list of videos."""
        return str(shard_list(self._lists(wildcards.study), wildcards.shard))

    def fingerprint(self, wildcards: Wildcards) -> str:
        """Return a digest that changes when a video of the shard does."""
        if not self._rescan:
            return fingerprint(read_scan(Path(self.video_list(wildcards))))
        return self._scanned(wildcards.study)[int(wildcards.shard)]

    def rendered_files(self, wildcards: Wildcards) -> list[str]:
        """Return what must be rendered before the videos exist."""
        study = self._study(wildcards)
        if not is_rendered(study):
            return []
        return [str(annotation_files(study, self._folder(wildcards))["annotations"])]

    def annotation_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the annotation files by name: `annotations`, and a list a split."""
        files = annotation_files(self._study(wildcards), self._folder(wildcards))
        return {name: str(path) for name, path in files.items()}

    def dataset(self, wildcards: Wildcards) -> str:
        """Return the name of the annotation format."""
        study = self._study(wildcards)
        return study.annotation_format if isinstance(study, Custom) else "ave"

    def sound_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return rate and resampler of the packs."""
        preset = self._study(wildcards).asf
        return {"sample_rate": preset.sample_rate, "resampler": preset.resampler}

    def published_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the published interval tables."""
        return [
            self._existing(wildcards, f"intervals.{split}", path)
            for split, path in self._study(wildcards).intervals
            if path is not None
        ]

    def converted_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the published intervals in our format, if there are any."""
        path = self._folder(wildcards) / "intervals" / "published.parquet"
        return [str(path)] if self.published_intervals(wildcards) else []

    def interval_rule(self, wildcards: Wildcards) -> dict[str, float]:
        """Return length and distance of the intervals in seconds."""
        preset = self._study(wildcards).asf
        return {"interval_s": preset.interval_s, "hop_s": preset.hop_s}

    # Shards

    def packs(self, wildcards: Wildcards) -> list[str]:
        """Return the sound packs of the study."""
        return self._shards(wildcards, "audio/{}.h5")

    def manifests(self, wildcards: Wildcards) -> list[str]:
        """Return the manifests of all shards of the study."""
        return self._shards(wildcards, "manifest/{}.parquet")

    def intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the interval tables of all shards of the study."""
        return self._shards(wildcards, "intervals/shards/{}.parquet")

    def feature_indices(self, wildcards: Wildcards) -> list[str]:
        """Return the feature indices of all shards of the study."""
        folder = self._folder(wildcards) / "features/asf/shards"
        return [str(folder / f"{s}.parquet") for s in range(self._study(wildcards).feature_shards)]

    def member_packs(self, wildcards: Wildcards) -> list[str]:
        """Return the sound packs that make up a feature shard."""
        return self._members(wildcards, self.packs(wildcards))

    def member_manifests(self, wildcards: Wildcards) -> list[str]:
        """Return the manifests of the videos of a feature shard."""
        return self._members(wildcards, self.manifests(wildcards))

    def member_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the interval tables of the videos of a feature shard."""
        return self._members(wildcards, self.intervals(wildcards))

    def _shards(self, wildcards: Wildcards, pattern: str) -> list[str]:
        folder = self._folder(wildcards)
        return [str(folder / pattern.format(s)) for s in range(self._study(wildcards).shards)]

    def _members(self, wildcards: Wildcards, paths: Sequence[str]) -> list[str]:
        """Return every n-th path: powers of two nest, so those shards make up the larger one."""
        return list(paths[int(wildcards.shard) :: self._study(wildcards).feature_shards])

    def feature_journal(self, wildcards: Wildcards) -> str:
        """Return the journal of a feature shard; another number of shards has others."""
        count = self._study(wildcards).feature_shards
        name = f"{count}/{wildcards.shard}.jsonl"
        return str(self._folder(wildcards) / ".cache" / "features" / "asf" / name)

    # Auditory SlowFast

    def asf_checkpoint(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that features are extracted with: given, trained, or none.

        Raises:
            ConfigError: if weights are neither given nor can be trained.
        """
        study = self._study(wildcards)
        if study.checkpoints.asf == "untrained":
            return []
        if study.checkpoints.asf is not None:
            return [self._existing(wildcards, "checkpoints.asf", study.checkpoints.asf)]
        if isinstance(study, Custom) and not study.has_annotations:
            raise ConfigError(
                "custom.checkpoints.asf: give weights (preset "
                f"{study.preset}: {study.asf.checkpoint}), or custom.annotations to train them "
                "on, or `untrained` to try the pipeline with random ones"
            )
        return [str(self._folder(wildcards) / "model/asf/model.safetensors")]

    def preset(self, wildcards: Wildcards) -> str:
        """Return the name of the study's preset."""
        return self._study(wildcards).preset

    def checked_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the report that says that given weights fit, if any are given."""
        if not isinstance(self._study(wildcards).checkpoints.asf, Path):
            return []
        return [str(self._folder(wildcards) / "model/asf/given.json")]

    def initial_checkpoint(self, wildcards: Wildcards) -> list[str]:
        """Return the weights that training starts from, if any."""
        path = self._study(wildcards).pretraining.checkpoint
        return [self._existing(wildcards, "pretraining.checkpoint", path)] if path else []

    def training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the trained weights, beside the data.

        Raises:
            ConfigError: if the recipe needs weights to start from and none are given.
        """
        study = self._study(wildcards)
        recipe = study.pretraining.recipe
        if RECIPES[recipe].fine_tunes and study.pretraining.checkpoint is None:
            raise ConfigError(
                f"{wildcards.study}.pretraining: recipe {recipe} continues from other weights; "
                "name them as pretraining.checkpoint"
            )
        settings = study.pretraining.model_dump(exclude={"checkpoint"})
        return settings | {
            "sample_rate": study.asf.sample_rate,
            "seed": self.config.seed,
            "device": self.config.device,
        }

    def extraction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what decides the features, beside sound and weights."""
        study = self._study(wildcards)
        return {
            "settings": {
                "preset": study.preset,
                "specaug": study.specaug,
                "seed": self.config.seed,
                "dtype": self.config.dtype,
                "device": self.config.device,
                "allow_tf32": self.config.allow_tf32,
                "mel_on_device": self.config.mel_on_device,
            },
            "views": {split: study.views_of(split) for split in ("train", "val", "test")},
        }

    def summary(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what the summary says of the study's configuration."""
        study = self._study(wildcards)
        return {"study": wildcards.study, "config_hash": config_hash(study)}

    @property
    def gpus(self) -> int:
        """GPUs that a job of a network asks for."""
        if self.config.device == "auto":
            return int(Path("/proc/driver/nvidia/gpus").exists())
        return int(self.config.device == "cuda")
