"""A batch of new files through the stages of the workflow, from the file to its features."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.datasets.splits import SPLITS
from avlib.extractors.extraction import ShardFiles
from avlib.extractors.interval_shards import IntervalRule, make_shard_intervals
from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.tables import FEATURES
from avlib.io.tables import read_table, write_table
from avlib.media.isolation import stop_workers
from avlib.media.tables import MANIFEST
from avlib.media.videos import Video
from avlib.memory import return_memory
from avlib.predict.description import TrainedStudy
from avlib.predict.working import length_s, pack_sound, probe_files, video_list
from avlib.tim.recipes import Modality

VIEWS = dict.fromkeys(SPLITS, 1)


@dataclass(frozen=True)
class Batch:
    """Files of which features are made, and the stages' results in a folder.

    Attributes:
        study: whose extractors make them.
        folder: empty at first.
    """

    study: TrainedStudy
    folder: Path

    @property
    def intervals(self) -> Path:
        """Table of kind INTERVALS."""
        return self.folder / "intervals.parquet"

    def features(self, extractor: str) -> Path:
        """Return the folder of an extractor's features."""
        return self.folder / "features" / extractor

    def index(self, extractor: str) -> Path:
        """Return the table of kind FEATURES of an extractor."""
        return self.features(extractor) / "index.parquet"

    def read(self, videos: Sequence[Video]) -> pd.DataFrame:
        """Decode the sound of files and make the intervals; return the table of the files.

        Returns:
            table of kind MANIFEST; files without sound are not left out.
        """
        description = self.study.description
        probed = probe_files(videos, self.folder)
        if description.takes_sound:
            probed = self._packed(description.sound["sample_rate"]).with_suffix(".parquet")
        manifest = self.folder / "manifest.parquet"
        rule = dict(description.intervals)
        if isinstance(rule["seconds"], int):  # of every video of the study
            rule["seconds"] = max(rule["seconds"], longest_s(read_table(probed, MANIFEST)))
        make_shard_intervals(
            manifest=probed,
            published=None,
            rule=IntervalRule(**rule, needs_sound=False),
            intervals_target=self.intervals,
            manifest_target=manifest,
        )
        return_memory()
        return read_table(manifest, MANIFEST)

    def _packed(self, sample_rate: int) -> Path:
        """Return the pack of waveforms of a rate, beside its manifest; made where it is not."""
        return pack_sound(self.folder, {**self.study.description.sound, "sample_rate": sample_rate})

    def extract(self, rows: Mapping[Modality, pd.DataFrame]) -> None:
        """Make the features of files, and their indices.

        Args:
            rows: of the manifest, those whose features of a modality are needed.

        Raises:
            CheckpointError, ConfigError: if weights are missing, or do not fit.
        """
        for modality, manifest in rows.items():
            if manifest.empty:
                continue
            listed = self.folder / f"manifest_{modality}.parquet"
            write_table(manifest, listed, MANIFEST)
            for name in self.study.description.extractors[modality]:
                settings, checkpoint = self.study.extraction(name)
                rate = self.study.description.pack_rates.get(name)
                files = ShardFiles(
                    sources=[video_list(self.folder) if rate is None else self._packed(rate)],
                    manifests=[listed],
                    intervals=[self.intervals],
                    checkpoint=checkpoint,
                    folder=self.features(name),
                    journal=self.folder / f"{name}.jsonl",
                    index=self.index(name),
                )
                row = EXTRACTORS[name]
                by_interval = self.study.description.by_interval
                extract = row.extract_intervals if by_interval else row.extract_shard
                extract(files, settings, VIEWS)
                stop_workers()  # a decoder keeps 0.07 GB while TIM predicts
                return_memory()

    def failures(self) -> Iterator[Any]:
        """Yield the rows of kind FEATURES of files without features of an extractor."""
        for path in sorted((self.folder / "features").glob("*/index.parquet")):
            rows = read_table(path, FEATURES)
            yield from rows[rows["status"] != "ok"].itertuples()


def longest_s(manifest: pd.DataFrame) -> int:
    """Return the whole seconds of the longest file of a manifest."""
    lengths = length_s(manifest).fillna(0)
    return int(lengths.max()) if len(lengths) else 0
