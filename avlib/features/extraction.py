"""Feature files: one `<split>/<video_id>.npy` a video, and the index of a shard.

The files are no outputs of their own in the workflow, their index is. A journal beside them says
which file was made from what, so that a killed or repeated run does only what is missing.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.device import resolve_device
from avlib.features.auditory_slowfast import (
    ExtractionSettings,
    FeatureExtractor,
    check_preset,
    load_network,
    untrained_network,
)
from avlib.features.windows import interval_samples
from avlib.io.atomic import atomic_path
from avlib.io.checkpoints import file_hash
from avlib.io.packs import WaveformStore
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import FEATURES, INTERVALS, MANIFEST, read_table, write_table
from avlib.progress import progress

logger = logging.getLogger(__name__)


class Journal:
    """Which feature files exist and from what they were made: one JSON line a file.

    It is only ever appended to while a stage runs; a torn last line is ignored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        lines = path.read_text("ascii").splitlines() if path.exists() else []
        for line in lines:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            self.entries[entry["path"]] = entry

    def add(self, entry: dict[str, Any]) -> None:
        """Note a file that is on disk."""
        self.entries[entry["path"]] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="ascii") as file:
            file.write(f"\n{json.dumps(entry)}\n")  # the first line end closes a torn line

    def keep_only(self, paths: set[str], folder: Path) -> None:
        """Remove the files that are no longer wanted, and their lines."""
        for path in self.entries.keys() - paths:
            (folder / path).unlink(missing_ok=True)
        self.entries = {path: self.entries[path] for path in sorted(self.entries.keys() & paths)}
        with atomic_path(self.path) as partial:
            lines = [json.dumps(entry) + "\n" for entry in self.entries.values()]
            partial.write_text("".join(lines), encoding="ascii")


@dataclass(frozen=True)
class ShardFiles:
    """What a shard's extraction reads and writes.

    Attributes:
        packs: waveforms.
        manifests: the videos of the packs.
        intervals: their interval tables.
        checkpoint: weights; None for random ones.
        folder: where `<split>/<video_id>.npy` go.
        journal: which of them exist.
        index: table to write.
    """

    packs: Sequence[Path]
    manifests: Sequence[Path]
    intervals: Sequence[Path]
    checkpoint: Path | None
    folder: Path
    journal: Path
    index: Path


def extract_shard(
    files: ShardFiles, settings: ExtractionSettings, *, views: dict[str, int]
) -> None:
    """Write the features of every usable video of a shard, and their index.

    Args:
        files: inputs and outputs.
        settings: what decides the bytes.
        views: views of each interval, by split.

    Raises:
        CheckpointError: if the weights do not fit the network or the preset.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    manifest = pd.concat([read_table(path, MANIFEST) for path in files.manifests])
    videos = manifest[manifest["status"] == "ok"].sort_values(["video_id", "split"])
    tables = pd.concat([read_table(path, INTERVALS) for path in files.intervals])
    intervals = dict(list(tables.groupby("video_id")))
    journal = Journal(files.journal)
    wanted: list[dict[str, Any]] = []
    extractor = _LazyExtractor(files.checkpoint, settings)
    with WaveformStore(files.packs, sample_rate=settings.values.sample_rate) as waveforms:
        pairs = zip(videos["video_id"], videos["split"], strict=True)
        for video_id, split in progress(pairs, "extracting features", "videos", total=len(videos)):
            rows, waveform = intervals[video_id], waveforms[video_id]
            path = f"{split}/{video_id}.npy"
            key = _key(waveform, rows, views[split], settings, extractor.weights_hash)
            entry = journal.entries.get(path)
            if entry is None or entry["key"] != key or not (files.folder / path).exists():
                entry = _extract(extractor.get(), waveform, rows, views[split], files.folder / path)
                entry |= {"video_id": video_id, "split": split, "path": path, "key": key}
                journal.add(entry)
            wanted.append(entry)
    journal.keep_only({entry["path"] for entry in wanted}, files.folder)
    columns = [column.name for column in FEATURES.columns]
    write_table(pd.DataFrame(wanted, columns=[*columns, "key"])[columns], files.index, FEATURES)


class _LazyExtractor:
    """The network, loaded when the first video needs it."""

    def __init__(self, checkpoint: Path | None, settings: ExtractionSettings) -> None:
        self._checkpoint, self._settings = checkpoint, settings
        self._extractor: FeatureExtractor | None = None
        self.weights_hash = file_hash(checkpoint) if checkpoint else "untrained"

    def get(self) -> FeatureExtractor:
        if self._extractor is None:
            if self._checkpoint is None:
                logger.warning("random weights: these features carry nothing learned")
                network = untrained_network(self._settings.seed)
            else:
                network = load_network(self._checkpoint)
                check_preset(network, self._checkpoint, self._settings.preset)
            self._extractor = FeatureExtractor(network, self._settings)
        return self._extractor


def _extract(
    extractor: FeatureExtractor, waveform: Any, rows: pd.DataFrame, views: int, target: Path
) -> dict[str, Any]:
    shape = (len(rows), views, extractor.channels)
    digest = write_npy(target, shape, extractor.blocks(waveform, rows, views))
    starts = [
        interval_samples(row.start_s, row.stop_s, sample_rate=extractor.sample_rate)[0]
        for row in rows.itertuples()
    ]
    return {
        "intervals": shape[0],
        "views": shape[1],
        "channels": shape[2],
        "silent_intervals": sum(start >= len(waveform) for start in starts),
        "content_hash": digest,
    }


def write_npy(target: Path, shape: tuple[int, ...], blocks: Iterator[NDArray[np.float32]]) -> str:
    """Write successive parts of a float32 array as one `.npy` file; return its SHA-256.

    Only a part at a time is in memory.
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with atomic_path(target) as partial:
        with partial.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for block in blocks:
                file.write(np.ascontiguousarray(block, "<f4").data)
        return file_hash(partial)


def _key(
    waveform: Any, rows: pd.DataFrame, views: int, settings: ExtractionSettings, weights: str
) -> str:
    """Return a digest of everything that a video's features are made from and by."""
    made_by = (
        code_fingerprint("avlib.features.auditory_slowfast"),
        resolve_device(settings.device),
    )
    digest = hashlib.sha256(repr((astuple(settings), views, weights, made_by)).encode())
    digest.update(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
    for first in range(0, len(waveform), 1 << 20):
        digest.update(np.asarray(waveform[first : first + (1 << 20)]).tobytes())
    return digest.hexdigest()
