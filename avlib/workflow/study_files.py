"""What all that the rules ask has in common: a job's study, its files and its shards."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

from avlib.io.atomic import write_json
from avlib.io.json_files import read_cached_json, read_json
from avlib.media.scan import scan, shard_list
from avlib.studies import Config, config_hash
from avlib.studies.base import Place, Study

S = TypeVar("S", bound=Study)


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
    relevancy: str
    model: str
    rate: str


class StudyFiles:
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

    def study(self, wildcards: Wildcards, kind: type[S]) -> S:
        """Return the job's study.

        Raises:
            ConfigError: if it is of another kind.
        """
        return self.config.study(wildcards.study, kind)

    def any_study(self, wildcards: Wildcards) -> Study:
        """Return the job's study, of whatever kind."""
        return self.config.study(wildcards.study, Study)

    def named(self, kind: type[Study]) -> str:
        """Return a pattern of the names of the studies of a kind, for wildcards."""
        return "|".join(self.config.names(kind))

    def evaluated_as(self, name: str) -> str:
        """Return a pattern of the names of the studies whose metrics `evaluate_<name>` writes."""
        studies = self.config.studies.items()
        return "|".join(study for study, section in studies if section.evaluated_as == name)

    def place(self, wildcards: Wildcards) -> Place:
        """Return where the results of the job's study go."""
        return Place(self.folder(wildcards), self.config.seed)

    def folder(self, wildcards: Wildcards) -> Path:
        """Return the folder of the results of the job's study."""
        return self.results / wildcards.study

    def targets(self, *studies: Study) -> list[str]:
        """Return the final results of studies."""
        seed = self.config.seed
        return [t for s in studies for t in s.targets(Place(self.results / s.name, seed))]

    def notices(self) -> list[str]:
        """Return what the configured studies say before a run begins."""
        seed, results = self.config.seed, self.results
        return [
            f"{study.name}: {line}"
            for study in self.config.chosen
            for line in study.notices(Place(results / study.name, seed))
        ]

    def finished(self) -> list[str]:
        """Return the final results that exist: what a report can show.

        They are of all studies but those that are neither rendered nor configured here, whose jobs
        are not known.
        """
        known = [
            s for s in self.config.sections.values() if s.is_rendered or s in self.config.chosen
        ]
        begun = [s for s in known if (self.results / s.name).is_dir()]
        return [target for target in self.targets(*begun) if Path(target).exists()]

    def summary(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what the summaries say of the study's configuration."""
        digest = config_hash(self.config, wildcards.study)
        return {"study": wildcards.study, "config_hash": digest}

    @property
    def gpus(self) -> int:
        """GPUs that a job of a network needs."""
        if self.config.device == "auto":
            return int(Path("/proc/driver/nvidia/gpus").exists())
        return int(self.config.device == "cuda")

    # Shards

    def shards(self, wildcards: Wildcards, pattern: str) -> list[str]:
        """Return a file for each shard of the study."""
        folder, count = self.folder(wildcards), self.any_study(wildcards).shards
        return [str(folder / pattern.format(shard)) for shard in range(count)]

    def packs(self, wildcards: Wildcards) -> list[str]:
        """Return the packs of waveforms of the study."""
        return self.shards(wildcards, "audio/{}.h5")

    def frame_packs(self, wildcards: Wildcards) -> list[str]:
        """Return the packs of small frames of the study."""
        return self.shards(wildcards, "frames/{}.h5")

    def shard_manifest(self, wildcards: Wildcards) -> str:
        """Return the manifest of the job's shard."""
        pattern = self.any_study(wildcards).shard_manifest
        return str(self.folder(wildcards) / pattern.format(wildcards.shard))

    def manifests(self, wildcards: Wildcards) -> list[str]:
        """Return the manifests of all shards of the study."""
        return self.shards(wildcards, self.any_study(wildcards).shard_manifest)

    def lists(self, study: str) -> Path:
        """Return the folder of a study's lists of videos."""
        return self.results / study / ".cache" / "videos"

    def video_list(self, wildcards: Wildcards) -> str:
        """Return the path of the shard's list of videos."""
        return str(shard_list(self.lists(wildcards.study), wildcards.shard))

    def all_video_lists(self, wildcards: Wildcards) -> list[str]:
        """Return the lists of the videos of all shards."""
        lists = self.lists(wildcards.study)
        return [str(shard_list(lists, s)) for s in range(self.any_study(wildcards).shards)]

    def _scan(self, name: str) -> dict[int, str]:
        study = self.config.study(name, Study)
        return scan(
            study.list_videos(Place(self.results / name, self.config.seed)),
            shards=study.shards,
            folder=self.lists(name),
            are_on_disk=not study.is_rendered,
            searched=study.media_folders(),
        )

    def folder_stamp(self, wildcards: Wildcards, path: str) -> str:
        """Return a digest of names, sizes and times of a folder's files.

        The jobs of a cluster read what the main process has written.
        """
        name = hashlib.sha256(path.encode()).hexdigest()[:16]
        note = self.folder(wildcards) / ".cache" / "given" / f"{name}.json"
        if not self.rescan:
            return str(read_json(note))
        stamp = _folder_stamp(path)
        if read_cached_json(note) != stamp:
            write_json(note, stamp)
        return stamp


@cache
def _folder_stamp(path: str) -> str:
    states = ((entry.name, entry.stat()) for entry in os.scandir(path))
    lines = sorted(f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in states)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest()
