"""What all questions about the configured studies have in common."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from avlib.errors import ConfigError
from avlib.media.scan import scan, shard_list
from avlib.studies import AnyStudy, Config, config_hash
from avlib.studies.ave import Ave
from avlib.studies.base import is_rendered, study_videos
from avlib.studies.custom import Custom
from avlib.studies.k600 import K600, Sounds
from avlib.studies.llp import Llp


class Wildcards(Protocol):
    """The part of a job's wildcards that is used here."""

    study: str
    shard: str
    split: str
    extractor: str
    network: str
    modality: str
    fold: str
    kind: str
    variant: str


class Studies:
    """The configured studies, as files below `results`.

    Args:
        config: the checked configuration.
        results: folder of all results.
        rescan: look at the videos again; False in the jobs of a cluster, which find the lists
            that the main process has written.
    """

    def __init__(self, config: Config, *, results: Path, rescan: bool) -> None:
        self.config, self.results, self.rescan = config, results, rescan
        self.scanned = cache(self._scan)

    def section(self, wildcards: Wildcards) -> AnyStudy:
        """Return the section of the configuration."""
        return self.config.study(wildcards.study)

    def study(self, wildcards: Wildcards) -> Ave | Custom:
        """Return the section of a study that has features.

        Raises:
            ConfigError: if the study has none.
        """
        study = self.section(wildcards)
        if not isinstance(study, Ave | Custom):
            raise ConfigError(f"{wildcards.study} has no such results; it makes no features")
        return study

    def soundtracks(self, wildcards: Wildcards) -> K600 | Sounds:
        """Return the section of a study of labelled soundtracks.

        Raises:
            ConfigError: if the study is another one.
        """
        study = self.section(wildcards)
        if not isinstance(study, K600 | Sounds):
            raise ConfigError(f"{wildcards.study} has no audio images; ask for its features")
        return study

    def named(self, *kinds: type[AnyStudy]) -> str:
        """Return a pattern of the names of the studies of some kinds, for wildcards."""
        return "|".join(name for name, s in self.config.studies.items() if isinstance(s, kinds))

    def ave(self, wildcards: Wildcards) -> Ave:
        """Return the section of a study that has pictures and recognition.

        Raises:
            ConfigError: if the study has none.
        """
        study = self.study(wildcards)
        if not isinstance(study, Ave):
            raise ConfigError(f"{wildcards.study} has features of its sound only; ask for those")
        return study

    def folder(self, wildcards: Wildcards) -> Path:
        """Return the folder of the study's results."""
        return self.results / wildcards.study

    def existing(self, wildcards: Wildcards, key: str, path: Path) -> str:
        """Return a configured file.

        Raises:
            ConfigError: if it does not exist.
        """
        if not path.is_file():
            raise ConfigError(f"{wildcards.study}.{key}: {path} is no file; correct the path")
        return str(path)

    def lists(self, study: str) -> Path:
        """Return the folder of the lists of videos."""
        return self.results / study / ".cache" / "videos"

    def summary(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what the summaries say of the study's configuration."""
        digest = config_hash(self.config, wildcards.study)
        return {"study": wildcards.study, "config_hash": digest}

    @property
    def gpus(self) -> int:
        """GPUs that a job of a network asks for."""
        if self.config.device == "auto":
            return int(Path("/proc/driver/nvidia/gpus").exists())
        return int(self.config.device == "cuda")

    # Shards

    def packs(self, wildcards: Wildcards) -> list[str]:
        """Return the sound packs of the study."""
        return self.shards(wildcards, "audio/{}.h5")

    def frame_packs(self, wildcards: Wildcards) -> list[str]:
        """Return the packs of small frames of the study."""
        return self.shards(wildcards, "frames/{}.h5")

    def manifest_pattern(self, wildcards: Wildcards) -> str:
        """Return the path of a shard's manifest, that of the stage that leaves out the most."""
        study = self.section(wildcards)
        if isinstance(study, Llp):
            return "probe/{}.parquet"
        return "manifest/{}.parquet" if isinstance(study, Ave | Custom) else "audio/{}.parquet"

    def shard_manifest(self, wildcards: Wildcards) -> str:
        """Return the manifest of the job's shard."""
        folder = self.folder(wildcards)
        return str(folder / self.manifest_pattern(wildcards).format(wildcards.shard))

    def manifests(self, wildcards: Wildcards) -> list[str]:
        """Return the manifests of all shards of the study."""
        return self.shards(wildcards, self.manifest_pattern(wildcards))

    def video_lists(self, wildcards: Wildcards) -> list[str]:
        """Return the lists of the videos of a feature shard."""
        return self._members(wildcards, self.all_video_lists(wildcards))

    def all_video_lists(self, wildcards: Wildcards) -> list[str]:
        """Return the lists of the videos of all shards."""
        lists = self.lists(wildcards.study)
        return [str(shard_list(lists, s)) for s in range(self.section(wildcards).shards)]

    def intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the interval tables of all shards of the study."""
        return self.shards(wildcards, "intervals/shards/{}.parquet")

    def member_packs(self, wildcards: Wildcards) -> list[str]:
        """Return the sound packs that make up a feature shard."""
        return self._members(wildcards, self.packs(wildcards))

    def member_manifests(self, wildcards: Wildcards) -> list[str]:
        """Return the manifests of the videos of a feature shard."""
        return self._members(wildcards, self.manifests(wildcards))

    def member_intervals(self, wildcards: Wildcards) -> list[str]:
        """Return the interval tables of the videos of a feature shard."""
        return self._members(wildcards, self.intervals(wildcards))

    def shards(self, wildcards: Wildcards, pattern: str) -> list[str]:
        """Return a file for each shard of the study."""
        folder = self.folder(wildcards)
        return [str(folder / pattern.format(s)) for s in range(self.section(wildcards).shards)]

    def _members(self, wildcards: Wildcards, paths: Sequence[str]) -> list[str]:
        """Return every n-th path: powers of two nest, so those shards make up the larger one."""
        return list(paths[int(wildcards.shard) :: self.study(wildcards).feature_shards])

    def _scan(self, name: str) -> dict[int, str]:
        study = self.config.study(name)
        videos = study_videos(study, seed=self.config.seed, folder=self.results / name)
        return scan(
            videos,
            shards=study.shards,
            folder=self.lists(name),
            are_on_disk=not is_rendered(study),
        )
