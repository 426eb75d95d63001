"""Stages of the workflow on a few files or a waveform, in a folder for them alone."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import ArrayLike, NDArray

from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError, DataError
from avlib.extractors.extraction import ShardFiles
from avlib.extractors.interval_shards import IntervalRule, make_shard_intervals
from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.row import COMMON_SETTINGS, Extractor
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table
from avlib.media.tables import MANIFEST
from avlib.packages import MINILM, REMEDY, WEIGHTS
from avlib.predict.inputs import find_inputs
from avlib.predict.working import pack_sound, probe_files, video_list
from avlib.studies import Config, load_config
from avlib.studies.custom import Custom
from avlib.studies.own_extractors import OTHER_NAMES
from avlib.tagging.leg_files import LegFiles
from avlib.tagging.recipes import Tagging
from avlib.tagging.seconds import SecondsFiles, score_seconds
from avlib.tagging.tables import FOUND_EVENTS
from avlib.tagging.tagging import TagFiles, tag_videos

logger = logging.getLogger(__name__)

Source = str | Path | Sequence[str | Path] | ArrayLike
WAVEFORM = "waveform"  # id of a waveform among videos


class Features(NamedTuple):
    """Features of a file or waveform.

    Attributes:
        features: (N, channels) float32.
        intervals: (N, 2), start and end of each in seconds.
    """

    features: NDArray[np.float32]
    intervals: NDArray[np.float64]


class TemporaryStudy:
    """A few files or a waveform, as a study of one shard.

    Args:
        folder: empty at first.
        source: media files, folders of such files, or a waveform of floats in [-1, 1],
            (n_samples,) or (channels, n_samples).
        sample_rate: of the waveform, in Hz.

    Raises:
        DataError: if there is no such file, or the waveform has no rate or another shape.
    """

    def __init__(self, folder: Path, source: Source, sample_rate: int | None) -> None:
        self._folder = folder
        paths = _paths(source)
        if paths is None:
            paths = [self._folder / f"{WAVEFORM}.wav"]
            _write_waveform(np.asarray(source), sample_rate, paths[0])
        videos, left_out = find_inputs(paths)
        for entry in left_out:
            logger.warning("left out: %s: %s", entry.path, entry.message)
        if not videos:
            raise DataError(f"{left_out[0].path}: {left_out[0].message}")
        self._n_videos = len(videos)
        self._manifest = probe_files(videos, folder)

    def events(self, labels: Sequence[str] | None) -> pd.DataFrame:
        """Return the events that are found, a table of kind FOUND_EVENTS.

        Args:
            labels: what is looked for; None: the classes themselves.

        Raises:
            ConfigError: if packaged weights are missing.
            DataError: if no file can be used, or no class is near to any label.
        """
        pack = self._folder / "seconds" / "0.h5"
        found = pack.with_suffix(".parquet")
        files = SecondsFiles(
            videos=video_list(self._folder),
            manifest=self._manifest,
            legs={
                "sound": LegFiles("yamnet", _packaged(EXTRACTORS["yamnet"])),
                "picture": LegFiles(
                    "efficientnet_lite0", _packaged(EXTRACTORS["efficientnet_lite0"])
                ),
            },
            cache=self._folder / "names",
            previous=self._folder / "previous.h5",
            pack=pack,
            found=found,
        )
        score_seconds(files, _common(Config()), shards=1)
        _require_used(found)
        for row in read_table(found, MANIFEST).itertuples():
            if row.status != "ok":
                logger.warning("left out: %s: %s", row.path, row.message)
        listed = None
        if labels is not None:
            listed = self._folder / "labels.txt"
            listed.write_text("\n".join(dict.fromkeys(labels)), "utf-8")
        tag_videos(self._tag_files(found), Tagging(labels=listed), {"study": "tag"}, 1.0)
        return read_table(self._folder / "events.parquet", FOUND_EVENTS)

    def _tag_files(self, manifest: Path) -> TagFiles:
        folder = self._folder
        return TagFiles(
            folder=folder,
            manifests=[manifest],
            passed_over=folder / "passed_over.json",
            sentences=WEIGHTS / MINILM,
            cache=folder / "names",
            events=folder / "events.parquet",
            csv=folder / "events.csv",
            seconds=folder / "seconds.parquet",
            summary=folder / "tags.json",
        )

    def features(
        self,
        extractor: str,
        checkpoint: str | Path | None,
        interval_s: float | None,
        hop_s: float | None,
    ) -> Features:
        """Return the features of the only file.

        Args:
            extractor: name of a network of intervals.
            checkpoint: its weights; None: those of a package.
            interval_s: length of an interval; None: the rule of a study of this network.
            hop_s: distance between two of them; None: their length.

        Raises:
            ConfigError: if the extractor is not known, the rule of intervals is wrong, or weights
                are missing.
            DataError: if the file cannot be used, or there are several.
        """
        if self._n_videos != 1:
            raise DataError(f"features are of one file at a time, not of {self._n_videos}")
        name = OTHER_NAMES.get(extractor, extractor)
        config = _config(name, checkpoint, interval_s, interval_s if hop_s is None else hop_s)
        row = EXTRACTORS[name]
        weights = _weights(row, checkpoint)
        source, manifest = self._read(row, config.custom)
        files = self._shard(source, manifest, weights)
        row.extract_intervals(files, _settings(row, config), dict.fromkeys(SPLITS, 1))
        entry = read_table(files.index, FEATURES).iloc[0]
        if entry["status"] != "ok":
            raise DataError(f"{entry['video_id']}: {entry['message']}")
        spans = read_table(self._folder / "intervals.parquet", INTERVALS)
        features = np.load(files.folder / entry["path"])[:, 0]
        return Features(features, spans[["start_s", "stop_s"]].to_numpy(np.float64))

    def _shard(self, source: Path, manifest: Path, weights: Path | None) -> ShardFiles:
        return ShardFiles(
            sources=[source],
            manifests=[manifest],
            intervals=[self._folder / "intervals.parquet"],
            checkpoint=weights,
            folder=self._folder / "features",
            journal=self._folder / "journal.jsonl",
            index=self._folder / "index.parquet",
        )

    def _read(self, row: Extractor, study: Custom) -> tuple[Path, Path]:
        """Decode the sound, and write the intervals; return what is extracted from, and manifest.

        Raises:
            DataError: if the file cannot be used.
        """
        source, manifest = video_list(self._folder), self._manifest
        probed = read_table(manifest, MANIFEST).iloc[0]
        if row.modality == "visual" and probed["status"] == "ok" and pd.isna(probed["frames"]):
            raise DataError(f"{probed['path']}: no picture, which {row.name} sees")
        if row.modality == "audio":
            sound = study.media().audio | {"sample_rate": study.pack_rate(row.name)}
            source = pack_sound(self._folder, sound)
            manifest = source.with_suffix(".parquet")
        used = self._folder / "used.parquet"
        make_shard_intervals(
            manifest=manifest,
            published=None,
            rule=IntervalRule(**study.interval_rule(), needs_sound=row.modality == "audio"),
            intervals_target=self._folder / "intervals.parquet",
            manifest_target=used,
        )
        _require_used(used)
        return source, used


def _weights(row: Extractor, checkpoint: str | Path | None) -> Path | None:
    """Return the weights of an extractor; None: random ones, or it has none.

    Raises:
        ConfigError: if none are given, and no package has some, or they are not there.
    """
    if checkpoint == "untrained" or not row.weights:
        return None
    return _packaged(row) if checkpoint is None else Path(checkpoint)


def _packaged(row: Extractor) -> Path:
    """Return the packaged weights of an extractor.

    Raises:
        ConfigError: if no package has some, or they are not there.
    """
    if row.package is None:
        raise ConfigError(f"{row.name}: no package has its weights; name a checkpoint")
    path = WEIGHTS / row.package
    if not path.is_file():
        raise ConfigError(f"{path} is not there: {REMEDY}")
    return path


def _config(
    name: str, checkpoint: str | Path | None, interval_s: float | None, hop_s: float | None
) -> Config:
    """Return the configuration of one's own videos with one extractor."""
    given = {} if checkpoint is None else {name: str(checkpoint)}
    rule = {"interval_s": interval_s, "hop_s": hop_s}
    return load_config({"custom": {"extractors": [name], "checkpoints": given} | rule})


def _settings(row: Extractor, config: Config) -> dict[str, Any]:
    """Return the settings of an extractor of one's own videos."""
    values = config.custom.extraction() | {"mel_on_device": config.mel_on_device}
    values["sample_rate"] = config.custom.pack_rate(row.name)
    return _common(config) | {name: values[name] for name in row.settings_of_intervals}


def _common(config: Config) -> dict[str, Any]:
    return {name: getattr(config, name) for name in COMMON_SETTINGS}


def _paths(source: Source) -> list[Path] | None:
    """Return the paths that a source names; None: it is a waveform.

    The process that decodes was started in what may have been another working directory.
    """
    if isinstance(source, str | Path):
        return [Path(source).absolute()]
    if isinstance(source, Sequence) and source and isinstance(source[0], str | Path):
        return [Path(str(path)).absolute() for path in source]
    return None


def _write_waveform(waveform: NDArray[Any], sample_rate: int | None, target: Path) -> None:
    """Write a waveform as a sound file of 32-bit floats.

    Raises:
        DataError: if it has no rate, or another shape or type.
    """
    if sample_rate is None or sample_rate < 1:
        raise DataError(f"a waveform needs its sample_rate in Hz, not {sample_rate}")
    if waveform.ndim not in (1, 2) or waveform.dtype.kind != "f" or not waveform.size:
        raise DataError(
            "expected a waveform (n_samples,) or (channels, n_samples) of floats in [-1, 1], got "
            f"{waveform.dtype} {waveform.shape}"
        )
    soundfile.write(target, waveform.T.astype(np.float32), int(sample_rate), subtype="FLOAT")


def _require_used(manifest: Path) -> None:
    """Check that a file can be used.

    Raises:
        DataError: if none can; the message is that of the first.
    """
    rows = read_table(manifest, MANIFEST)
    if not (rows["status"] == "ok").any():
        first = rows.iloc[0]
        raise DataError(f"{first['path']}: {first['message']}")
